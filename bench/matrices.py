"""Matrices: one file that asks for a thousand jobs, from its drop until every one of them is queued and shown."""

from __future__ import annotations

import time
from datetime import datetime

from bench.figures import Figure, Goal
from bench.site import TINY, Site, wait_until

_DEADLINE_S = 60


def measure_matrix(runs: int, jobs: int) -> list[Figure]:
    """Drop files of so many combinations, each with alternatives, wildcards and a slider."""
    took_s = [_queued_s(jobs) for _ in range(runs)]
    return [Figure(f"a matrix of {jobs:,} jobs, from its drop until all are queued", took_s, "s", Goal(5))]


def _queued_s(jobs: int) -> float:
    with Site.make() as site, site.running():
        site.text_job("warm", TINY)
        site.wait_for_done("text-to-video/warm")
        dropped_at, _ = site.drop("text-to-video", "many.yaml", _file(jobs))
        last = site.outbox / "text-to-video" / f"many_{jobs:04}.status.json"
        wait_until(last.exists, _DEADLINE_S, "the last job's status file")
        shown_at = time.time()
        queued = site.ask("SELECT max(queued_at) FROM jobs WHERE name LIKE 'many%'")[0][0]
        return max(shown_at, datetime.fromisoformat(queued).timestamp()) - dropped_at


def _file(jobs: int) -> str:
    rows = 25 if jobs % 25 == 0 else 1
    cfg = [round(1 + number / 8, 3) for number in range(jobs // rows)]
    return (
        "prompt: a {fishing|sailing} boat, {dawn|{bright|grey} noon|dusk}, __weather__, __camera__\n"
        f"{TINY.replace('steps: 1', '')}sliders: {{age: 0.2}}\n"
        f"matrix: {{cfg: {cfg}, steps: {list(range(1, rows + 1))}}}\n"
    )

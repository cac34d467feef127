"""Many files: one listing, many job files read, many dropped at once."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from bench.figures import Figure
from bench.site import TINY, Site, temporary_folder, wait_until
from service.inbox.look import look
from service.jobfile import parse

_FILES_A_FOLDER = 1000
_JOB = """\
prompt: a fishing harbour at dawn, slow pan, film grain, take {number}
negative_prompt: blurry, low quality
seed: {number}
width: 512
height: 512
frames: 16
fps: 12
steps: 20
cfg: 7.5
"""


def measure_look(runs: int, files: int) -> list[Figure]:
    """Time one listing of an inbox with so many files, in grouping folders of a thousand."""
    with temporary_folder() as inbox:
        _fill(inbox / "text-to-video", files)
        took = [_time_look(inbox, files) for _ in range(runs)]
    return [Figure(f"one look at an inbox of {files:,} files", took, "s")]


def measure_parse(runs: int) -> list[Figure]:
    """Time reading the text of a thousand job files, all mistakes looked for."""
    jobs = [_JOB.format(number=number).encode() for number in range(1000)]
    took = []
    for _ in range(runs):
        began_s = time.perf_counter()
        for job in jobs:
            parse(job)
        took.append(time.perf_counter() - began_s)
    return [Figure("parsing 1,000 job files", took, "s")]


def measure_crowd(runs: int, jobs: int) -> list[Figure]:
    """Time from the first of many renames until the last of these drops is queued, the engine rendering meanwhile."""
    took = [_time_crowd(jobs) for _ in range(runs)]
    return [Figure(f"{jobs} job files dropped at once, until all are queued", took, "s")]


def _time_crowd(jobs: int) -> float:
    with Site.make() as site, site.running():
        site.text_job("warm", TINY)
        site.wait_for_done("text-to-video/warm")
        prepared = [site.prepare(f"crowd{number}.yaml", f"prompt: a crowd\n{TINY}") for number in range(jobs)]
        began_at = time.time()
        for path in prepared:
            path.rename(site.inbox / "text-to-video" / path.name)
        query = "SELECT count(*), max(queued_at) FROM jobs WHERE queued_at IS NOT NULL AND name LIKE 'crowd%'"
        wait_until(lambda: bool(site.ask(query)[0][0] == jobs), 120, "all are queued", every_s=0.2)
        last: str = site.ask(query)[0][1]
    return datetime.fromisoformat(last).timestamp() - began_at


def _fill(folder: Path, files: int) -> None:
    for start in range(0, files, _FILES_A_FOLDER):
        group = folder / f"group{start}"
        group.mkdir(parents=True)
        for number in range(start, min(start + _FILES_A_FOLDER, files)):
            (group / f"take{number}.yaml").touch()


def _time_look(inbox: Path, files: int) -> float:
    began_s = time.perf_counter()
    found = look(inbox, ["text-to-video", "image-to-video"])
    took_s = time.perf_counter() - began_s
    assert len(found) == files
    return took_s

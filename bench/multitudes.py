"""Multitudes: ten thousand jobs dropped at once, a hundred thousand files that only lie there."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import psutil

from bench.figures import Figure, Goal
from bench.idle import used_s
from bench.site import TINY, Site, wait_until
from tests.faults.process import Process

_DEADLINE_S = 300
_REST_AFTER_S = 25.0
#: What may lie in an inbox without starting anything: files of no kind, pictures that jobs may name, lone videos that
#: wait for a companion, and media that wait in a folder of people's own order.
_LYING = ("text-to-video/notes/{}.doc", "media/{}.jpg", "image-to-video/stills/{}.psd", "image-to-video/{}.xyz")


def measure_multitude(jobs: int) -> list[Figure]:
    """Drop so many job files in one go and one of another task behind them; follow what becomes of them."""
    with Site.make() as site, site.running() as daemon:
        site.text_job("warm", TINY)
        site.wait_for_done("text-to-video/warm")
        prepared = [site.prepare(f"crowd{number:05}.yaml", _job(number)) for number in range(jobs)]
        began_at = time.time()
        for path in prepared:
            path.rename(site.inbox / "text-to-video" / path.name)
        behind_at, _ = site.drop_photo("behind")
        peak_bytes = _until_queued(site, daemon, jobs)
        core_s = used_s(psutil.Process(daemon.pid))
        last = site.ask("SELECT max(queued_at) FROM jobs WHERE name LIKE 'crowd%'")[0][0]
        took_s = datetime.fromisoformat(last).timestamp() - began_at
        started = "SELECT queued_at FROM jobs WHERE name = 'behind' AND started_at IS NOT NULL"
        wait_until(lambda: bool(site.ask(started)), _DEADLINE_S, "the job behind them runs", every_s=0.5)
        behind_s = datetime.fromisoformat(site.ask(started)[0][0]).timestamp() - behind_at
        before = _started_between(site)
        rewritten = _written_since_queued(site)
    return [
        Figure(f"{jobs:,} job files dropped at once, until all are queued", [took_s], "s", Goal(30)),
        Figure("a core's time that the daemon's own process needed until then", [core_s], "s"),
        Figure("memory of the daemon's own process while that goes on, at most", [peak_bytes / 1e6], "MB", Goal(150)),
        Figure("a photo with its job file dropped behind them in another folder, until it is queued", [behind_s], "s"),
        Figure("jobs of that folder started after another folder's job was queued, before it", [before], "", Goal(2)),
        Figure("status files of queued jobs written again without a change", [rewritten], "", Goal(0.5)),
    ]


def measure_lying(files: int, seconds: float) -> list[Figure]:
    """Let so many files lie in the inbox: what a look takes, and what the daemon does for the rest of the time."""
    with Site.make() as site:
        for number in range(files):
            path = site.inbox / _LYING[number % len(_LYING)].format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        with site.running() as daemon:
            site.text_job("warm", TINY)
            site.wait_for_done("text-to-video/warm")
            process = psutil.Process(daemon.pid)
            # What has just changed is looked after more closely for a while.
            time.sleep(_REST_AFTER_S)
            share = _share_of_a_core(process, seconds)
    return [Figure(f"a core's time with {files:,} files lying in the inbox, {seconds:.0f} s", [share], "%", Goal(1))]


def _job(number: int) -> str:
    return f"prompt: a fishing harbour at dawn, slow pan, film grain, take {number}\nseed: {number}\n"


def _until_queued(site: Site, daemon: Process, jobs: int) -> int:
    process = psutil.Process(daemon.pid)
    peak = 0
    query = "SELECT count(*) FROM jobs WHERE queued_at IS NOT NULL AND name LIKE 'crowd%'"
    until_s = time.monotonic() + _DEADLINE_S
    while site.ask(query)[0][0] < jobs:
        assert time.monotonic() < until_s, "not all were queued"
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.5)
    return max(peak, process.memory_info().rss)


def _started_between(site: Site) -> int:
    """Return how many others began between the moment at which the job behind them was queued and its own start."""
    queued, started = site.ask("SELECT queued_at, started_at FROM jobs WHERE name = 'behind'")[0]
    between = f"SELECT count(*) FROM jobs WHERE name LIKE 'crowd%' AND started_at BETWEEN '{queued}' AND '{started}'"
    return int(site.ask(between)[0][0])


def _written_since_queued(site: Site) -> int:
    """Return how many files of jobs that are still queued were written well after they were queued."""
    found = site.ask("SELECT name, queued_at FROM jobs WHERE state = 'queued' AND name LIKE 'crowd%'")
    folder = site.outbox / "text-to-video"
    return sum(_is_newer(folder / f"{name}.status.json", queued_at) for name, queued_at in found)


def _is_newer(path: Path, queued_at: str) -> bool:
    # A group is queued and written within this time; what rewrites all files comes later.
    return path.stat().st_mtime - datetime.fromisoformat(queued_at).timestamp() > 2.0


def _share_of_a_core(process: psutil.Process, seconds: float) -> float:
    before_s, began_s = used_s(process), time.monotonic()
    time.sleep(seconds)
    return 100 * (used_s(process) - before_s) / (time.monotonic() - began_s)

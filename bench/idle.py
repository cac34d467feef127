"""What the daemon costs while there is nothing to do, its children beside it."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from bench.figures import Figure, Goal
from bench.site import TINY, Site

_SETTLE_S = 5.0


def measure_idle(seconds: float) -> list[Figure]:
    """Measure processor time and resident memory of each process over a quiet while, after two jobs of both kinds."""
    with Site.make() as site, site.running() as daemon:
        site.text_job("text", TINY)
        site.drop_photo("photo")
        site.wait_for_done("text-to-video/text")
        site.wait_for_done("image-to-video/photo")
        time.sleep(_SETTLE_S)
        root = psutil.Process(daemon.pid)
        processes = {"the daemon process alone": [root]}
        for child in root.children(recursive=True):
            processes.setdefault(_kind(child), []).append(child)
        shares = _shares(processes, seconds)
        memory = {kind: [each.memory_info().rss / 2**20 for each in found] for kind, found in processes.items()}
    figures = []
    for kind in processes:
        ours = kind == "the daemon process alone"
        figures += [
            Figure(f"idle, {kind}: share of one core", shares[kind], "%", Goal(0.5) if ours else None),
            Figure(f"idle, {kind}: resident memory", memory[kind], "MB", Goal(80) if ours else None),
        ]
    return figures


def _kind(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    if "service.engine" in words:
        return "the embedded engine"
    return "Python's resource tracker" if "resource_tracker" in words else "each examiner"


def _shares(processes: dict[str, list[psutil.Process]], seconds: float) -> dict[str, list[float]]:
    """Return each process's processor time over the next seconds, in per cent of one core."""
    began_s = time.perf_counter()
    before = {kind: [used_s(each) for each in found] for kind, found in processes.items()}
    time.sleep(seconds)
    passed_s = time.perf_counter() - began_s
    return {
        kind: [100 * (used_s(each) - used) / passed_s for each, used in zip(found, before[kind], strict=True)]
        for kind, found in processes.items()
    }


def used_s(process: psutil.Process) -> float:
    """Return the seconds of processor time that all threads of a process have used."""
    # An idle daemon uses less in half a minute than the 0.01 s steps in which the usual accounting counts.
    threads = list(Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
    if threads:
        return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9
    times = process.cpu_times()
    return float(times.user + times.system)

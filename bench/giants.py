"""What a result of many gigabytes costs in memory on its way from a server that breaks off again and again."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.figures import Figure, Goal
from bench.site import temporary_folder
from service.comfy.client import Client
from service.comfy.verdict import OutputFile
from service.disk import sha256_of
from service.examiner import Examiner
from service.job import Expected
from service.media.delivery import deliver
from service.media.encodings import USUAL
from service.outbox import Outbox
from tests.faults.giant import Giant, grow
from tests.marker_classifier import MarkerClassifier
from tests.media import drawing

_LOOK_S = 0.02
_DEADLINE_S = 1800.0
_MB = 2**20


def measure_giant(size: int, breaks: int) -> list[Figure]:
    """Take a result of so many bytes through every step up to the outbox; the connection breaks so often on the way."""
    with temporary_folder() as folder:
        source = grow(drawing.clip(folder / "source.mp4", frames=48), size)
        examiner = Examiner("results", MarkerClassifier, temporary=folder / "scratch", results=True)
        examiner.start()
        try:
            with Giant(source, size // (breaks + 1) + 1) as server:
                # What is loaded at the first use of anything is no cost of the file's.
                _bring(server.url, examiner, folder, drawing.clip(folder / "small.mp4", frames=48))
                began_s = time.perf_counter()
                more = _watched(lambda: _bring(server.url, examiner, folder, None))
                took_s = time.perf_counter() - began_s
                asked = len(server.asked) - 1
        finally:
            examiner.stop()
    if asked < breaks:
        raise RuntimeError(f"the connection broke off {asked} times, not {breaks}")
    ffmpeg = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    gigabytes = f"a result of {size / 1e9:g} GB, {breaks} breaks"
    return [
        Figure(f"{gigabytes}: more memory of the daemon", [more["daemon"]], "MB", Goal(50)),
        Figure(f"{gigabytes}: more memory of its examiner", [more["examiner"]], "MB", Goal(50)),
        Figure(f"{gigabytes}: largest program that wrote it", [ffmpeg], "MB"),
        Figure(f"{gigabytes}: from the server to the outbox", [took_s], "s"),
    ]


def _bring(url: str, examiner: Examiner, folder: Path, small: Path | None) -> None:
    raw, marked = folder / "raw.mp4", folder / "result.mp4"
    client = Client(url)
    if small is None:
        client.fetch(OutputFile("source.mp4", "", "output", "9"), raw, overall_s=_DEADLINE_S)
    inspected = examiner.inspect(small or raw, Expected(frames=48, fps=12))
    deliver(small or raw, marked, {}, USUAL, deadline_s=_DEADLINE_S)
    examiner.verify(marked, Expected(frames=48, fps=12), inspected.pictures)
    # The marked file has no hole behind it any more: what is hashed and copied is the large one.
    published = Outbox(folder / "outbox").publish(small or raw, "small.mp4" if small else "giant.mp4")
    sha256_of(published)
    client.close()


def _watched(act: Callable[[], None]) -> dict[str, float]:
    """Do something and return how much more memory than before was resident at the most, in MB."""
    processes = {"daemon": psutil.Process()}
    for child in psutil.Process().children():
        if "resource_tracker" not in " ".join(child.cmdline()):
            processes["examiner"] = child
    before = {name: process.memory_info().rss for name, process in processes.items()}
    most, done = dict(before), threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_S):
            for name, process in processes.items():
                most[name] = max(most[name], process.memory_info().rss)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        act()
    finally:
        done.set()
        watching.join()
    return {name: (most[name] - before[name]) / _MB for name in processes}

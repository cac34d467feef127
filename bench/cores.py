"""A server and what measures it, each on a core of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import psutil


def cores_apart(url: str) -> tuple[psutil.Process, int, int] | None:
    """Return the server's process, a core for it and one for us; None where they can't be parted."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    process = process_at(url)
    return (process, cores[0], cores[1]) if process and len(cores) > 1 else None


def process_at(url: str) -> psutil.Process | None:
    """Return the process that listens at an address of this machine, or the one that COMFY_PID names."""
    if pid := os.environ.get("COMFY_PID"):
        return psutil.Process(int(pid))
    port = urlsplit(url).port
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            for one in each.net_connections("tcp"):
                if one.status == psutil.CONN_LISTEN and tuple(one.laddr)[1] == port:
                    return each
    return None


@contextmanager
def parted(server: psutil.Process, its_core: int, our_core: int) -> Iterator[None]:
    """Keep a server on one core, and us with what we start meanwhile on another."""
    before = os.sched_getaffinity(0)
    _pin(server, {its_core})
    # What is started from here on inherits it: the daemon, and its children.
    os.sched_setaffinity(0, {our_core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        with suppress(psutil.Error):
            _pin(server, before)


def _pin(process: psutil.Process, cores: set[int]) -> None:
    # A process has no affinity of its own: each of its threads has one.
    for each in process.threads():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(each.id, cores)

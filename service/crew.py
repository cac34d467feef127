"""A crew: a few threads that take work from one queue, and that neither hide what felled them nor hold up the end."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

LOG = logging.getLogger(__name__)


class Crew:
    """Runs pieces of work in the order they come.

    Not concurrent.futures: the interpreter joins those threads at its exit without a deadline, and a piece of work that
    raises is remembered there by a future that nobody asks.
    """

    def __init__(self, name: str, threads: int, fallen: Callable[[str], None]) -> None:
        self._name = name
        self._fallen = fallen
        self._work: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name} {number}", daemon=True) for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[..., object], /, *arguments: Any) -> None:
        """Have a piece of work done; it handles its own trouble, and one that doesn't fells the daemon."""
        self._work.put((work, arguments))

    def stop(self) -> None:
        """Begin nothing more; returns at once."""
        self._stopping.set()
        for _ in self._threads:
            self._work.put(None)

    def join(self, until_s: float) -> None:
        """Wait for what was begun, at most until then on the monotonic clock."""
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _run(self) -> None:
        while (task := self._work.get()) is not None and not self._stopping.is_set():
            work, arguments = task
            try:
                work(*arguments)
            except Exception:  # of this thread: told to the roof, which falls loudly
                if self._stopping.is_set():
                    # Its rooms are being closed around it; the next start takes up what it was doing.
                    LOG.debug("%s: stopped in the middle of its work", self._name, exc_info=True)
                else:
                    LOG.exception("%s: a fault in Reeldrop", self._name)
                    self._fallen(self._name)

"""Syncing: many files are synced side by side, and what waits for the disk is done beside what can go on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TypeVar

_THREADS = 8
_T = TypeVar("_T")


def side_by_side(sync: Callable[[_T], None], things: Sequence[_T]) -> None:
    """Sync each of these and return when all are done; raises what one of them raised."""
    if len(things) < _THREADS:
        _each(sync, things)
    else:
        _syncers().do([partial(_each, sync, things[first::_THREADS]) for first in range(_THREADS)])


def _each(sync: Callable[[_T], None], things: Sequence[_T]) -> None:
    for each in things:
        sync(each)


class _Syncers:
    """Threads that wait for the disk side by side; kept, for starting them costs more than what they do."""

    def __init__(self, threads: int) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], None], queue.SimpleQueue[BaseException | None]]]
        self._work = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._run, name=f"fsync {number}", daemon=True).start()

    def do(self, pieces: Sequence[Callable[[], None]]) -> None:
        """Do all of these and return when all are done; raises what one of them raised."""
        answers = self.begin(pieces)
        troubles = [trouble for _ in pieces if (trouble := answers.get()) is not None]
        if troubles:
            raise troubles[0]

    def begin(self, pieces: Sequence[Callable[[], None]]) -> queue.SimpleQueue[BaseException | None]:
        """Begin to do all of these; what is returned gets one answer for each, None or what it raised."""
        answers: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        for piece in pieces:
            self._work.put((piece, answers))
        return answers

    def _run(self) -> None:
        while True:
            piece, answers = self._work.get()
            try:
                piece()
            except BaseException as trouble:  # noqa: BLE001 - it is raised where the work was asked for
                answers.put(trouble)
            else:
                answers.put(None)


@cache
def _syncers() -> _Syncers:
    return _Syncers(_THREADS)


class Relay:
    """Does one thing at a time beside whoever hands it over; who hands over the next waits for the last one."""

    def __init__(self) -> None:
        self._thread = _Syncers(1)
        self._under_way: queue.SimpleQueue[BaseException | None] | None = None

    def hand_over(self, act: Callable[[], None]) -> None:
        """Begin something once what was handed over before has ended; raises what that raised."""
        self.finish()
        self._under_way = self._thread.begin([act])

    def finish(self) -> None:
        """Return when nothing is under way any more; raises what it raised."""
        answers, self._under_way = self._under_way, None
        if answers is not None and (trouble := answers.get()) is not None:
            raise trouble

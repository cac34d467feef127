"""Which job comes next: the higher priority, then the task folder whose turn it is, then the order of arrival."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """What the order is made from; numbers rise with the arrival, a higher priority comes first."""

    @property
    def task(self) -> str:
        """The task folder."""

    @property
    def priority(self) -> int:
        """From -100 to 100."""

    @property
    def number(self) -> int:
        """The place by arrival."""


Any_ = TypeVar("Any_", bound=Waiting)


@dataclass(frozen=True)
class Turn:
    """One queued job as the order needs it."""

    id: str
    task: str
    priority: int
    number: int


def next_of(heads: Iterable[Any_], last_started: Mapping[str, str]) -> Any_ | None:
    """
    Return the job to start now, or None where there is none.

    `heads` holds at least the first job of each task folder (by priority, then arrival); `last_started` says when each
    folder's newest start was, as text that sorts by time: a folder that never had one comes first.
    """
    return min(heads, key=lambda job: (-job.priority, last_started.get(job.task, ""), job.number), default=None)


def in_order(queued: Iterable[Any_], last_started: Mapping[str, str]) -> Iterator[Any_]:
    """Yield queued jobs in the order in which one backend would start them if nothing else came."""
    folders: dict[str, list[tuple[int, int, Any_]]] = defaultdict(list)
    for job in queued:
        folders[job.task].append((-job.priority, job.number, job))
    for jobs in folders.values():
        # Numbers are unique, so jobs themselves are never compared.
        jobs.sort(key=lambda entry: entry[:2], reverse=True)
    heads: list[tuple[int, tuple[int, str], int, str]] = []

    def come_up(task: str, turn: tuple[int, str]) -> None:
        priority, number, _ = folders[task][-1]
        heapq.heappush(heads, (priority, turn, number, task))

    for task in folders:
        come_up(task, (0, last_started.get(task, "")))
    started = 0
    while heads:
        *_, task = heapq.heappop(heads)
        yield folders[task].pop()[2]
        started += 1
        if folders[task]:
            come_up(task, (started, ""))

"""Which job comes next, and where: the higher priority, a folder that is new, a warm model, then each in turn."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

#: So many of the next jobs are looked at for one whose models are loaded.
LOOK_AHEAD = 32
#: A job that so many others were preferred to comes next, whatever it has to load.
MOST_PASSED = 32


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
    #: The model files that it needs, "folder/name".
    models: frozenset[str] = frozenset()
    #: How many jobs were preferred to it, though it was before them and could have run there.
    passed: int = 0
    workflow: str = ""
    #: When it was queued, in the words of the starts that it is compared with.
    queued_at: str = ""


@dataclass(frozen=True)
class Bay:
    """One backend as the order needs it: how it is weighted, which models it holds, whether it runs nothing now."""

    name: str
    weight: float
    warm: frozenset[str]
    free: bool


CanRun = Callable[[str, Turn], bool]


def in_order(queued: Iterable[Any_], last_started: Mapping[str, str]) -> Iterator[Any_]:
    """Yield queued jobs by priority, the folders of each in turn, each folder's as they came; models don't matter."""
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


def choose(
    turns: Iterable[Turn], last_started: Mapping[str, str], bay: Bay, others: Sequence[Bay], can_run: CanRun
) -> Turn | None:
    """
    Return the job that a backend takes now, or None where it is to leave what there is to others.

    `turns` are the next queued jobs (`store.candidates`), `others` the other backends that take jobs now. Of the
    highest priority that it can run, it takes one of a folder of which nothing was started since its oldest waiting
    job came, so nobody waits behind what somebody else dropped before; then one that 32 others were preferred to; then
    the first of those that need no loading, among the next 32 in order; without such a one the one that loads the
    least, rather what no other backend has loaded. What a free backend would take without loading is left to it, so is
    what one of more weight would take, and what any free one would take while this one only fills its queue. So a
    backend that counts as free has to come and choose.
    """
    left, fresh = _left_for(bay, turns, last_started, others, can_run)
    return _pick(left, bay, others, can_run, fresh)


def passed_by(
    chosen: Turn,
    turns: Iterable[Turn],
    last_started: Mapping[str, str],
    bay: Bay,
    others: Sequence[Bay],
    can_run: CanRun,
) -> list[str]:
    """Return the ids of the jobs to which a backend has preferred the chosen one; `store.passed_over` counts them."""
    passed: list[str] = []
    left, _ = _left_for(bay, turns, last_started, others, can_run)
    for turn in _eligible(left, bay, can_run):
        if turn.id == chosen.id:
            return passed
        if turn.priority == chosen.priority and turn.passed < MOST_PASSED:
            passed.append(turn.id)
    return []


def _left_for(
    bay: Bay, turns: Iterable[Turn], last_started: Mapping[str, str], others: Sequence[Bay], can_run: CanRun
) -> tuple[list[Turn], set[str]]:
    """
    Return jobs in order and the folders that are new, but for what goes to backends that come before this one.

    Each of them reckons alike.
    """
    left = list(in_order(turns, last_started))
    fresh = _fresh_in(left, last_started)
    fleet = (bay, *others)
    free = sorted((each for each in fleet if each.free), key=lambda each: (-each.weight, each.name))
    served: set[str] = set()
    for each in free:
        pick = _pick(left, each, [other for other in fleet if other is not each], can_run, fresh)
        if pick is not None and pick.models and pick.models <= each.warm:
            if each is bay:
                return left, fresh
            left.remove(pick)
            fresh.discard(pick.task)
            served.add(each.name)
    for each in free:
        if each is not bay and each.name not in served and (not bay.free or each.weight > bay.weight):
            pick = _pick(left, each, [other for other in fleet if other is not each], can_run, fresh)
            left = [turn for turn in left if turn is not pick]
            fresh.discard(pick.task if pick else "")
    return left, fresh


def _fresh_in(ordered: Iterable[Turn], last_started: Mapping[str, str]) -> set[str]:
    """Return the folders of which nothing was started since their oldest waiting job came."""
    oldest: dict[str, str] = {}
    for turn in ordered:
        oldest[turn.task] = min(turn.queued_at, oldest.get(turn.task, turn.queued_at))
    return {task for task, queued_at in oldest.items() if task not in last_started or last_started[task] < queued_at}


def _eligible(ordered: Iterable[Turn], bay: Bay, can_run: CanRun) -> Iterator[Turn]:
    return (turn for turn in ordered if can_run(bay.name, turn))


def _pick(
    ordered: Iterable[Turn], bay: Bay, others: Sequence[Bay], can_run: CanRun, fresh: Collection[str]
) -> Turn | None:
    window = list(islice(_eligible(ordered, bay, can_run), LOOK_AHEAD))
    window = [turn for turn in window if turn.priority == window[0].priority]
    window = [turn for turn in window if turn.task in fresh] or window
    waited = [turn for turn in window if turn.passed >= MOST_PASSED]
    if waited:
        return waited[0]
    if window and window[0].models <= bay.warm:
        return window[0]
    warm = next((turn for turn in window if turn.models and turn.models <= bay.warm), None)
    if warm is not None:
        return warm
    return min(
        # What needs no model at all gains nothing by being preferred.
        (turn for turn in window if turn.models or turn is window[0]),
        key=lambda turn: (_is_warm_in(turn, others, can_run), len(turn.models - bay.warm)),
        default=None,
    )


def _is_warm_in(turn: Turn, bays: Iterable[Bay], can_run: CanRun) -> bool:
    return any(turn.models and turn.models <= each.warm and can_run(each.name, turn) for each in bays)

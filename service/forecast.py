"""Forecast: when queued jobs will have their turn, and when they will be done, as far as can be foretold."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from service.schedule import LOOK_AHEAD, Bay, CanRun, Turn, choose, in_order, passed_by

#: So many choices are foretold as the backends will make them; what is behind them follows in the order of arrival.
FORETOLD = 200


@dataclass(frozen=True)
class Stand:
    """One backend as it stands: what it holds, in how many seconds it is free, how many foreign prompts go before."""

    bay: Bay
    busy_s: float = 0.0
    foreign: int = 0


@dataclass(frozen=True)
class Forecast:
    """What is foretold of one queued job; seconds from now, None where something about it isn't known."""

    place: int
    done_s: float | None
    backend: str | None


def foretell(
    turns: Sequence[Turn],
    last_started: Mapping[str, str],
    stands: Sequence[Stand],
    can_run: CanRun,
    seconds_of: Callable[[Turn, str], float | None],
) -> dict[str, Forecast]:
    """
    Return each queued job's place, from 1, and when it will be done if nothing else comes.

    `stands` are the backends that take jobs, `seconds_of` how long a job takes on one. Prompts of other people that go
    before it there count as places. Without any backend the places are those of the plain order.
    """
    found: dict[str, Forecast] = {}
    fleet = _Fleet(stands, seconds_of)
    queue = _Queue(turns, last_started)
    while len(found) < FORETOLD and (step := fleet.next(queue, can_run)) is not None:
        turn, bay = step
        found[turn.id] = fleet.run(turn, bay, len(found) + 1)
        queue.start(turn)
    for turn in queue.rest():
        able = [name for name in fleet.names if can_run(name, turn)]
        found[turn.id] = fleet.run(turn, fleet.soonest(able), len(found) + 1)
    return found


class _Queue:
    """The jobs that haven't had their turn."""

    def __init__(self, turns: Sequence[Turn], last_started: Mapping[str, str]) -> None:
        self._left: dict[str, dict[str, Turn]] = defaultdict(dict)
        self._started = dict(last_started)
        self._starts = 0
        for turn in sorted(turns, key=lambda each: (-each.priority, each.number)):
            self._left[turn.task][turn.id] = turn

    def choice(self, bay: Bay, others: Sequence[Bay], can_run: CanRun) -> Turn | None:
        """Return what a backend takes next, and count what it preferred it to."""
        window = list(self._window(can_run, [bay, *others]))
        chosen = choose(window, self._started, bay, others, can_run)
        if chosen is not None:
            for job_id in passed_by(chosen, window, self._started, bay, others, can_run):
                for jobs in self._left.values():
                    if job_id in jobs:
                        jobs[job_id] = replace(jobs[job_id], passed=jobs[job_id].passed + 1)
        return chosen

    def _window(self, can_run: CanRun, bays: Sequence[Bay]) -> Iterator[Turn]:
        for jobs in self._left.values():
            lacking = {bay.name: LOOK_AHEAD for bay in bays}
            for turn in jobs.values():
                able = [name for name in lacking if can_run(name, turn)]
                if able:
                    yield turn
                lacking = {name: count - (name in able) for name, count in lacking.items() if count > (name in able)}
                if not lacking:
                    break

    def start(self, turn: Turn) -> None:
        """Take a job out: it has its turn."""
        del self._left[turn.task][turn.id]
        self._starts += 1
        # Later than any real time.
        self._started[turn.task] = f"~{self._starts:09}"

    def rest(self) -> Iterator[Turn]:
        """Yield what is left, folder by folder in turn."""
        return in_order((turn for jobs in self._left.values() for turn in jobs.values()), self._started)


class _Fleet:
    """The backends, each at the moment when it is free next."""

    def __init__(self, stands: Sequence[Stand], seconds_of: Callable[[Turn, str], float | None]) -> None:
        self._seconds_of = seconds_of
        self._bays = {stand.bay.name: stand.bay for stand in stands}
        self._foreign = {stand.bay.name: stand.foreign for stand in stands}
        self._free_s = {stand.bay.name: stand.busy_s for stand in stands}
        #: The backends that nobody can say how long they are busy: their jobs' ends aren't known either.
        self._vague: set[str] = set()

    @property
    def names(self) -> list[str]:
        """All of them."""
        return list(self._bays)

    def soonest(self, names: Sequence[str]) -> str | None:
        """Return which of these is free first."""
        return min(names, key=lambda name: self._free_s[name], default=None)

    def next(self, queue: _Queue, can_run: CanRun) -> tuple[Turn, str] | None:
        """Return who takes which job next: whoever is free first and takes any."""
        order = [(free_s, name) for name, free_s in self._free_s.items()]
        heapq.heapify(order)
        while order:
            free_s, name = heapq.heappop(order)
            others = [replace(bay, free=self._free_s[other] <= free_s) for other, bay in self._bays.items()]
            turn = queue.choice(
                replace(self._bays[name], free=True), [bay for bay in others if bay.name != name], can_run
            )
            if turn is not None:
                return turn, name
        return None

    def run(self, turn: Turn, name: str | None, place: int) -> Forecast:
        """Let a job run where it is foretold to."""
        if name is None:
            return Forecast(place + min(self._foreign.values(), default=0), None, None)
        seconds = self._seconds_of(turn, name)
        if seconds is None:
            self._vague.add(name)
        self._free_s[name] += seconds or 1.0
        if turn.models:
            self._bays[name] = replace(self._bays[name], warm=turn.models)
        done_s = None if name in self._vague else self._free_s[name]
        return Forecast(place + self._foreign[name], done_s, name)

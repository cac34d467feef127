"""A simulated queue on simulated backends: who starts what, and how many models are loaded for it."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.schedule import LOOK_AHEAD, Bay, CanRun, Turn, choose, in_order, passed_by

TASKS = ("text-to-video", "image-to-video", "face-swap")
Choice = Callable[[Sequence[Turn], Mapping[str, str], Bay, Sequence[Bay], CanRun], Turn | None]


@dataclass
class Trace:
    """What became of one simulated queue: the order of starts, how many models were loaded, and by which bay."""

    loads: int = 0
    order: list[Turn] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    most_passed: int = 0
    #: How many models were loaded between a job's coming up first for the first time and its start, at most.
    most_loads_waited: int = 0


def trace_of(seed: int, models: int, jobs: int = 100, lora: float = 0.0) -> list[Turn]:
    """Return jobs as they come, a random model and folder each, some with a LoRA of their folder."""
    draw = random.Random(seed)
    names = [f"checkpoints/{number}" for number in range(models)]
    turns = []
    for number in range(jobs):
        task = draw.choice(TASKS)
        needs = {draw.choice(names)} | ({f"loras/{task}"} if draw.random() < lora else set())
        turns.append(Turn(f"{number:04}", task, 0, number, frozenset(needs), workflow=task))
    return turns


def first_come(turns: Sequence[Turn], last_started: Mapping[str, str], *_: object) -> Turn | None:
    return min(turns, key=lambda turn: turn.number, default=None)


def run(turns: list[Turn], bays: list[Bay], choice: Choice = choose, can_run: CanRun = lambda *_: True) -> Trace:
    """Let bays take jobs whenever they are free; a render takes 10 s and 5 s for each model that is loaded."""
    trace, waiting, started = Trace(), {turn.id: turn for turn in turns}, dict[str, str]()
    fleet = {bay.name: bay for bay in bays}
    deferred: dict[str, int] = {}
    free_at: list[tuple[float, str]] = []
    idle = [bay.name for bay in bays]
    clock = 0.0
    while waiting:
        took = False
        for name in list(idle):
            bay, others = fleet[name], [each for each in fleet.values() if each.name != name]
            window = list(in_order(waiting.values(), started))[: LOOK_AHEAD * 3]
            turn = choice(window, started, bay, others, can_run)
            if turn is None:
                continue
            took = True
            if choice is choose:
                for each in passed_by(turn, window, started, bay, others, can_run):
                    waiting[each] = replace(waiting[each], passed=waiting[each].passed + 1)
                    deferred.setdefault(each, trace.loads)
            loaded = len(turn.models - bay.warm)
            trace.loads += loaded
            del waiting[turn.id]
            trace.most_passed = max(trace.most_passed, turn.passed)
            waited = trace.loads - loaded - deferred.get(turn.id, trace.loads - loaded)
            trace.most_loads_waited = max(trace.most_loads_waited, waited)
            trace.order.append(turn)
            trace.where.append(name)
            started[turn.task] = f"{len(trace.order):06}"
            fleet[name] = replace(bay, warm=turn.models or bay.warm, free=False)
            idle.remove(name)
            heapq.heappush(free_at, (clock + 10 + 5 * loaded, name))
        if not took and waiting:
            assert free_at, "nobody works, and nobody takes what is there"
            clock, name = heapq.heappop(free_at)
            idle.append(name)
            fleet[name] = replace(fleet[name], free=True)
    return trace


def bays_of(number: int) -> list[Bay]:
    return [Bay(f"gpu-{each}", 1.0, frozenset(), free=True) for each in range(number)]

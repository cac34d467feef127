"""The order of the queue: how many loads of models it saves, and what one choice among many jobs costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Figure, Goal
from service.job import Drop, Job, State
from service.schedule import Bay, Turn, choose
from service.store import Store, utc_now
from tests.shift import bays_of, first_come, run, trace_of

_MODELS, _BAYS = (2, 4, 8), (1, 3)
#: At most 32; a figure is judged by whether it stays under its goal.
_DEFERRED = Goal(33)


def measure_loads(seeds: int) -> list[Figure]:
    """Measure the loads of models on random traces of 100 jobs, as a share of first come, first served."""
    figures = []
    for models in _MODELS:
        for bays in _BAYS:
            shares, waited = [], []
            for seed in range(seeds):
                turns, fleet = trace_of(seed, models), bays_of(bays)
                ours = run(turns, fleet)
                shares.append(100 * ours.loads / run(turns, fleet, first_come).loads)
                waited.append(float(ours.most_loads_waited))
            what = f"100 mixed jobs on {models} models, {bays} backend{'s' if bays > 1 else ''}"
            figures.append(Figure(f"{what}: loads, of those of first come first served", shares, "%", Goal(30)))
            figures.append(
                Figure(f"{what}: the most loads that a job was deferred for", [max(waited)], "loads", _DEFERRED)
            )
    return figures


def measure_choices(jobs: int, choices: int) -> list[Figure]:
    """Measure how long it takes to find the next job among many that are queued, on a few models and on very many."""
    figures = []
    for kinds in (10, 1000):
        with TemporaryDirectory() as folder:
            store = Store(Path(folder) / "a.db")
            _queue(store, trace_of(1, kinds, jobs=jobs))
            times = [_choice_ms(store) for _ in range(choices)]
            store.close()
        figures.append(Figure(f"one choice among {jobs:,} queued jobs on {kinds:,} models", times, "ms"))
    return figures


def _choice_ms(store: Store) -> float:
    began_s = time.perf_counter()
    tasks = store.queued_tasks()
    turns = store.candidates(tasks)
    bay = Bay("gpu", 1.0, frozenset({"checkpoints/1"}), free=True)
    assert choose(turns, store.last_started(tasks), bay, [], lambda *_: True) is not None
    return 1000 * (time.perf_counter() - began_s)


def _queue(store: Store, turns: Sequence[Turn]) -> None:
    at = utc_now()
    with store.transaction():
        for turn in turns:
            drop = Drop(f"drop-{turn.id}", turn.task, "", turn.id, "job_file", ())
            models, workflow = sorted(turn.models), turn.workflow
            job = Job(turn.id, drop.id, "job", None, turn.task, "", turn.id, State.QUEUED, at, at)
            store.see(drop, job)
            store.change(turn.id, models=models, workflow=workflow)

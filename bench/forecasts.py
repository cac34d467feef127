"""How far the time left that is shown is from what comes, on renders by a script."""

from __future__ import annotations

import random

from bench.figures import Figure, Goal
from bench.site import temporary_folder
from tests.rehearsal import SIZES, WORKFLOWS, Rehearsal, errors

_RUNS = 5


def measure_forecasts(renders: int) -> list[Figure]:
    """Measure the error of each time left that is shown in so many renders of each size, after five of the same."""
    figures = []
    for workflow, machine in WORKFLOWS.items():
        chance, found = random.Random(4), []
        with temporary_folder() as folder:
            rehearsal = Rehearsal(folder)
            for size in SIZES:
                for _ in range(_RUNS):
                    job, render = rehearsal.queued(workflow, size)
                    rehearsal.render(job, render, machine.seconds(job, chance))
                for _ in range(renders):
                    job, render = rehearsal.queued(workflow, size)
                    found += [100 * each for each in errors(rehearsal, job, machine, chance, render)]
            rehearsal.store.close()
        what = f"scripted renders, {workflow.replace('_', ' ')}: error of the time left after five runs"
        figures.append(Figure(what, found, "%", Goal(20)))
    return figures

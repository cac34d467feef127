"""What earlier renders took is learnt: progress, time left, patience; on scripted durations and a clock of ours."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from service.job import Render
from service.timing import Timing
from tests.rehearsal import GRAPH, SIZES, WORKFLOWS, Rehearsal, errors


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Rehearsal]:
    made = Rehearsal(tmp_path)
    yield made
    made.store.close()


def test_after_five_runs_the_median_error_of_the_time_left_is_under_a_fifth(bench: Rehearsal) -> None:
    chance = random.Random(4)
    found: dict[tuple[str, object], list[float]] = {}
    for workflow, machine in WORKFLOWS.items():
        for size in SIZES:
            for _ in range(5):
                job, render = bench.queued(workflow, size)
                bench.render(job, render, machine.seconds(job, chance))
            for _ in range(2):
                job, render = bench.queued(workflow, size)
                found.setdefault((workflow, size), []).extend(errors(bench, job, machine, chance, render))
    assert {case: median(each) for case, each in found.items() if median(each) >= 0.2} == {}


def test_five_runs_of_other_sizes_teach_a_size_that_never_ran(bench: Rehearsal) -> None:
    chance = random.Random(5)
    for workflow, machine in WORKFLOWS.items():
        for size in SIZES:
            job, render = bench.queued(workflow, size)
            bench.render(job, render, machine.seconds(job, chance))
        job, render = bench.queued(workflow, (640, 640, 20, 24))
        assert median(errors(bench, job, machine, chance, render)) < 0.2


def test_an_eta_is_shown_from_the_start_once_there_is_history(bench: Rehearsal) -> None:
    machine, chance = WORKFLOWS["sampling_most"], random.Random(1)
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    assert bench.told[0][2] is None
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    assert bench.told[0][2] is not None


def test_progress_follows_what_each_node_took_before(bench: Rehearsal) -> None:
    machine, chance = WORKFLOWS["saving_most"], random.Random(2)
    job, render = bench.queued("saving_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    assert bench.timing.weights(job, render)["5"] > bench.timing.weights(job, render)["3"]
    shown = [progress for _, progress, _ in bench.told]
    assert shown == sorted(shown)


def test_cached_nodes_count_as_done_and_are_not_timed(bench: Rehearsal) -> None:
    machine, chance = WORKFLOWS["loading_most"], random.Random(3)
    job, render = bench.queued("loading_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    job, render = bench.queued("loading_most", SIZES[0])
    report = bench.render(job, render, machine.seconds(job, chance), cached=("1", "2"))
    assert set(report.stopwatch.node_seconds) == {"3", "4", "5"}
    assert bench.told[-1][1] >= bench.told[-5][1] > 0.5


def test_a_slower_server_is_noticed_on_the_way(bench: Rehearsal) -> None:
    machine = WORKFLOWS["sampling_most"]
    for _ in range(5):
        job, render = bench.queued("sampling_most", SIZES[0])
        bench.render(job, render, machine.seconds(job, random.Random(0)))
    slower = replace(machine, load_s=36, step_s=1.5, decode_s=3.0, save_s=0.6)
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.render(job, render, slower.seconds(job, random.Random(0)))
    at_s, _, eta = bench.told[-8]
    assert eta is not None
    assert eta > bench.timing.plan(job, render).after_s
    assert eta >= 0.4 * (bench.now_s - at_s)


def test_history_outlives_the_daemon_and_keeps_only_the_newest(bench: Rehearsal) -> None:
    job, render = bench.queued("sampling_most", SIZES[0])
    for seconds in range(1, 31):
        bench.timing.record(job, render, {"3": float(seconds)}, float(seconds))
    again = Timing(bench.store)
    assert again.weights(job, render) == bench.timing.weights(job, render)
    assert again.patience_s(job, render, "3") == 150
    assert len(bench.store.laps("sampling_most")) == 24


def test_what_comes_after_the_render_is_counted_too(bench: Rehearsal) -> None:
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.timing.record(job, render, {"3": 10.0}, 12.0)
    bench.timing.record_after(job, render, 3.0)
    assert bench.timing.plan(job, render).total_s() == 15
    assert bench.timing.expected_s("sampling_most", job.settings, "gpu") == 15
    assert bench.timing.expected_s("never_seen", job.settings, "gpu") is None
    assert bench.timing.eta_s(job, render, 4.0, {}) == 11
    assert bench.timing.eta_s(job, render, 4.0, {"3": 1.0}) == pytest.approx(3.0, abs=1)


def test_a_node_whose_class_was_changed_is_another_one(bench: Rehearsal) -> None:
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.timing.record(job, render, {"3": 300.0}, 300.0)
    other = replace(render, graph=GRAPH | {"3": {"class_type": "SamplerCustom", "inputs": {}}})
    patience: Callable[[Render], float] = lambda which: bench.timing.patience_s(job, which, "3")  # noqa: E731
    assert (patience(render), patience(other)) == (1500, 1800)

"""What earlier renders took is learnt: progress, time left, patience; on scripted durations and a clock of ours."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import pytest

from service.comfy.protocol import Run, StillRunning
from service.job import Drop, Expected, Job, Render, State
from service.outbox import Outbox
from service.register import Register
from service.report import Report
from service.store import Store
from service.timing import Timing

CLASSES = {"1": "CheckpointLoaderSimple", "2": "CLIPTextEncode", "3": "KSampler", "4": "VAEDecode", "5": "SaveVideo"}
GRAPH = {node: {"class_type": kind, "inputs": {}} for node, kind in CLASSES.items()}
AT = "2026-11-22T00:00:00.000Z"


@dataclass(frozen=True)
class Machine:
    """A server whose nodes take as long as this script says: fixed seconds, and seconds for each megapixel."""

    load_s: float
    step_s: float
    decode_s: float
    save_s: float
    noise: float = 0.08

    def seconds(self, job: Job, chance: random.Random) -> dict[str, float]:
        size = job.settings
        megapixels = size["width"] * size["height"] * size["frames"] / 1e6
        exact = {
            "1": self.load_s, "2": 0.4, "3": self.step_s * megapixels * size["steps"],
            "4": self.decode_s * megapixels, "5": self.save_s * megapixels,
        }  # fmt: skip
        return {node: each * chance.uniform(1 - self.noise, 1 + self.noise) for node, each in exact.items()}


WORKFLOWS = {
    "sampling_most": Machine(load_s=12, step_s=0.5, decode_s=1.0, save_s=0.2),
    "loading_most": Machine(load_s=60, step_s=0.05, decode_s=0.3, save_s=0.1),
    "saving_most": Machine(load_s=2, step_s=0.02, decode_s=0.5, save_s=6.0),
}
SIZES = [(512, 512, 16, 20), (768, 512, 24, 30), (512, 512, 48, 20), (320, 320, 8, 4)]


@dataclass
class Bench:
    """A store, a register and a clock that only the script moves."""

    folder: Path
    now_s: float = 1000.0
    told: list[tuple[float, float, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.folder / "var" / "reeldrop.db")
        self.register = Register(self.store, Outbox(self.folder / "outbox"), "here/1", lambda: self.now_s)
        self.timing = Timing(self.store)
        self.count = 0

    def queued(self, workflow: str, size: tuple[int, int, int, int], backend: str = "gpu") -> tuple[Job, Render]:
        self.count += 1
        name = f"job{self.count}"
        settings = dict(zip(("width", "height", "frames", "steps"), size, strict=True))
        drop = Drop(f"drop-{name}", "text-to-video", "", name, "job_file", ())
        job = Job(name, drop.id, "job", None, "text-to-video", "", name, State.WAITING, AT, AT)
        self.register.see(drop, replace(job, workflow=workflow, settings=settings, backend=backend))
        self.store.move(name, State.QUEUED)
        render = Render(name, f"p-{name}", GRAPH, "5", Expected(), {}, [])
        self.store.plan(render)
        return self.store.move(name, State.RUNNING), render

    def render(self, job: Job, render: Render, seconds: dict[str, float], cached: tuple[str, ...] = ()) -> Report:
        """Play one render as a server tells it, note what is shown on the way, and remember it."""
        run = Run(render.prompt_id, render.graph, self.timing.weights(job, render))
        report = Report(self.register, lambda _job, _data: None, job, lambda: self.now_s, True, self.timing)

        def say(kind: str, **data: object) -> None:
            for event in run.hear(json.dumps({"type": kind, "data": {"prompt_id": render.prompt_id, **data}})):
                report(event)

        self.told = []
        say("execution_start")
        say("execution_cached", nodes=list(cached))
        for node in [node for node in GRAPH if node not in cached]:
            say("executing", node=node)
            parts = max(20 if CLASSES[node] == "KSampler" else 2, round(seconds[node] / 2))
            for part in range(parts):
                self.now_s += seconds[node] / parts
                if CLASSES[node] == "KSampler":
                    say("progress", node=node, value=part + 1, max=parts)
                # A look at the server, as every two seconds, says where the render stands when no message does.
                report(run.standing(StillRunning()))
                shown = self.store.get(job.id)
                assert shown is not None
                self.told.append((self.now_s, shown.progress, shown.eta_seconds))
        whole_s = report.stopwatch.whole_s(self.now_s)
        say("execution_success")
        self.timing.record(job, render, report.stopwatch.node_seconds, whole_s)
        return report


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def errors(bench: Bench, job: Job, machine: Machine, chance: random.Random, render: Render) -> list[float]:
    """How far each forecast that was shown on the way was from what came, as part of it."""
    seconds = machine.seconds(job, chance)
    began_s = bench.now_s
    forecast = bench.timing.plan(job, render).total_s()
    bench.render(job, render, seconds)
    ended_s = bench.now_s
    assert forecast is not None
    found = [abs(forecast - (ended_s - began_s)) / (ended_s - began_s)]
    for at_s, _, eta in bench.told:
        left_s = ended_s - at_s
        if left_s > 5:
            assert eta is not None
            found.append(abs(eta - left_s) / left_s)
    return found


def test_after_five_runs_the_median_error_of_the_time_left_is_under_a_fifth(bench: Bench) -> None:
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


def test_five_runs_of_other_sizes_teach_a_size_that_never_ran(bench: Bench) -> None:
    chance = random.Random(5)
    for workflow, machine in WORKFLOWS.items():
        for size in SIZES:
            job, render = bench.queued(workflow, size)
            bench.render(job, render, machine.seconds(job, chance))
        job, render = bench.queued(workflow, (640, 640, 20, 24))
        assert median(errors(bench, job, machine, chance, render)) < 0.2


def test_an_eta_is_shown_from_the_start_once_there_is_history(bench: Bench) -> None:
    machine, chance = WORKFLOWS["sampling_most"], random.Random(1)
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    assert bench.told[0][2] is None
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    assert bench.told[0][2] is not None


def test_progress_follows_what_each_node_took_before(bench: Bench) -> None:
    machine, chance = WORKFLOWS["saving_most"], random.Random(2)
    job, render = bench.queued("saving_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    assert bench.timing.weights(job, render)["5"] > bench.timing.weights(job, render)["3"]
    shown = [progress for _, progress, _ in bench.told]
    assert shown == sorted(shown)


def test_cached_nodes_count_as_done_and_are_not_timed(bench: Bench) -> None:
    machine, chance = WORKFLOWS["loading_most"], random.Random(3)
    job, render = bench.queued("loading_most", SIZES[0])
    bench.render(job, render, machine.seconds(job, chance))
    job, render = bench.queued("loading_most", SIZES[0])
    report = bench.render(job, render, machine.seconds(job, chance), cached=("1", "2"))
    assert set(report.stopwatch.node_seconds) == {"3", "4", "5"}
    assert bench.told[-1][1] >= bench.told[-5][1] > 0.5


def test_a_slower_server_is_noticed_on_the_way(bench: Bench) -> None:
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


def test_history_outlives_the_daemon_and_keeps_only_the_newest(bench: Bench) -> None:
    job, render = bench.queued("sampling_most", SIZES[0])
    for seconds in range(1, 31):
        bench.timing.record(job, render, {"3": float(seconds)}, float(seconds))
    again = Timing(bench.store)
    assert again.weights(job, render) == bench.timing.weights(job, render)
    assert again.patience_s(job, render, "3") == 150
    assert len(bench.store.laps("sampling_most")) == 24


def test_what_comes_after_the_render_is_counted_too(bench: Bench) -> None:
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.timing.record(job, render, {"3": 10.0}, 12.0)
    bench.timing.record_after(job, render, 3.0)
    assert bench.timing.plan(job, render).total_s() == 15
    assert bench.timing.expected_s("sampling_most", job.settings, "gpu") == 15
    assert bench.timing.expected_s("never_seen", job.settings, "gpu") is None
    assert bench.timing.eta_s(job, render, 4.0, {}) == 11
    assert bench.timing.eta_s(job, render, 4.0, {"3": 1.0}) == pytest.approx(3.0, abs=1)


def test_a_node_whose_class_was_changed_is_another_one(bench: Bench) -> None:
    job, render = bench.queued("sampling_most", SIZES[0])
    bench.timing.record(job, render, {"3": 300.0}, 300.0)
    other = replace(render, graph=GRAPH | {"3": {"class_type": "SamplerCustom", "inputs": {}}})
    patience: Callable[[Render], float] = lambda which: bench.timing.patience_s(job, which, "3")  # noqa: E731
    assert (patience(render), patience(other)) == (1500, 1800)

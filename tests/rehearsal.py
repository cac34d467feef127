"""Renders by a script: how long each node takes is written here, and the clock is ours."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from pathlib import Path

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
        """Return how long each node takes this time."""
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
class Rehearsal:
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
        """Return a job that was just taken, of this width, height, number of frames and steps."""
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


def errors(rehearsal: Rehearsal, job: Job, machine: Machine, chance: random.Random, render: Render) -> list[float]:
    """Render once more; return how far each forecast that was shown on the way was from what came, as part of it."""
    seconds = machine.seconds(job, chance)
    began_s = rehearsal.now_s
    forecast = rehearsal.timing.plan(job, render).total_s()
    rehearsal.render(job, render, seconds)
    ended_s = rehearsal.now_s
    assert forecast is not None
    found = [abs(forecast - (ended_s - began_s)) / (ended_s - began_s)]
    for at_s, _, eta in rehearsal.told:
        left_s = ended_s - at_s
        if left_s > 5:
            assert eta is not None
            found.append(abs(eta - left_s) / left_s)
    return found

"""Fifty short jobs dropped at once, with everything on, against the same graphs sent to the same server directly."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import requests

from bench.cores import cores_apart, parted, process_at
from bench.figures import Figure, Goal
from bench.site import ROOT, Site, asked, engine, temporary_folder, wait_until
from service import config as configuration
from service.jobfile import parse
from service.library import load
from service.workflow import bind
from tests.faults.process import Process

_TASK, _NAME = "text-to-video", "flat"
_GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 512, "height": 512, "batch_size": 48, "color": 0}},
    "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 24.0}},
    "3": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["2", 0], "filename_prefix": "bench", "format": "mp4", "codec": "h264"},
    },
}
#: The seed is the colour, so no job is another's, and nothing comes from the server's cache.
_MANIFEST = {
    "schema": 1,
    "title": "A clip of one colour",
    "task": _TASK,
    "parameters": {
        "seed": {"type": "whole", "minimum": 0, "maximum": 0xFFFFFF, "to": {"node": "1", "input": "color"}},
        "frames": {
            "type": "whole",
            "minimum": 1,
            "maximum": 480,
            "default": 48,
            "to": {"node": "1", "input": "batch_size"},
        },
    },
    "output": {"node": "3"},
}
#: Renders while the others are queued.
_HOLDER_FRAMES = 192
_LOOK_S, _ITEMS = 0.1, 8
_DEADLINE_S = 600.0


def measure_fifty(jobs: int, rounds: int) -> list[Figure]:
    """Time so many jobs, dropped and directly, alternating; on the same cores, then the server and we on a core each.

    The server is that of COMFY_URL, or else an engine of ours; COMFY_PID names its process where it can't be found.
    """
    figures = []
    # The stand-in takes a fraction of the half second that the goals are for.
    goals = (Goal(1.5), Goal(1.1)) if os.environ.get("COMFY_URL") else (None, None)
    with _server() as (url, name), temporary_folder() as folder:
        workflows = _write_workflow(folder)
        figures += _Bench(url, workflows, jobs, rounds).measure(f"{jobs} jobs on {name}, on the same cores", goals[0])
        apart = cores_apart(url)
        if apart is None:
            _say("two cores and the server's process (COMFY_PID) are needed to part it from the daemon: left out")
        else:
            with parted(*apart):
                figures += _Bench(url, workflows, jobs, rounds).measure(f"{jobs} jobs on {name}, a core each", goals[1])
    return figures


@contextmanager
def _server() -> Iterator[tuple[str, str]]:
    """Give the server's address, and what it is."""
    url = os.environ.get("COMFY_URL", "").rstrip("/")
    if url:
        version = asked("GET", f"{url}/system_stats").json()["system"].get("comfyui_version", "of unknown version")
        yield url, f"ComfyUI {version}"
        return
    _say("COMFY_URL names no server: an embedded engine stands in for ComfyUI")
    with engine() as url:
        yield url, "the embedded engine as a stand-in"


def _say(line: str) -> None:
    print(f"  fifty: {line}", file=sys.stderr, flush=True)


def _write_workflow(folder: Path) -> Path:
    (folder / f"{_NAME}.json").write_text(json.dumps(_GRAPH), encoding="utf-8")
    (folder / f"{_NAME}.yaml").write_text(json.dumps(_MANIFEST), encoding="utf-8")
    return folder


# one run after another ---------------------------------------------------------------------------------------------


@dataclass
class _Found:
    """What the runs took: seconds of each, gaps as the server saw them, processor time a job."""

    ratios: list[float] = field(default_factory=list)
    direct_s: list[float] = field(default_factory=list)
    dropped_s: list[float] = field(default_factory=list)
    direct_gaps_ms: list[float] = field(default_factory=list)
    gaps_ms: list[float] = field(default_factory=list)
    spent_ms: dict[str, list[float]] = field(default_factory=dict)


class _Bench:
    """One server and the same jobs for it, both ways."""

    def __init__(self, url: str, workflows: Path, jobs: int, rounds: int) -> None:
        self._url = url
        self._workflows = workflows
        self._jobs = jobs
        self._rounds = rounds
        library = load(configuration.parse(json.dumps({"workflows_dir": str(workflows)}), ROOT))
        self._library = library
        #: No colour comes twice, in whatever run.
        self._colour = uuid.uuid4().int % 0x800000
        self._found = _Found()

    def measure(self, what: str, goal: Goal | None) -> list[Figure]:
        """Return the figures of one arrangement of cores."""
        with Site.make(self._url, workflows=self._workflows) as site, site.running() as daemon:
            site.drop(_TASK, "warm.yaml", f"seed: {self._next_colour()}\n")
            site.wait_for_done(f"{_TASK}/warm")
            self._send_directly(3)
            for number in range(self._rounds):
                direct_s = self._send_directly(self._jobs)
                dropped_s = self._drop(site, daemon, f"r{number}")
                _say(f"{what}: dropped {dropped_s:.1f} s, directly {direct_s:.1f} s")
                self._found.direct_s.append(direct_s)
                self._found.dropped_s.append(dropped_s)
                self._found.ratios.append(dropped_s / direct_s)
        found = self._found
        return [
            Figure(f"{what}: dropped, of the time when sent directly", found.ratios, "times", goal),
            Figure(f"{what}: first drop to last video", found.dropped_s, "s"),
            Figure(f"{what}: sent directly, first start to last end", found.direct_s, "s"),
            Figure(f"{what}: from one's end to the next one's start at the server", found.gaps_ms, "ms", Goal(10)),
            Figure(f"{what}: the same, sent directly", found.direct_gaps_ms, "ms"),
            *(
                Figure(f"{what}: processor time of {who} for each", spent, "ms")
                for who, spent in found.spent_ms.items()
            ),
        ]

    def _next_colour(self) -> int:
        self._colour += 1
        return self._colour

    # directly -------------------------------------------------------------------------------------------------------

    def _send_directly(self, jobs: int) -> float:
        """Queue them behind a longer one; return the seconds from the first one's start to the last one's end."""
        client = uuid.uuid4().hex
        holder = self._post(f"frames: {_HOLDER_FRAMES}\n", client)
        prompts = [self._post("", client) for _ in range(jobs)]
        found: dict[str, _Moments] = {}

        def ended() -> bool:
            if asked("GET", f"{self._url}/history/{prompts[-1]}").json():
                found.update(_moments(asked("GET", f"{self._url}/history").json()))
            return bool(found)

        wait_until(ended, _DEADLINE_S, "all have ended that were sent directly", every_s=0.25)
        asked("POST", f"{self._url}/history", json={"delete": [holder, *prompts]})
        mine = {prompt: found[prompt] for prompt in prompts}
        if jobs == self._jobs:
            self._found.direct_gaps_ms += _gaps_ms(mine)
        return mine[prompts[-1]].ended_s - mine[prompts[0]].started_s

    def _post(self, settings: str, client: str) -> str:
        job = parse(f"seed: {self._next_colour()}\n{settings}".encode())
        workflow = self._library.workflows[_NAME]
        prompt = str(uuid.uuid4())
        bound = bind(workflow, job.settings, self._colour, {}, f"bench/{prompt}", self._library.defaults)
        body = {"prompt": bound.graph, "prompt_id": prompt, "client_id": client}
        asked("POST", f"{self._url}/prompt", json=body).raise_for_status()
        return prompt

    # dropped --------------------------------------------------------------------------------------------------------

    def _drop(self, site: Site, daemon: Process, run: str) -> float:
        """Drop them, one file each; return the seconds from the first rename until the last video is there."""
        names = [f"{run}-{number:02}" for number in range(self._jobs)]
        for name in names:
            site.prepare(f"{name}.yaml", f"seed: {self._next_colour()}\n")
        wanted = {site.outbox / _TASK / f"{name}.mp4" for name in names}
        with _spending(daemon, process_at(self._url), self._jobs, self._found.spent_ms), _noting(self._url) as known:
            began_at, began_s = time.time(), time.perf_counter()
            for name in names:
                site.move(_TASK, f"{name}.yaml")
            wait_until(
                lambda: wanted <= set((site.outbox / _TASK).iterdir()), _DEADLINE_S, "the last video", every_s=0.05
            )
            took_s = time.perf_counter() - began_s
        for name in names:
            site.wait_for_done(f"{_TASK}/{name}")
        # What another run left in the history isn't of these.
        self._found.gaps_ms += _gaps_ms({prompt: at for prompt, at in known.items() if at.started_s >= began_at})
        return took_s


# what the server and the system saw --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Moments:
    """When a prompt began and ended by the server's clock, and its place in the server's order."""

    number: float
    started_s: float
    ended_s: float


def _moments(history: Mapping[str, Any]) -> dict[str, _Moments]:
    found = {}
    for prompt, entry in history.items():
        at = {kind: data["timestamp"] / 1000 for kind, data in entry["status"]["messages"] if "timestamp" in data}
        if {"execution_start", "execution_success"} <= at.keys():
            found[prompt] = _Moments(entry["prompt"][0], at["execution_start"], at["execution_success"])
    return found


def _gaps_ms(known: Mapping[str, _Moments]) -> list[float]:
    """Return the pauses between neighbours; where one of them wasn't seen there is none."""
    order = sorted(known.values(), key=lambda each: each.number)
    return [
        1000 * (after.started_s - each.ended_s) for each, after in pairwise(order) if after.number - each.number == 1
    ]


@contextmanager
def _noting(url: str) -> Iterator[Mapping[str, _Moments]]:
    """Keep what the newest of the server's history says: the daemon has it forgotten once a job is published."""
    known: dict[str, _Moments] = {}
    done = threading.Event()

    def look() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not done.wait(_LOOK_S):
                with suppress(requests.RequestException, ValueError):
                    known.update(_moments(session.get(f"{url}/history?max_items={_ITEMS}", timeout=10).json()))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield known
    finally:
        done.set()
        looking.join()


@contextmanager
def _spending(
    daemon: Process, server: psutil.Process | None, jobs: int, spent_ms: dict[str, list[float]]
) -> Iterator[None]:
    """Note the processor time that each process spends meanwhile, for each job."""
    mine = psutil.Process(daemon.pid)
    parts: dict[str, Callable[[], float]] = {
        "the daemon itself": lambda: _spent_s(mine),
        "its children": lambda: sum(_spent_s(child) for child in mine.children(recursive=True)),
    }
    if server is not None:
        parts["the server"] = lambda: _spent_s(server)
    before = {who: spent() for who, spent in parts.items()}
    yield
    for who, spent in parts.items():
        spent_ms.setdefault(who, []).append(1000 * (spent() - before[who]) / jobs)


def _spent_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)

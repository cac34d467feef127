"""Cancel races on a real engine: our jobs among other people's prompts, cancelled at moments that chance draws."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import requests

from service.errors import Rejected
from service.job import ENDED, State
from tests.line.outliving import Ride, Run, ended_each, serve
from tests.line.world import World
from tests.workflows import SHIPPED

_OTHERS_EVERY = 3
#: About as long as the shortest of our jobs renders.
_OTHERS_FRAMES = 40


def race(folder: Path, seed: int, *, jobs: int) -> Ride:
    """Drop jobs one by one among other people's prompts, cancel each at some moment, and compare what came of all."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        server = serve(stack, folder / "server")
        run = Run(stack.enter_context(World(folder / "world", server.url, workflows_dir=str(SHIPPED))), jobs, seed)
        others: list[str] = []
        for number, name in enumerate(run.names):
            if number % _OTHERS_EVERY == 0:
                others.append(_queue_another(server.url, number))
            _race(run, name, chance)
        run.until(lambda: all(job.state in ENDED for job in run.jobs()), "every end")
        return _check(run, server.url, others)


def _race(run: Run, name: str, chance: random.Random) -> None:
    """Cancel a job while it waits, is being sent, has just begun, renders, is about to end, or has ended."""
    assert run.world.app is not None
    run.drop(name)
    wanted = chance.choice((None, "sending", "rendering", "ending", "done"))
    state, least = {"rendering": (State.RUNNING, 0.01), "ending": (State.RUNNING, 0.8)}.get(wanted or "", (None, 0.0))

    def met() -> bool:
        mine = [job for job in run.jobs() if job.name == name]
        if not mine or mine[0].state in ENDED or wanted is None:
            return bool(mine)
        if wanted == "sending":
            return mine[0].state is State.RUNNING
        heard = run.world.changes[-1:]
        return state is not None and any(job.name == name and job.progress >= least for job in heard)

    run.until(met, f"{name} {wanted}")
    time.sleep(chance.uniform(0, 0.05))
    # It may be over by now.
    with suppress(Rejected):
        run.world.app.control.cancel(f"text-to-video/{name}")


def _queue_another(url: str, number: int) -> str:
    graph: dict[str, Any] = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 128, "height": 128, "batch_size": _OTHERS_FRAMES, "color": number},
        },
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    return str(requests.post(f"{url}/prompt", json={"prompt": graph}, timeout=10).json()["prompt_id"])


def _check(run: Run, url: str, others: list[str]) -> Ride:
    def history(prompt_id: str) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{url}/history/{prompt_id}", timeout=10).json()
        return found

    run.until(lambda: all(map(history, others)), "other people's prompts")
    ends = {prompt_id: history(prompt_id)[prompt_id]["status"]["status_str"] for prompt_id in others}
    assert set(ends.values()) == {"success"}, ends
    queue = requests.get(f"{url}/queue", timeout=10).json()
    assert (queue["queue_running"], queue["queue_pending"]) == ([], [])
    states = {job.name: job.state for job in run.jobs()}
    assert set(states) == set(run.names)
    assert set(states.values()) <= {State.DONE, State.CANCELLED}
    assert ended_each(run.world) == [1] * len(run.names)
    videos = {path for path in run.world.outbox() if path.endswith(".mp4")}
    done = {f"text-to-video/{name}.mp4" for name, state in states.items() if state is State.DONE}
    assert videos == done
    attempts = max(job.attempt for job in run.jobs())
    cancelled = len(states) - len(done)
    return Ride(len(states), len(videos), 0, 0, 0, attempts, run.seconds, cancelled, len(others))

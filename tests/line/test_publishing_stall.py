"""A server that answers and renders nothing: the running job holds with the cure, and goes on by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from service.app import App
from service.examiner import OpenNsfw
from service.pursuit import Standstill
from tests.faults.proxy import Proxy
from tests.line.test_servers_come_and_go import SLOW, Server
from tests.line.world import World


class HalfDead(Proxy):
    """Stands before a server; once `wedge` has seen a prompt run, it says for ever that this prompt runs."""

    def wedge(self) -> None:
        queue = requests.get(f"{self.upstream}/queue", timeout=10).json()
        assert queue["queue_running"], "a prompt runs"
        self.answer("/queue", json.dumps(queue).encode())
        self.drop_socket_after(0)
        self.fail("/ws", None)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.process.end()


def start(world: World, stall_s: float) -> None:
    # The marker classifier would find its colour in the noise of the first steps.
    world.classifier = OpenNsfw
    world.app = App(world.config, classifier=world.classifier)
    world.app.on_change = world.changes.append
    world.app.open()
    for lane in world.app.lanes:
        lane.stall_s = stall_s
    world.app.start()


def holds(world: World) -> list[Any]:
    return [job.hold.code if job.hold else None for job in world.changes]


def test_a_half_dead_server_holds_its_job_which_is_sent_again_after_a_restart(tmp_path: Path, server: Server):
    with HalfDead(server.url) as proxy:
        world = World(tmp_path / "world", proxy.url)
        start(world, 0.5)
        try:
            world.drop("text-to-video/slow.yaml", SLOW)
            world.until(lambda: any(job.progress > 0.1 for job in world.changes), "it samples")
            proxy.wedge()
            hold = world.until_hold("text-to-video/slow", "stalled")
            assert hold["fix"] == "Restart ComfyUI; the job is sent again by itself."
            assert world.status("text-to-video/slow")["state"] == "running"
            server.process.kill()
            proxy.heal().refuse()
            world.until_hold("text-to-video/slow", "refused")
            server.start_again()
            proxy.accept()
            status = world.until_state("text-to-video/slow", "done", "failed")
        finally:
            world.stop()
    assert (status["state"], status["hold"], status["attempt"]) == ("done", None, 1)


def test_a_slow_job_that_moves_clears_its_hold(tmp_path: Path, server: Server):
    with HalfDead(server.url) as proxy:
        world = World(tmp_path / "world", proxy.url)
        start(world, 0.5)
        try:
            world.drop("text-to-video/slow.yaml", SLOW)
            world.until(lambda: any(job.progress > 0.1 for job in world.changes), "it samples")
            server.process.freeze()
            queue = {"queue_running": [[0, job_prompt(world), {}, {}, []]], "queue_pending": []}
            proxy.answer("/queue", json.dumps(queue).encode())
            world.until_hold("text-to-video/slow", "stalled")
            server.process.thaw()
            world.until(lambda: holds(world)[-1] is None, "it moves again")
            proxy.heal()
            world.until_state("text-to-video/slow", "done")
        finally:
            world.stop()


def job_prompt(world: World) -> str:
    (job,) = world.app.store.in_states("running")
    return world.app.store.render(job.id).prompt_id


def test_time_that_nobody_could_hear_in_counts_half():
    still = Standstill(10.0)
    assert not still.look(0.0, "sampling 3", hears=True)
    assert not still.look(9.0, "sampling 3", hears=True)
    assert not still.look(10.0, "sampling 4", hears=True)
    assert not still.look(29.0, "sampling 4", hears=False)
    assert still.look(30.0, "sampling 4", hears=False)
    still.move()
    assert not still.look(100.0, "sampling 4", hears=True)

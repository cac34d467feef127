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
from tests.line.world import SMALL, World
from tests.workflows import SHIPPED

#: Long enough to be stopped in its middle.
LONG = SLOW.replace("steps: 20", "steps: 150")


class HalfDead(Proxy):
    """Stands before a server; once `wedge` has seen a prompt run, it says for ever that this prompt runs."""

    def wedge(self) -> None:
        queue = requests.get(f"{self.upstream}/queue", timeout=10).json()
        assert queue["queue_running"], "a prompt runs"
        self.answer("/queue", json.dumps(queue).encode())
        # What the server says to everybody is heard: its socket isn't deaf, its worker does nothing.
        self.swallow_messages(but=b'"status"')

    def revive(self) -> None:
        self.heal()
        self.pass_messages()


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
        lane.patience.fixed_s = stall_s
    world.app.start()


def holds(world: World) -> list[Any]:
    return [job.hold.code if job.hold else None for job in world.changes]


def test_what_stands_still_is_stopped_and_after_a_restart_it_is_rendered_anew(tmp_path: Path, server: Server):
    with HalfDead(server.url) as proxy:
        world = World(tmp_path / "world", proxy.url, workflows_dir=str(SHIPPED))
        start(world, 0.5)
        try:
            world.drop("text-to-video/slow.yaml", SLOW)
            world.until(lambda: any(job.progress > 0.1 for job in world.changes), "it samples")
            proxy.wedge()
            hold = world.until_hold("text-to-video/slow", "stalled")
            assert hold["fix"] == "Restart ComfyUI; the job is sent again by itself."
            assert world.status("text-to-video/slow")["state"] == "running"
            world.until(lambda: ("POST", "/interrupt") in proxy.requests, "being told to stop")
            server.process.kill()
            proxy.revive()
            proxy.refuse()
            world.until_hold("text-to-video/slow", "refused")
            server.start_again()
            proxy.accept()
            set_patience(world, 60)
            status = world.until_state("text-to-video/slow", "done", "failed")
        finally:
            world.stop()
    assert (status["state"], status["hold"], status["attempt"]) == ("done", None, 2)


def test_a_server_that_lets_go_of_nothing_is_restarted_by_its_operators_command(tmp_path: Path, server: Server):
    with HalfDead(server.url) as proxy:
        mark = tmp_path / "restarted"
        backend = {"name": "server", "url": proxy.url, "restart_command": ["touch", str(mark)]}
        world = World(tmp_path / "world", proxy.url, backends=[backend], workflows_dir=str(SHIPPED))
        start(world, 0.5)
        try:
            assert world.app is not None
            world.app.lanes[0]._at.wedged_s = 0.5
            world.drop("text-to-video/slow.yaml", LONG)
            world.until(lambda: any(job.progress > 0.1 for job in world.changes), "it samples")
            proxy.wedge()
            world.until(mark.exists, "the restart command")
            set_patience(world, 60)
            proxy.revive()
            world.until(lambda: world.status("text-to-video/slow")["attempt"] == 2, "the next attempt")
        finally:
            world.stop()


def test_a_job_under_which_the_server_stood_still_twice_is_set_aside_until_it_is_retried(
    tmp_path: Path, server: Server
):
    with HalfDead(server.url) as proxy:
        world = World(tmp_path / "world", proxy.url, workflows_dir=str(SHIPPED))
        start(world, 0.5)
        try:
            world.drop("text-to-video/slow.yaml", LONG)
            until_sampling(world, 1)
            world.app.store.change(world.status("text-to-video/slow")["job"], trouble={"stalls": 1})
            proxy.wedge()
            world.until_hold("text-to-video/slow", "stalled")
            proxy.revive()
            hold = world.until_hold("text-to-video/slow", "set_aside")
            assert "stood still" in hold["title"]
            world.drop("text-to-video/other.yaml", f"prompt: a cup\n{SMALL}")
            world.until_state("text-to-video/other", "done")
            set_patience(world, 60)
            assert "no longer set aside" in world.app.retrial.retry("text-to-video/slow")
            world.until_state("text-to-video/slow", "running")
        finally:
            world.stop()


def test_a_job_that_moves_slowly_is_never_touched(tmp_path: Path, server: Server):
    with HalfDead(server.url) as proxy:
        world = World(tmp_path / "world", proxy.url, workflows_dir=str(SHIPPED))
        start(world, 3)
        try:
            world.drop("text-to-video/slow.yaml", SLOW.replace("steps: 20", "steps: 60"))
            status = world.until_state("text-to-video/slow", "done")
        finally:
            world.stop()
    assert status["attempt"] == 1
    assert ("POST", "/interrupt") not in proxy.requests
    assert "stalled" not in holds(world)


def test_time_that_nobody_could_hear_in_does_not_count():
    still = Standstill()
    assert still.look(0.0, "sampling 3", hears=True) == 0
    assert still.look(9.0, "sampling 3", hears=True) == 9
    assert still.look(10.0, "sampling 4", hears=True) == 0
    assert still.look(29.0, "sampling 4", hears=False) == 0
    assert still.look(30.0, "sampling 4", hears=True) == 1
    still.move()
    assert still.look(100.0, "sampling 4", hears=True) == 0


def until_sampling(world: World, attempt: int) -> None:
    world.until(lambda: any(job.progress > 0.05 and job.attempt == attempt for job in world.changes), "it samples")


def set_patience(world: World, seconds: float) -> None:
    assert world.app is not None
    for lane in world.app.lanes:
        lane.patience.fixed_s = seconds

"""A server that dies, comes back or drops its socket while it renders: one job, one ending, progress only upwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.examiner import OpenNsfw
from tests.faults.process import Process
from tests.faults.proxy import Proxy
from tests.line.world import ROOT, SMALL, World

SLOW = "prompt: a harbour\nseed: 1\nframes: 16\nsteps: 20\n"


class Server:
    """A server of its own process at an address that stays the same from one life to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.process = self._spawn(0)
        self.url: str = json.loads(self.process.wait_for_line(r"\{.*\}", 20)[0])["url"]

    def start_again(self) -> None:
        self.process = self._spawn(urlsplit(self.url).port or 0)
        self.process.wait_for_line(r"\{.*\}", 20)

    def _spawn(self, port: int) -> Process:
        base, models = self._folder / "server", ROOT / "models" / "models.yaml"
        base.mkdir(exist_ok=True)
        arguments = ("--port", str(port), "--base", base, "--models", models, "--stay")
        return Process("-m", "service.engine", *arguments, cwd=ROOT).start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.process.end()


def until_sampling(world: World, name: str) -> None:
    world.until(lambda: any(job.name == name and job.progress > 0.2 for job in world.changes), f"{name} half way")


def test_a_server_killed_while_it_renders_is_awaited_and_progress_never_runs_backwards(tmp_path: Path, server: Server):
    world = World(tmp_path, server.url)
    # The marker classifier would find its colour in the noise of the first steps.
    world.classifier = OpenNsfw
    with world:
        world.drop("text-to-video/slow.yaml", SLOW)
        until_sampling(world, "slow")
        server.process.kill()
        world.until_hold("text-to-video/slow", "refused")
        server.start_again()
        status = world.until_state("text-to-video/slow", "done", "failed")
    # The prompt that died with its server counts; within an attempt progress never runs backwards.
    assert (status["state"], status["attempt"]) == ("done", 2)
    for attempt in (1, 2):
        seen = [job.progress for job in world.changes if job.name == "slow" and job.attempt == attempt]
        assert len(seen) > 0
        assert seen == sorted(seen)


def test_after_a_lost_socket_the_next_job_is_heard_again(tmp_path: Path, server: Server):
    with Proxy(server.url) as proxy:
        world = World(tmp_path, proxy.url)
        world.classifier = OpenNsfw
        with world:
            world.drop("text-to-video/first.yaml", f"prompt: a harbour\n{SMALL}")
            world.until_state("text-to-video/first", "done")
            proxy.drop_socket_after(0)
            world.drop("text-to-video/second.yaml", SLOW)
            world.until_state("text-to-video/second", "done")
    stages = [job.stage for job in world.changes if job.name == "second"]
    # Each of these is told by the socket alone; which of them is shown depends on how quick the engine is.
    assert any(stage.startswith(("sampling ", "saving video ")) for stage in stages), stages

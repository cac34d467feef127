"""A server that dies, comes back or drops its socket while it renders: one job, one ending, progress only upwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from service.examiner import OpenNsfw
from tests.faults.process import Process
from tests.faults.proxy import Proxy
from tests.line.world import ROOT, SMALL, World, photo
from tests.workflows import SHIPPED

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
    world = World(tmp_path, server.url, workflows_dir=str(SHIPPED))
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
        world = World(tmp_path, proxy.url, workflows_dir=str(SHIPPED))
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


def test_a_result_outlives_the_server_that_made_it(tmp_path: Path, server: Server):
    """It died after the render and before the result was fetched: its folder has it still, its history doesn't."""
    world = World(tmp_path / "world", server.url, workflows_dir=str(SHIPPED))
    with world:
        results = world.app.publishing._results
        fetch, killed = results._fetch, []

        def kill_first(*arguments: object) -> Path:
            if not killed:
                killed.append(server.process.kill())
            return fetch(*arguments)

        results._fetch = kill_first
        world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}")
        world.until_hold("text-to-video/cup", "refused")
        server.start_again()
        status = world.until_state("text-to-video/cup", "done", "failed")
    assert (status["state"], status["hold"]) == ("done", None)
    assert rendered_since(server) == 0


def test_a_server_that_comes_back_without_its_results_renders_them_again(tmp_path: Path, server: Server):
    world = World(tmp_path / "world", server.url, workflows_dir=str(SHIPPED))
    with world:
        results = world.app.publishing._results
        fetch, killed = results._fetch, []

        def kill_first(*arguments: object) -> Path:
            if not killed:
                killed.append(server.process.kill())
                shutil.rmtree(tmp_path / "server" / "output")
            return fetch(*arguments)

        results._fetch = kill_first
        world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}")
        world.until_hold("text-to-video/cup", "refused")
        server.start_again()
        status = world.until_state("text-to-video/cup", "done", "failed")
    assert (status["state"], status["hold"]) == ("done", None)
    assert rendered_since(server) == 1


def test_a_shared_folder_takes_the_place_of_http_and_is_tidied(tmp_path: Path, server: Server):
    base = tmp_path / "server"
    (base / "output").mkdir(exist_ok=True)
    backend = {"name": "server", "url": server.url, "shared_folder": str(base)}
    world = World(tmp_path / "world", server.url, backends=[backend], workflows_dir=str(SHIPPED))
    with world:
        world.drop("image-to-video/cup.jpg", photo())
        world.drop("image-to-video/cup.yaml", SMALL)
        status = world.until_state("image-to-video/cup", "done", "failed")
        # Whatever goes over HTTP stays in these folders.
        world.until(lambda: not [path for path in base.rglob("reeldrop/**/*") if path.is_file()], "tidying")
    assert (status["state"], status["error"]) == ("done", None)


def rendered_since(server: Server) -> int:
    """Return how many prompts a server has taken in this life: it numbers them."""
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    return int(requests.post(f"{server.url}/prompt", json={"prompt": graph}, timeout=10).json()["number"])

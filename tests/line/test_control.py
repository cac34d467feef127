"""Cancel: whatever a job is doing when somebody asks, it ends cancelled once, and its files come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from service.errors import Rejected
from service.job import State
from tests.faults.proxy import Proxy
from tests.line.world import SMALL, World

CUP = f"prompt: a cup\n{SMALL}"
#: Long enough to be cancelled in its middle.
LONG = "prompt: a harbour\nseed: 1\nwidth: 256\nheight: 256\nframes: 16\nsteps: 150\n"


@pytest.fixture
def proxy(engine_outside: str) -> Iterator[Proxy]:
    with Proxy(engine_outside) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, proxy: Proxy) -> Iterator[World]:
    world = World(tmp_path, proxy.url)
    yield world
    world.stop()


def order(world: World, path: str) -> Path:
    """Put NAME.cancel into the outbox."""
    target = world.config.output_dir / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"")
    return target


def server_queue(url: str) -> tuple[int, int]:
    """Return how many prompts the server runs and how many wait there."""
    with requests.Session() as session:
        session.trust_env = False
        queue = session.get(f"{url}/queue", timeout=10).json()
    return len(queue["queue_running"]), len(queue["queue_pending"])


def until_rendering(world: World, proxy: Proxy) -> None:
    world.until(lambda: server_queue(proxy.upstream) == (1, 0), "a render")


def cancelled_once(world: World, path: str) -> None:
    """Assert what is so of every job that was cancelled."""
    status = world.until_state(path, "cancelled")
    assert status["error"]["code"] == "cancelled"
    assert status["error"]["title"] == "It was cancelled."
    assert "retry" in status["error"]["fix"]
    name = path.rpartition("/")[2]
    assert not [
        file
        for file in world.outbox()
        if file.startswith(f"{path}.") and not file.endswith((".status.json", ".cancel"))
    ]
    ended = [job for job in world.changes if job.name == name and job.state is State.CANCELLED]
    assert len(ended) == 1
    assert not (world.config.state_dir / "work" / status["job"]).exists()


def test_a_queued_job_is_cancelled_at_once_and_its_files_come_back(world: World, proxy: Proxy):
    proxy.freeze()
    with world:
        dropped = world.drop("text-to-video/cup.yaml", CUP).read_bytes()
        world.until_state("text-to-video/cup", "queued")
        mark = order(world, "text-to-video/cup.cancel")
        cancelled_once(world, "text-to-video/cup")
        world.until_returned("rejected/text-to-video/cup.yaml")
        world.until(lambda: not mark.exists(), "the end of the control file")
        assert (world.config.inbox_dir / "rejected/text-to-video/cup.yaml").read_bytes() == dropped
        assert "It was cancelled." in world.reason("text-to-video/cup")
        proxy.thaw()


def test_a_render_is_stopped_at_the_server_and_the_next_job_runs(world: World, proxy: Proxy):
    with world:
        world.drop("text-to-video/long.yaml", LONG)
        until_rendering(world, proxy)
        world.app.control.cancel_named("text-to-video", "", "LONG")
        cancelled_once(world, "text-to-video/long")
        assert server_queue(proxy.url) == (0, 0)
        world.drop("text-to-video/cup.yaml", CUP)
        world.until_state("text-to-video/cup", "done")
    assert ("GET", "/view") in proxy.requests


def test_nothing_that_goes_by_a_name_is_said_with_what_comes_near(world: World, proxy: Proxy):
    proxy.freeze()
    with world:
        world.drop("text-to-video/harbour.yaml", CUP)
        world.until_state("text-to-video/harbour", "queued")
        with pytest.raises(Rejected, match="Did you mean harbour"):
            world.app.control.cancel("harbor")
        with pytest.raises(Rejected, match="in face-swap"):
            world.app.control.cancel("harbour", "face-swap")
        assert "cancelled" in world.app.control.cancel("text-to-video/harbour")
        cancelled_once(world, "text-to-video/harbour")
        proxy.thaw()

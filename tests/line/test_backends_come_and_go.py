"""Two servers behind one inbox: who gets what, what moves when one is away, and what was only queued comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from service import lane, publishing
from service.examiner import OpenNsfw
from service.patience import Habits
from tests.faults.proxy import Proxy
from tests.line.test_control import server_queue
from tests.line.test_servers_come_and_go import Server
from tests.line.world import MANY_STEPS, SMALL, World
from tests.workflows import SHIPPED

CUP = f"prompt: a cup\n{SMALL}"
LONG = "prompt: a harbour\nseed: 1\nwidth: 512\nheight: 512\nframes: 16\nsteps: 150\n"
#: Never waited for: it has to outlast whatever a busy machine does beside it.
ENDLESS = LONG.replace("512", "1024").replace("frames: 16", "frames: 64")
#: The same for a server that may be a true ComfyUI.
ENDLESS_OUTSIDE = ENDLESS.replace("steps: 150", f"steps: {MANY_STEPS}")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Proxy, Proxy]]:
    running = [Server(tmp_path / name) for name in ("one", "two") if not (tmp_path / name).mkdir()]
    with Proxy(running[0].url) as first, Proxy(running[1].url) as second:
        yield first, second
    for server in running:
        server.process.end()


def two(tmp_path: Path, servers: tuple[Proxy, Proxy], **more: object) -> World:
    backends = [{"name": name, "url": proxy.url, **more} for name, proxy in zip(("one", "two"), servers, strict=True)]
    world = World(tmp_path / "world", servers[0].url, backends=backends, workflows_dir=str(SHIPPED))
    # The marker classifier would find its colour in the noise of the first steps.
    world.classifier = OpenNsfw
    return world


def until_at(world: World, path: str, backend: str) -> None:
    world.until(lambda: world.status(path).get("backend") == backend, f"{path} at {backend}")


def until_rendering(world: World, path: str) -> str:
    """Wait until a job samples, and return at which backend."""
    world.until_state(path, "running")
    world.until(lambda: world.status(path)["progress"] > 0.02, f"{path} samples")
    return str(world.status(path)["backend"])


def test_two_jobs_render_at_two_servers_at_once(tmp_path: Path, servers: tuple[Proxy, Proxy]):
    with two(tmp_path, servers) as world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        world.drop("text-to-video/red.yaml", ENDLESS)
        world.drop("text-to-video/blue.yaml", ENDLESS.replace("seed: 1", "seed: 2"))
        assert {until_rendering(world, f"text-to-video/{name}") for name in ("red", "blue")} == {"one", "two"}
        world.app.control.cancel("red")
        world.app.control.cancel("blue")
        for name in ("red", "blue"):
            world.until_state(f"text-to-video/{name}", "cancelled")
    assert [server_queue(proxy.upstream) for proxy in servers] == [([], []), ([], [])]


def test_a_job_moves_away_from_a_server_that_refuses_for_long(
    tmp_path: Path, servers: tuple[Proxy, Proxy], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane, "_REFUSED_MOVE_S", 1.0)
    with two(tmp_path, servers) as world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        world.drop("text-to-video/cup.yaml", LONG)
        here = until_rendering(world, "text-to-video/cup")
        away = dict(zip(("one", "two"), servers, strict=True))[here]
        away.refuse()
        until_at(world, "text-to-video/cup", "two" if here == "one" else "one")
        status = world.until_state("text-to-video/cup", "done")
        # Until it is there again somebody may look for what it was.
        away.accept()
        assert status["attempt"] == 2
        assert not [warning for warning in status["warnings"] if "twice" in warning]
    assert [name for name in world.outbox() if name.endswith(".mp4")] == ["text-to-video/cup.mp4"]


def test_a_finished_job_whose_result_lies_on_a_dead_server_is_rendered_by_another(
    tmp_path: Path, servers: tuple[Proxy, Proxy], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane, "_REFUSED_MOVE_S", 1.0)
    monkeypatch.setattr(publishing, "_REFUSED_PATIENCE_S", 1.0)
    with two(tmp_path, servers) as world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        # Longer than any patience: only the refusal below ends it.
        for proxy in servers:
            proxy.delay("/view", 120.0, 1)
        world.drop("text-to-video/cup.yaml", CUP)
        world.until(lambda: any(("GET", "/view") in proxy.requests for proxy in servers), "the fetch of its result")
        here = str(world.status("text-to-video/cup")["backend"])
        away = dict(zip(("one", "two"), servers, strict=True))[here]
        away.refuse()
        status = world.until_state("text-to-video/cup", "done")
        away.accept()
    assert (status["backend"] != here, status["attempt"]) == (True, 2)
    assert [name for name in world.outbox() if name.endswith(".mp4")] == ["text-to-video/cup.mp4"]


def test_what_an_earlier_life_left_at_a_server_that_is_dead_now_moves_or_is_cancelled(
    tmp_path: Path, servers: tuple[Proxy, Proxy], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane, "_REFUSED_MOVE_S", 2.0)
    world = two(tmp_path, servers)
    with world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        # The first must still render when its server is cut off; the second is only in its way.
        world.drop("text-to-video/red.yaml", LONG.replace("steps: 150", "steps: 90"))
        world.drop("text-to-video/blue.yaml", LONG.replace("seed: 1", "seed: 2").replace("steps: 150", "steps: 20"))
        at = {name: until_rendering(world, f"text-to-video/{name}") for name in ("red", "blue")}
    dead = dict(zip(("one", "two"), servers, strict=True))[at["red"]]
    dead.refuse()
    with world:
        status = world.until_state("text-to-video/red", "done")
        assert status["backend"] == at["blue"]
        assert world.until_state("text-to-video/blue", "done")["backend"] == at["blue"]
    with world:
        dead.accept()


def test_a_cancelled_job_at_a_server_that_died_before_the_daemon_started_ends(
    tmp_path: Path, servers: tuple[Proxy, Proxy]
):
    world = two(tmp_path, servers)
    with world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        world.drop("text-to-video/cup.yaml", ENDLESS)
        here = until_rendering(world, "text-to-video/cup")
    dead = dict(zip(("one", "two"), servers, strict=True))[here]
    dead.refuse()
    with world:
        world.until_hold("text-to-video/cup", "refused")
        world.app.control.cancel("cup")
        assert world.until_state("text-to-video/cup", "cancelled")["outputs"] == []
        dead.accept()


def test_a_silent_server_keeps_its_job_until_it_moves_and_then_lets_go_of_it(
    tmp_path: Path, servers: tuple[Proxy, Proxy]
):
    world = two(tmp_path, servers)
    with world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        world.drop("text-to-video/cup.yaml", LONG.replace("steps: 150", "steps: 30"))
        here = until_rendering(world, "text-to-video/cup")
        for each in world.app.lanes:
            each._habits = Habits(move_after_s=1.0)
        silent = dict(zip(("one", "two"), servers, strict=True))[here]
        # Its address doesn't answer in time, and it goes on rendering all the while.
        silent.freeze()
        until_at(world, "text-to-video/cup", "two" if here == "one" else "one")
        status = world.status("text-to-video/cup")
        silent.thaw()
        world.until_state("text-to-video/cup", "done")
        world.until(lambda: not world.app.store.strays(here), "the end of what was left there")
    assert any("rendered twice" in warning for warning in status["warnings"])
    assert server_queue(silent.upstream) == ([], [])
    assert [name for name in world.outbox() if name.endswith(".mp4")] == ["text-to-video/cup.mp4"]


def test_a_drained_backend_ends_what_it_renders_and_gives_back_what_it_has_queued(tmp_path: Path, engine_outside: str):
    with Proxy(engine_outside) as proxy:
        world = World(tmp_path, proxy.url)
        world.classifier = OpenNsfw
        with world:
            world.drop("text-to-video/long.yaml", ENDLESS_OUTSIDE)
            until_rendering(world, "text-to-video/long")
            world.drop("text-to-video/next.yaml", CUP)
            world.until(lambda: len(server_queue(proxy.upstream)[1]) == 1, "one queued there")
            assert "takes nothing new" in world.app._drain("server", draining=True)
            hold = world.until_hold("text-to-video/next", "draining")
            assert "reeldrop resume backend server" in hold["fix"]
            assert world.status("text-to-video/next")["state"] == "queued"
            assert server_queue(proxy.upstream)[1] == []
            assert world.status("text-to-video/long")["state"] == "running"
            world.app._drain("server", draining=False)
            world.app.control.cancel("long")
            assert world.until_state("text-to-video/next", "done")["attempt"] == 1


def test_what_goes_first_takes_the_place_of_what_the_server_has_not_begun(tmp_path: Path, engine_outside: str):
    with Proxy(engine_outside) as proxy:
        world = World(tmp_path, proxy.url)
        world.classifier = OpenNsfw
        with world:
            world.drop("text-to-video/long.yaml", ENDLESS_OUTSIDE)
            until_rendering(world, "text-to-video/long")
            world.drop("text-to-video/later.yaml", CUP)
            world.until(lambda: len(server_queue(proxy.upstream)[1]) == 1, "one queued there")
            world.drop("text-to-video/first.yaml", f"priority: high\n{CUP}")
            world.until_state("text-to-video/first", "running")
            world.until(lambda: world.status("text-to-video/later")["state"] == "queued", "its coming back")
            world.app.control.cancel("long")
            ended = [world.until_state(f"text-to-video/{name}", "done") for name in ("first", "later")]
    began = [status["times"]["started"] for status in ended]
    # Which is published first is another matter: the two are fetched side by side.
    assert began == sorted(began)


def test_a_job_goes_only_where_its_nodes_are(tmp_path: Path, servers: tuple[Proxy, Proxy]):
    known = requests.get(f"{servers[0].upstream}/object_info", timeout=10).json()
    del known["VAELoader"]
    servers[0].answer("/object_info", json.dumps(known).encode())
    with two(tmp_path, servers) as world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        for name in ("red", "blue", "green"):
            world.drop(f"text-to-video/{name}.yaml", CUP.replace("cup", name))
        for name in ("red", "blue", "green"):
            assert world.until_state(f"text-to-video/{name}", "done")["backend"] == "two"
    assert servers[0].prompts_sent == 0


def test_a_job_that_only_an_absent_server_can_run_waits_for_it_and_says_so(
    tmp_path: Path, servers: tuple[Proxy, Proxy]
):
    known = requests.get(f"{servers[0].upstream}/object_info", timeout=10).json()
    del known["VAELoader"]
    servers[0].answer("/object_info", json.dumps(known).encode())
    with two(tmp_path, servers) as world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both servers")
        world.app._drain("two", draining=True)
        world.drop("text-to-video/cup.yaml", CUP)
        hold = world.until_hold("text-to-video/cup", "backend_away")
        assert hold["title"] == "Only two can run it, and that backend takes nothing now."
        world.app._drain("two", draining=False)
        assert world.until_state("text-to-video/cup", "done")["hold"] is None
    assert servers[0].prompts_sent == 0

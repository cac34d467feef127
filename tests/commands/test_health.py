"""reeldrop health beside a daemon and without one: what it says, and the exit codes that service managers go by."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service import heartbeat
from service.comfy.embedded import EmbeddedEngine
from service.commands import commands
from service.commands.speech import settings
from service.liveness import STALE_S
from tests.faults.process import Process
from tests.line.world import ROOT, SMALL, World

CUP = f"prompt: a cup\n{SMALL}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A folder with a config.yaml of its own whose ComfyUI is never there."""
    (tmp_path / "config.yaml").write_text(
        f"workflows_dir: '{ROOT / 'workflows'}'\nmodels_dir: '{ROOT / 'models'}'\n"
        "backends: [{name: gpu, url: 'http://127.0.0.1:9'}]\n"
        "watch: {sidecar_wait_seconds: 0.2, quiet_seconds_local: 0.05, quiet_seconds: 0.1, rescan_seconds: 1}\n"
    )
    world = World(tmp_path, None)
    world.config = settings(tmp_path / "config.yaml")
    yield world
    world.stop()


@pytest.fixture(scope="module")
def engine_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if url := os.environ.get("COMFY_URL"):
        yield url
        return
    engine = EmbeddedEngine(tmp_path_factory.mktemp("engine"), ROOT / "models" / "models.yaml")
    yield engine.start()
    engine.stop()


def call(world: World, *words: str) -> Result:
    return CliRunner().invoke(commands, ["health", *words, "--config", str(world.folder / "config.yaml")])


def said(world: World, *words: str) -> dict[str, tuple[str, str]]:
    told = json.loads(call(world, "--json", *words).output)
    return {finding["name"]: (finding["verdict"], finding["title"]) for finding in told["findings"]}


def age(world: World, seconds: float) -> None:
    """Let the heartbeat be so old."""
    path = world.config.state_dir / "heartbeat.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "monotonic_s": time.monotonic() - seconds}))


def test_without_a_daemon_it_fails_and_says_how_to_start_one(world: World):
    told = call(world)
    assert told.exit_code == 3
    assert "No daemon is running" in told.output
    assert "reeldrop service install" in told.output


def test_a_daemon_that_works_and_whose_server_is_away_is_alive_and_not_well(world: World):
    with world:
        world.drop("text-to-video/cup.yaml", CUP)
        world.until_hold("text-to-video/cup", "refused")
        world.until(lambda: said(world).get("backend gpu", ("", ""))[0] == "fail", "the backend's word")
        found = said(world)
        assert found["daemon"] == ("ok", "The daemon runs.")
        assert found["held"][0] == "warn"
        assert call(world).exit_code == 3
        # A service manager that restarted it now would help nobody.
        assert call(world, "--live").exit_code == 0
        assert set(said(world, "--live")) == {"daemon"}


def test_a_daemon_whose_server_answers_is_well(tmp_path: Path, engine_outside: str):
    world = World(tmp_path, engine_outside)
    (tmp_path / "config.yaml").write_text(
        json.dumps({"backends": [{"name": "server", "url": engine_outside}], "workflows_dir": str(ROOT / "workflows")})
    )
    with world:
        world.until(lambda: call(world).exit_code == 0, "its being well")
        assert [verdict for verdict, _ in said(world).values()] == ["ok", "ok"]


def test_a_daemon_that_says_nothing_any_more_is_not_alive(world: World):
    with world:
        world.until(lambda: call(world, "--live").exit_code == 0, "the heartbeat")
        age(world, STALE_S + 5)
        told = call(world, "--live")
        assert told.exit_code == 3
        assert "has said nothing for" in told.output


def test_a_thread_that_stands_still_is_named(world: World):
    with world:
        world.until(lambda: call(world, "--live").exit_code == 0, "the heartbeat")
        world.app.pulses.beat("lane gpu", time.monotonic() - 5000, 900)
        pulses = world.app.pulses.at(time.monotonic())
        heartbeat.write(world.config.state_dir, "now", pulses)
        told = call(world, "--live")
        assert told.exit_code == 3
        assert "lane gpu has not come round for 5" in told.output


def test_the_word_of_another_process_counts_for_nothing(world: World):
    with world:
        world.until(lambda: call(world, "--live").exit_code == 0, "the heartbeat")
    path = world.config.state_dir / "heartbeat.json"
    told = json.loads(path.read_text())
    assert heartbeat.read(world.config.state_dir) is not None
    path.write_text(json.dumps({**told, "pid": told["pid"] + 1}))
    assert heartbeat.read(world.config.state_dir) is None
    for broken in ("", "[]", "{", '{"pid": 1}'):
        path.write_text(broken)
        assert heartbeat.read(world.config.state_dir) is None


def test_a_daemon_in_a_process_of_its_own_says_which_and_that_it_moves(tmp_path: Path):
    (tmp_path / "config.yaml").write_text(f"workflows_dir: '{ROOT / 'workflows'}'\nengine: 'off'\n")
    with Process("daemon.py", "run", "--config", tmp_path / "config.yaml", cwd=ROOT) as daemon:
        path = tmp_path / "var" / "heartbeat.json"
        end = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        beat = heartbeat.read(tmp_path / "var")
        assert beat is not None
        assert beat.pid == daemon.pid
        assert beat.age_s < STALE_S
        assert set(beat.pulses) <= {"intake", "writer"}

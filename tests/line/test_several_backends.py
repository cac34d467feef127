"""Several backends as a user sees them: paused ones, closed ones, ones with tags, and those that share the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import pytest

from service.comfy.embedded import EmbeddedEngine
from service.job import State
from service.openings import local_now
from service.requests import Request
from tests.line.world import ROOT, SMALL, World, photo
from tests.workflows import SHIPPED

PROMPT = f"prompt: a harbour\n{SMALL}"


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Two servers outside."""
    with ExitStack() as stack:
        found = []
        for number in range(2):
            engine = EmbeddedEngine(tmp_path_factory.mktemp(f"engine-{number}"), ROOT / "models" / "models.yaml")
            stack.callback(engine.stop)
            found.append(engine.start())
        yield found


@contextmanager
def fleet(folder: Path, *backends: dict[str, object], **keys: object) -> Iterator[World]:
    world = World(folder, None, backends=list(backends), engine="off", **keys)
    try:
        yield world.start()
    finally:
        world.stop()


def a_window_that_is_closed() -> str:
    begin = local_now() + timedelta(hours=2)
    return f"{begin:%H}:00-{begin + timedelta(hours=1):%H}:00"


def test_a_paused_backend_takes_nothing_until_it_is_resumed(tmp_path: Path, engines: list[str]):
    with fleet(tmp_path, {"name": "gpu", "url": engines[0]}) as world:
        world.app.store.drain_backend("gpu", draining=True)
        world.drop("text-to-video/cup.yaml", PROMPT)
        hold = world.until_hold("text-to-video/cup", "draining")
        assert "reeldrop resume backend gpu" in hold["fix"]
        assert world.status("text-to-video/cup")["state"] == "queued"
        world.app._drain("gpu", draining=False)
        world.until_state("text-to-video/cup", "done")


def test_what_is_paused_here_runs_there(tmp_path: Path, engines: list[str]):
    one, two = ({"name": f"gpu-{number}", "url": url} for number, url in enumerate(engines))
    with fleet(tmp_path, one, two) as world:
        world.app._drain("gpu-0", draining=True)
        for seed, name in enumerate(("cup", "mug", "pot"), start=1):
            world.drop(f"text-to-video/{name}.yaml", PROMPT.replace("seed: 1", f"seed: {seed}"))
        assert {world.until_state(f"text-to-video/{name}", "done")["backend"] for name in ("cup", "mug", "pot")} == {
            "gpu-1"
        }


def test_outside_its_window_a_backend_takes_nothing_and_its_jobs_say_until_when(tmp_path: Path, engines: list[str]):
    closed = a_window_that_is_closed()
    with fleet(tmp_path, {"name": "night", "url": engines[0], "windows": [closed]}) as world:
        world.drop("text-to-video/cup.yaml", PROMPT)
        hold = world.until_hold("text-to-video/cup", "outside_window")
        assert closed[:5] in hold["title"]
    with fleet(tmp_path, {"name": "night", "url": engines[0], "windows": ["00:00-24:00"]}) as world:
        world.until_state("text-to-video/cup", "done")


def test_a_closed_backend_keeps_nobody_from_another(tmp_path: Path, engines: list[str]):
    night = {"name": "night", "url": engines[0], "windows": [a_window_that_is_closed()], "weight": 9}
    with fleet(tmp_path, night, {"name": "day", "url": engines[1]}) as world:
        world.drop("text-to-video/cup.yaml", PROMPT)
        assert world.until_state("text-to-video/cup", "done")["backend"] == "day"


def test_of_two_that_are_free_the_heavier_gets_the_job(tmp_path: Path, engines: list[str]):
    light = {"name": "a-light", "url": engines[0], "weight": 1}
    with fleet(tmp_path, light, {"name": "heavy", "url": engines[1], "weight": 2}) as world:
        world.until(lambda: len(world.app.fleet.object_infos()) == 2, "both answer")
        for seed, name in enumerate(("cup", "mug"), start=1):
            world.drop(f"text-to-video/{name}.yaml", PROMPT.replace("seed: 1", f"seed: {seed}"))
            assert world.until_state(f"text-to-video/{name}", "done")["backend"] == "heavy"


def test_two_backends_share_a_crowd_and_nothing_runs_twice(tmp_path: Path, engines: list[str]):
    one, two = ({"name": f"gpu-{number}", "url": url} for number, url in enumerate(engines))
    with fleet(tmp_path, one, two) as world:
        names = [f"cup{number}" for number in range(8)]
        for name in names:
            world.drop(f"text-to-video/{name}.yaml", PROMPT.replace("seed: 1", f"seed: {len(name) + int(name[3:])}"))
        taken = [world.until_state(f"text-to-video/{name}", "done")["backend"] for name in names]
        assert set(taken) == {"gpu-0", "gpu-1"}
        assert [path for path in world.outbox() if path.endswith(".mp4")] == [
            f"text-to-video/{each}.mp4" for each in names
        ]
        assert all(job.attempt == 1 for job in world.app.store.in_states(State.DONE))


def test_a_workflow_with_tags_runs_where_they_are_and_waits_where_nobody_has_them(tmp_path: Path, engines: list[str]):
    flows = tmp_path / "workflows"
    copytree(SHIPPED, flows)
    manifest = flows / "text_to_video_basic.yaml"
    manifest.write_text(manifest.read_text().replace("\nneeds:\n", "\nneeds:\n  tags: [large-memory]\n"))
    assert "large-memory" in manifest.read_text()
    small = {"name": "a-small", "url": engines[0], "weight": 9}
    with fleet(tmp_path, small, workflows_dir=str(flows)) as world:
        world.drop("text-to-video/cup.yaml", PROMPT)
        hold = world.until_hold("text-to-video/cup", "tags_missing")
        assert "large-memory" in hold["title"]
    large = {"name": "large", "url": engines[1], "tags": ["large-memory", "fast"]}
    with fleet(tmp_path, small, large, workflows_dir=str(flows)) as world:
        assert world.until_state("text-to-video/cup", "done")["backend"] == "large"


def test_outside_the_windows_of_its_task_a_job_stays_with_us_and_others_run(tmp_path: Path, engines: list[str]):
    closed = {"windows": "00:00-24:00", "task_windows": {"image-to-video": [a_window_that_is_closed()]}}
    gpu = {"name": "gpu", "url": engines[0]}
    with fleet(tmp_path, gpu, **closed) as world:
        world.drop("image-to-video/cat.jpg", photo())
        assert "image-to-video" in world.until_hold("image-to-video/cat", "task_outside_window")["title"]
        world.drop("text-to-video/cup.yaml", PROMPT)
        world.until_state("text-to-video/cup", "done")
        assert world.status("image-to-video/cat")["state"] == "queued"
        # Whoever runs `once` outside the window isn't kept waiting for it.
        world.until(world.app.finished, "nothing more can go on")
    with fleet(tmp_path, gpu) as world:
        world.until(lambda: world.status("image-to-video/cat")["state"] in ("running", "done"), "it goes on")


def test_a_priority_that_is_changed_takes_back_what_is_only_queued_there(tmp_path: Path, engines: list[str]):
    with fleet(tmp_path, {"name": "gpu", "url": engines[0]}) as world:
        world.app._drain("gpu", draining=True)
        long = PROMPT.replace("steps: 1", "steps: 150")
        for seed, name in enumerate(("first", "second", "third"), start=1):
            world.drop(f"text-to-video/{name}.yaml", long.replace("seed: 1", f"seed: {seed}"))
            world.until_hold(f"text-to-video/{name}", "draining")
        world.app._drain("gpu", draining=False)
        world.until_state("text-to-video/second", "running")
        world.app._prioritise(Request("1", "priority", "third", None, {"priority": "high"}))
        world.until_state("text-to-video/third", "running")
        assert world.status("text-to-video/second")["state"] == "queued"

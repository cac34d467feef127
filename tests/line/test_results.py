"""A finished prompt becomes a result: a video or a picture, marked, and next to nothing of it stays on the server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from service.comfy.client import Client
from service.comfy.protocol import OutputFile
from service.comfy.shared_folder import SharedFolder
from service.job import Job, Render, State
from tests.comfy.scripted import Scripted, always, http
from tests.line.world import SMALL, World
from tests.marker_classifier import MARKER
from tests.media.drawing import clip, marked_at, scene
from tests.workflows import OUTSIDE

CUP = f"prompt: a cup\n{SMALL}"
POSTER = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 3, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}
MANIFEST = """
schema: 1
title: Poster
task: poster
parameters:
  width: {type: whole, to: {node: "1", input: width}}
  height: {type: whole, to: {node: "1", input: height}}
output: {node: "2"}
"""


@pytest.fixture
def posters(tmp_path: Path, engine_outside: str) -> World:
    """A world whose operator has added a workflow that makes pictures."""
    workflows = tmp_path / "workflows"
    shutil.copytree(OUTSIDE, workflows)
    (workflows / "poster.json").write_text(json.dumps(POSTER))
    (workflows / "poster.yaml").write_text(MANIFEST)
    return World(tmp_path / "world", engine_outside, workflows_dir=str(workflows))


def test_a_workflow_that_makes_a_picture_gives_a_marked_picture(posters: World) -> None:
    with posters as world:
        world.drop("poster/sky.yaml", "width: 64\n")
        status = world.until_state("poster/sky", "done")
    assert world.outbox() == ["poster/sky.png", "poster/sky.status.json"]
    (output,) = status["outputs"]
    assert (output["file"], output["width"], output["height"], output["frames"]) == ("sky.png", 64, 48, 1)
    assert "It made 3 pictures; the first one is the result." in status["warnings"]
    with Image.open(world.config.output_dir / "poster/sky.png") as picture:
        assert picture.getpixel((5, 5)) == (0, 0, 255)
        told = dict(picture.text)
    assert "AI-made: this picture" in told["comment"]
    assert told["reeldrop_job"] == status["job"]
    assert json.loads(told["reeldrop"])["workflow"] == "poster"


def test_the_servers_history_forgets_a_prompt_once_its_result_is_published(world: World, engine_outside: str) -> None:
    with world:
        world.drop("text-to-video/cup.yaml", CUP)
        status = world.until_state("text-to-video/cup", "done")
        assert world.app is not None
        render = world.app.store.render(status["job"])
        assert render is not None
        path = f"{engine_outside}/history/{render.prompt_id}"
        world.until(lambda: requests.get(path, timeout=5).json() == {}, "forgetting")


class Shared:
    """A ComfyUI's base folder with one result in it, and a job of ours that waits to be published from there."""

    def __init__(self, tmp_path: Path, server: Scripted, draw: Any = scene) -> None:
        self.base = tmp_path / "ComfyUI"
        (self.base / "output/reeldrop").mkdir(parents=True)
        # Nothing listens there: its lane leaves the job alone.
        self.world = World(tmp_path / "world", "http://127.0.0.1:9")
        self.client = Client(server.url)
        self.draw = draw

    def publish(self) -> tuple[Job, Render]:
        world = self.world
        world.drop("text-to-video/cup.yaml", CUP)
        world.until_state("text-to-video/cup", "queued")
        assert world.app is not None
        store = world.app.store
        job = next(job for job in store.in_states(State.QUEUED))
        render = store.render(job.id)
        assert render is not None
        made = clip(self.base / f"output/reeldrop/{job.id}_00001_.mp4", frames=2, draw=self.draw)
        (self.base / f"output/reeldrop/{job.id}_00001.png").write_bytes(b"beside it")
        (self.base / "output/reeldrop/somebody.mp4").write_bytes(b"theirs")
        uploads = self.base / f"temp/reeldrop/{job.drop}"
        uploads.mkdir(parents=True)
        (uploads / "image.png").write_bytes(b"uploaded")
        publishing = world.app.publishing
        job = store.move(job.id, State.RUNNING)
        file = OutputFile(made.name, "reeldrop", "output", render.output_node)
        publishing.publish(job, render, (file,), self.client, SharedFolder(self.base))
        return job, render

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.base)) for path in self.base.rglob("*") if path.is_file())


def small(number: int) -> Any:
    return scene(number, 256, 256)


def test_a_result_comes_out_of_a_shared_folder_and_leaves_nothing_there(tmp_path: Path) -> None:
    with Scripted(always(http(200, b""))) as server:
        shared = Shared(tmp_path, server, small)
        with shared.world:
            _, render = shared.publish()
            shared.world.until_state("text-to-video/cup", "done", "failed")
            shared.world.until(lambda: any(asked.target == "/history" for asked in server.asked), "forgetting")
        assert shared.world.status("text-to-video/cup")["state"] == "done"
        assert shared.files() == ["output/reeldrop/somebody.mp4"]
        (asked,) = [asked for asked in server.asked if asked.target == "/history"]
        assert json.loads(asked.body) == {"delete": [render.prompt_id]}
        assert not [asked for asked in server.asked if asked.target.startswith("/view")]


def test_what_must_not_be_shown_is_deleted_on_the_server_too(tmp_path: Path) -> None:
    assert MARKER
    with Scripted(always(http(200, b""))) as server:
        shared = Shared(tmp_path, server, marked_at(1, width=256, height=256))
        with shared.world:
            shared.publish()
            status = shared.world.until_state("text-to-video/cup", "done", "failed")
            shared.world.until(lambda: any(asked.target == "/history" for asked in server.asked), "forgetting")
        assert (status["state"], status["error"]["code"]) == ("failed", "nudity_quarantined")
        assert shared.files() == ["output/reeldrop/somebody.mp4"]
        assert shared.world.outbox() == ["text-to-video/cup.status.json"]


def test_a_server_that_is_gone_when_it_is_to_forget_harms_nothing(tmp_path: Path) -> None:
    with Scripted(always(http(200, b""))) as server:
        shared = Shared(tmp_path, server, small)
    with shared.world:
        shared.publish()
        shared.world.until_state("text-to-video/cup", "done")
    assert shared.files() == ["output/reeldrop/somebody.mp4"]


def test_a_result_that_the_server_changes_after_it_was_screened_is_screened_again(tmp_path: Path) -> None:
    """In a shared folder the very file may be the server's: what it becomes later was never looked at."""
    other = clip(tmp_path / "other.mp4", frames=2, draw=marked_at(0, 1, width=256, height=256)).read_bytes()
    with Scripted(always(http(200, b""))) as server:
        shared = Shared(tmp_path, server, small)
        with shared.world as world:
            assert world.app is not None
            results = world.app.publishing._results
            mark, changed = results._finish, []

            def change_first(job: Job, render: Render, raw: Path, inspected: Any) -> Any:
                if not changed:
                    changed.append(raw.stat().st_nlink)
                    raw.write_bytes(other)
                return mark(job, render, raw, inspected)

            results._finish = change_first  # type: ignore[method-assign]
            shared.publish()
            status = world.until_state("text-to-video/cup", "done", "failed")
        assert changed == [2]
        assert (status["state"], status["error"]["code"]) == ("failed", "nudity_quarantined")
        assert world.outbox() == ["text-to-video/cup.status.json"]

"""Somebody's own workflow: dropped into workflows/ while the daemon runs, it has a manifest and a folder at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.line.test_folder_drops import ended
from tests.line.world import World

#: No weights: one grey picture many times, which every ComfyUI can make.
GREY = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 4, "color": 8421504}},
    "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0}},
    "3": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["2", 0], "filename_prefix": "x", "format": "auto", "codec": "auto"},
        "_meta": {"title": "Save"},
    },
}


@pytest.fixture
def own(tmp_path: Path, engine_outside: str) -> World:
    (tmp_path / "workflows").mkdir()
    return World(tmp_path / "world", engine_outside, workflows_dir=str(tmp_path / "workflows"))


def put(world: World, name: str, content: Any) -> Path:
    path = Path(world.config.workflows_dir) / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def notices(world: World) -> dict[str, str]:
    assert world.app is not None
    world.app.check()
    return {each["code"]: each["title"] for each in world.app.store.notices()}


def test_a_graph_gets_a_manifest_and_a_folder_and_makes_a_video_while_the_daemon_runs(own: World):
    folder = own.config.inbox_dir / "grey-clip"
    with own:
        put(own, "grey_clip.json", GREY)
        own.until(folder.is_dir, "the inbox folder", 8)
        manifest = Path(own.config.workflows_dir) / "grey_clip.yaml"
        assert "frames: {type: whole" in manifest.read_text()
        own.drop("grey-clip/one.yaml", "frames: 3\nseed: 1\n" if "seed" in manifest.read_text() else "frames: 3\n")
        status = ended(own, "grey-clip/one")
        assert (status["state"], status["error"]) == ("done", None)
        assert (status["workflow"], status["outputs"][0]["frames"]) == ("grey_clip", 3)
        # What the user corrects counts from the next drop on.
        put(own, "grey_clip.yaml", manifest.read_text().replace("maximum: 1000", "maximum: 5"))
        own.until(lambda: taken(own)["grey_clip"].manifest.parameters.frames.maximum == 5, "the corrected manifest", 8)
        own.drop("grey-clip/long.yaml", "frames: 9\n")
        assert ended(own, "grey-clip/long")["error"]["code"] == "out_of_range"


def taken(world: World) -> dict[str, Any]:
    assert world.app is not None
    return dict(world.app.library.workflows)


def test_a_broken_file_is_named_and_leaves_what_was(own: World):
    put(own, "grey_clip.json", GREY)
    with own:
        assert (own.config.inbox_dir / "grey-clip").is_dir()
        before = taken(own)["grey_clip"]
        good = (Path(own.config.workflows_dir) / "grey_clip.yaml").read_text()
        put(own, "grey_clip.yaml", good.replace("batch_size", "batch_sise"))
        own.until(lambda: "workflow_broken" in notices(own), "the notice", 8)
        assert "workflows/grey_clip.yaml is left out" in notices(own)["workflow_broken"]
        assert "Did you mean batch_size?" in notices(own)["workflow_broken"]
        assert taken(own)["grey_clip"] is before
        own.drop("grey-clip/one.yaml", "frames: 2\n")
        assert ended(own, "grey-clip/one")["state"] == "done"
        put(own, "grey_clip.yaml", good)
        own.until(lambda: "workflow_broken" not in notices(own), "the end of the notice", 8)


def test_drops_for_a_workflow_that_is_gone_are_refused_with_the_reason(own: World):
    graph = put(own, "grey_clip.json", GREY)
    with own:
        graph.unlink()
        (Path(own.config.workflows_dir) / "grey_clip.yaml").unlink()
        own.until(lambda: not taken(own), "the library without it", 8)
        own.drop("grey-clip/one.yaml", "frames: 2\n")
        assert "No workflow for grey-clip" in ended(own, "grey-clip/one")["error"]["title"]


def test_files_that_lay_in_its_folder_before_are_taken_up(own: World):
    with own:
        own.drop("grey-clip/early.yaml", "frames: 2\n")
        put(own, "grey_clip.json", GREY)
        assert ended(own, "grey-clip/early")["state"] == "done"


def test_a_loader_of_its_own_is_refused_by_the_guard_whatever_its_manifest_says(own: World):
    loading = {**GREY, "1": {"class_type": "LoadImage", "inputs": {"image": "somebodys.png"}}}
    manifest = {"schema": 1, "title": "t", "output": {"node": "3"}}
    put(own, "theirs.json", loading)
    put(own, "theirs.yaml", json.dumps(manifest))
    with own:
        own.drop("theirs/one.yaml", "priority: 1\n")
        refused = ended(own, "theirs/one")
        assert (refused["state"], refused["error"]["code"]) == ("rejected", "loader_refused")


def test_a_manifest_that_is_there_is_never_written_over(own: World):
    text = json.dumps({"schema": 1, "title": "mine", "output": {"node": "3"}})
    put(own, "grey_clip.json", GREY)
    written = put(own, "grey_clip.yaml", text)
    with own:
        assert taken(own)["grey_clip"].title == "mine"
    assert written.read_text() == text
    assert not list(Path(own.config.workflows_dir).glob(".*"))

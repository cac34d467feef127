"""Graphs in UI format, dropped into workflows/ as ComfyUI saves them: converted by what a server says, kept beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.adoption import adopt, finish, put_in_place
from tests.line.test_folder_drops import ended
from tests.line.test_own_workflows import notices, put, taken
from tests.line.world import World


def drawn(number: int, kind: str, values: list[Any], title: str = "", **links: tuple[str, int]) -> dict[str, Any]:
    inputs = [{"name": name, "type": each[0], "link": each[1]} for name, each in links.items()]
    gives = {"EmptyImage": "IMAGE", "CreateVideo": "VIDEO", "Reroute": "*"}.get(kind)
    outputs = [{"name": gives, "type": gives, "links": []}] if gives else []
    return {
        "id": number, "type": kind, "mode": 0, "inputs": inputs, "outputs": outputs, "widgets_values": values,
        **({"title": title} if title else {}),
    }  # fmt: skip


#: One grey picture many times, through a reroute, with a note beside it.
DRAWN = {
    "version": 0.4,
    "nodes": [
        drawn(1, "EmptyImage", [64, 64, 4, 8421504]),
        drawn(5, "Reroute", [], **{"": ("*", 11)}),
        drawn(2, "CreateVideo", [8], images=("IMAGE", 12)),
        drawn(3, "SaveVideo", ["x", "auto", "auto"], video=("VIDEO", 13)),
        drawn(4, "Note", ["grey"]),
    ],
    "links": [[11, 1, 0, 5, 0, "*"], [12, 5, 0, 2, 0, "IMAGE"], [13, 2, 0, 3, 0, "VIDEO"]],
}


@pytest.fixture
def own(tmp_path: Path, engine_outside: str) -> World:
    (tmp_path / "workflows").mkdir()
    return World(tmp_path / "world", engine_outside, workflows_dir=str(tmp_path / "workflows"))


def test_a_drawing_gets_its_folder_by_itself_and_makes_a_video_and_is_kept(own: World):
    folder = Path(own.config.workflows_dir)
    with own:
        put(own, "grey_clip.json", DRAWN)
        own.until((own.config.inbox_dir / "grey-clip").is_dir, "the inbox folder", 15)
        own.drop("grey-clip/one.yaml", "frames: 3\n")
        status = ended(own, "grey-clip/one")
        assert (status["state"], status["error"]) == ("done", None)
        assert status["outputs"][0]["frames"] == 3
        assert notices(own).keys() & {"workflow_broken"} == set()
        assert list(taken(own)) == ["grey_clip"]
    assert json.loads((folder / "grey_clip.ui.json").read_text()) == DRAWN
    assert json.loads((folder / "grey_clip.json").read_text())["2"]["inputs"]["images"] == ["1", 0]
    assert sorted(path.name for path in folder.iterdir()) == ["grey_clip.json", "grey_clip.ui.json", "grey_clip.yaml"]


def test_what_can_not_be_converted_is_named_with_its_title_and_the_rest_goes_on(own: World):
    lost = drawn(2, "Unheard", [1], "My magic", images=("IMAGE", 12))
    put(own, "magic.json", {**DRAWN, "nodes": [lost if node["id"] == 2 else node for node in DRAWN["nodes"]]})
    with own:
        own.until(lambda: "My magic" in notices(own).get("workflow_broken", ""), "the reason", 15)
        put(own, "grey_clip.json", DRAWN)
        own.until((own.config.inbox_dir / "grey-clip").is_dir, "the inbox folder", 15)
        assert not (own.config.inbox_dir / "magic").exists()
        # What is corrected is tried again.
        put(own, "magic.json", DRAWN)
        own.until((own.config.inbox_dir / "magic").is_dir, "the inbox folder", 15)


INFO = {
    "EmptyImage": {"input": {"required": {"width": ["INT", {}]}}, "output": ["IMAGE"], "python_module": "nodes"},
    "SaveImage": {
        "input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}}, "output": [],
        "output_node": True, "python_module": "nodes",
    },
}  # fmt: skip
SMALL = {
    "nodes": [drawn(1, "EmptyImage", [64]), drawn(2, "SaveImage", ["x"], images=("IMAGE", 1))],
    "links": [[1, 1, 0, 2, 0, "IMAGE"]],
}


@pytest.mark.parametrize("steps", range(4))
def test_a_crash_in_the_middle_of_placing_loses_neither_file(tmp_path: Path, steps: int):
    original = json.dumps(SMALL).encode()
    (tmp_path / "mine.json").write_bytes(original)
    adopted = adopt("mine", original, {"gpu-1": INFO})
    whole = put_in_place(tmp_path, "mine", adopted)
    # As it would lie there after so many of its steps.
    graph, manifest, kept = whole
    unplaced = tmp_path / ".mine.json.converted"
    graph.rename(unplaced)
    if steps < 3:
        kept.rename(graph)
    if steps < 2:
        unplaced.unlink()
    if steps < 1:
        manifest.unlink()
    finish(tmp_path)
    if graph.read_bytes() == original:
        put_in_place(tmp_path, "mine", adopted)
    assert (graph.read_bytes(), kept.read_bytes()) == (adopted.graph, original)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "mine.ui.json", "mine.yaml"]


def test_an_original_that_is_kept_is_never_replaced(tmp_path: Path):
    for number in range(3):
        original = json.dumps({**SMALL, "version": number}).encode()
        (tmp_path / "mine.json").write_bytes(original)
        kept = put_in_place(tmp_path, "mine", adopt("mine", original, {"gpu-1": INFO}))[-1]
        assert kept.read_bytes() == original
    names = ["mine.2.ui.json", "mine.3.ui.json", "mine.json", "mine.ui.json", "mine.yaml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names

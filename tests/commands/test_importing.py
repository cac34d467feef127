"""reeldrop workflows import: a graph in either format becomes a workflow, or nothing is written and it is said why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_workflows import call, engine_outside, set_up
from tests.line.test_drawn_workflows import DRAWN, drawn
from tests.line.test_own_workflows import GREY

assert engine_outside  # the fixture


@pytest.fixture
def home(tmp_path: Path, engine_outside: str) -> Path:
    (tmp_path / "workflows").mkdir()
    set_up(tmp_path, [{"name": "gpu-1", "url": engine_outside}])
    return tmp_path


def saved(home: Path, content: Any, name: str = "Grey Clip (1).json") -> str:
    path = home / name
    path.write_text(json.dumps(content))
    return str(path)


def lying(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "workflows").iterdir())


def test_a_drawing_becomes_a_workflow_and_stays_where_it_was_and_beside(home: Path):
    file = saved(home, DRAWN)
    result = call(home, "import", file, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert (report["name"], report["converted_by"], report["nodes"]) == ("grey_clip_1", "gpu-1", 3)
    assert (report["able"], report["lacking"], report["refused"]) == (["gpu-1"], {"gpu-1": []}, [])
    assert lying(home) == ["grey_clip_1.json", "grey_clip_1.ui.json", "grey_clip_1.yaml"]
    assert json.loads((home / "workflows" / "grey_clip_1.ui.json").read_text()) == DRAWN
    assert json.loads(Path(file).read_text()) == DRAWN
    assert call(home, "check", "grey_clip_1").output == "grey_clip_1: may run, on gpu-1\n"
    listed = json.loads(call(home, "list", "--json").output)
    assert ([each["name"] for each in listed["workflows"]], listed["broken"]) == (["grey_clip_1"], [])


def test_an_exported_graph_is_taken_as_it_is_and_named_as_asked(home: Path):
    result = call(home, "import", saved(home, GREY), "--name", "mine")
    assert (result.exit_code, lying(home)) == (0, ["mine.json", "mine.yaml"])
    assert json.loads((home / "workflows" / "mine.json").read_text()) == GREY
    assert "mine: 3 nodes; drop files into inbox/mine/" in result.output


def test_a_workflow_that_is_there_is_never_replaced(home: Path):
    assert call(home, "import", saved(home, GREY), "--name", "mine").exit_code == 0
    again = call(home, "import", saved(home, DRAWN), "--name", "mine")
    assert again.exit_code == 1
    assert "There is a workflow mine already." in again.stderr
    assert lying(home) == ["mine.json", "mine.yaml"]


def test_a_drawing_in_its_own_place_is_converted_there(home: Path):
    (home / "workflows" / "mine.json").write_text(json.dumps(DRAWN))
    assert call(home, "import", str(home / "workflows" / "mine.json")).exit_code == 0
    assert lying(home) == ["mine.json", "mine.ui.json", "mine.yaml"]


def test_what_can_not_be_converted_writes_nothing(home: Path):
    strange = {**DRAWN, "nodes": [*DRAWN["nodes"], drawn(9, "Unheard", [1], "My magic")]}
    result = call(home, "import", saved(home, strange), "--json")
    (problem,) = json.loads(result.output)["problems"]
    assert (result.exit_code, problem["code"]) == (1, "node_missing")
    assert "Unheard (node 9 ‘My magic’ of the workflow)" in problem["title"]
    assert lying(home) == []


def test_without_a_server_a_drawing_waits_and_another_may_be_named(home: Path, engine_outside: str):
    set_up(home, [{"name": "gpu-1", "url": "http://127.0.0.1:9"}])
    file = saved(home, DRAWN)
    silent = call(home, "import", file)
    assert silent.exit_code == 1
    assert "no ComfyUI answers" in silent.stderr
    assert "gpu-1" in silent.stderr
    named = call(home, "import", file, "--url", engine_outside, "--json")
    assert (named.exit_code, json.loads(named.output)["converted_by"]) == (0, engine_outside)


def test_kept_originals_are_no_workflows(home: Path):
    (home / "workflows" / "old.ui.json").write_text(json.dumps(DRAWN))
    (home / "workflows" / "old.2.ui.json").write_text("no json at all")
    listed = json.loads(call(home, "list", "--json").output)
    assert (listed["workflows"], listed["broken"]) == ([], [])

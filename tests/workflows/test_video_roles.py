"""Video roles from their files to what comes out of the embedded engine's nodes, and what is expected of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service import guard, workflow
from service.errors import Failed, Rejected
from service.job import Expected, MediaKind
from service.jobfile import JobSettings
from service.media import preparing, verification
from service.workflow import Workflow, bind
from tests.engine.node_bench import Bench
from tests.media import drawing
from tests.workflows import FOLDER, with_shipped

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def parsed(name: str) -> Workflow:
    return workflow.parse(name, (FOLDER / f"{name}.json").read_bytes(), (FOLDER / f"{name}.yaml").read_bytes())


def test_every_role_set_is_there() -> None:
    roles = {name: {role: str(kind) for role, kind in parsed(name).roles.items()} for name in NAMES}
    assert roles == {
        "test_combined": {"source": "picture", "reference": "video"},
        "test_face_swap": {"source": "picture", "target": "video"},
        "test_motion_mimic": {"image": "picture", "reference": "video"},
        "test_retouch": {"target": "video"},
    }


def test_the_library_for_whole_daemons_has_the_shipped_ones_too(tmp_path: Path) -> None:
    made = with_shipped(tmp_path / "workflows")
    assert {"text_to_video_basic.yaml", "test_retouch.yaml", "test_retouch.json"} <= {p.name for p in made.iterdir()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("audio", [True, False])
def test_a_video_goes_through_the_engine_and_comes_out_as_expected(name: str, audio: bool, tmp_path: Path) -> None:
    bench, found = Bench(tmp_path), parsed(name)
    video = drawing.clip(tmp_path / "dropped.mov", frames=30, fps=15, audio=audio)
    facts, _, _ = preparing.prepare(video, bench.folders.temp / "video.mp4", 1 << 26)
    drawing.photo(bench.folders.temp / "picture.png")
    references = {
        role: f"{'video.mp4' if kind is MediaKind.VIDEO else 'picture.png'} [temp]"
        for role, kind in found.roles.items()
    }
    settings = JobSettings.model_validate({})
    bound = bind(found, settings, 1, references, "reeldrop/0198", {}, dict.fromkeys(references, facts))
    assert guard.check_graph(bound.graph, list(references.values()), None) == ()
    assert bound.expected == Expected(160, 120, facts.fps, 30, audio=audio)
    done = bench.graph(in_order(bound.graph))
    (entry,) = done[bound.output_node].ui["images"]
    out, warnings = verification.verify(bench.output(entry), bound.expected)
    # Handed on whole, a silent video keeps the track of nothing that every upload gets.
    whole = name == "test_face_swap"
    assert (out.frames, out.audio, warnings) == (30, audio or whole, [])


def in_order(graph: dict[str, dict]) -> dict[str, dict]:
    return {key: graph[key] for key in sorted(graph, key=lambda key: (key == "5", key))}


def test_a_result_without_the_sound_of_what_it_follows_fails(tmp_path: Path) -> None:
    silent = drawing.clip(tmp_path / "a.mp4")
    with pytest.raises(Failed, match="it has no sound"):
        verification.verify(silent, Expected(160, 120, 12, 24, audio=True))


@pytest.mark.parametrize(
    ("follow", "words"), [("reference", "a role that media doesn't have"), ("source", "which is a picture")]
)
def test_only_a_video_role_can_be_followed(follow: str, words: str) -> None:
    manifest = (FOLDER / "test_face_swap.yaml").read_bytes().replace(b"follow: target", f"follow: {follow}".encode())
    with pytest.raises(Rejected, match=words) as refusal:
        workflow.parse("x", (FOLDER / "test_face_swap.json").read_bytes(), manifest)
    assert refusal.value.problems[0].line == 9


def test_a_parameter_is_stronger_than_what_is_followed() -> None:
    graph = json.loads((FOLDER / "test_retouch.json").read_bytes())
    graph["4"]["inputs"]["fps"] = 8.0
    manifest = (FOLDER / "test_retouch.yaml").read_bytes()
    manifest += b'parameters:\n  fps: {type: number, minimum: 1, maximum: 60, to: {node: "4", input: fps}}\n'
    found = workflow.parse("x", json.dumps(graph).encode(), manifest)
    facts = verification.MediaFacts(MediaKind.VIDEO, "mp4", 64, 48, 9, 25.0, 0.4, "h264", audio=False)
    settings = JobSettings.model_validate({"fps": 10})
    bound = bind(found, settings, 1, {"target": "a.mp4 [temp]"}, "p", {}, {"target": facts})
    assert bound.expected == Expected(64, 48, 10, 9, audio=False)

"""Binding: jobs that are alike are judged once, and nothing gets by that a rule or a server would refuse."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from service.binding import Binding
from service.cells import cells_of
from service.config import parse
from service.errors import Rejected
from service.library import load
from service.reading import Dropped, read
from service.soundness import soundness_of
from service.workflow import Bound
from tests.comfy.recorded import object_info
from tests.shelf import flow, library

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = load(parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))


def taken() -> dict[str, Any]:
    """What a server says that has everything the shipped workflow for texts needs."""
    known = copy.deepcopy(object_info("0.3.64"))
    for node in LIBRARY.workflows["text_to_video_basic"].graph.values():
        inputs = known[node["class_type"]]["input"]
        for section in inputs.values():
            for name, value in node["inputs"].items():
                spec = section.get(name) if isinstance(section, dict) else None
                if spec and isinstance(spec[0], list) and isinstance(value, str) and value not in spec[0]:
                    spec[0].append(value)
    return known


def bind(binding: Binding, text: str) -> Bound:
    readings = read(Dropped("text-to-video", "", "x", "job_file", text.encode(), ()), LIBRARY)
    cells = cells_of(readings, 1)
    return binding.bind(cells, {}, [f"id-{cell.number}" for cell in cells])[0].bound


@pytest.fixture
def known() -> dict[str, Any]:
    return taken()


def test_what_no_rule_looks_at_is_left_out_and_nothing_else(known: dict[str, Any]):
    sound = soundness_of(LIBRARY.workflows["text_to_video_basic"], known)
    assert sound.can_be_told
    assert sound.free == {"prompt", "negative_prompt", "seed"}


def test_a_prompt_that_a_node_chooses_from_a_list_is_looked_at(known: dict[str, Any]):
    known["CLIPTextEncode"]["input"]["required"]["text"] = [["a harbour"], {}]
    binding = Binding(LIBRARY, lambda: {"gpu-1": known}, embedded=False)
    assert not soundness_of(LIBRARY.workflows["text_to_video_basic"], known).free & {"prompt", "negative_prompt"}
    with pytest.raises(Rejected):
        bind(binding, "prompt: a lake")


def test_a_value_that_the_server_lacks_is_refused_after_any_number_of_right_ones(known: dict[str, Any]):
    binding = Binding(LIBRARY, lambda: {"gpu-1": known}, embedded=False)
    for seed in range(3):
        bind(binding, f"prompt: a harbour {seed}\nseed: {seed}")
    with pytest.raises(Rejected) as refused:
        bind(binding, "prompt: a harbour\nsampler: no_such_sampler")
    assert "no_such_sampler" in refused.value.problems[0].title


def test_a_server_that_comes_back_as_another_is_asked_anew(known: dict[str, Any]):
    servers = [known]
    binding = Binding(LIBRARY, lambda: {"gpu-1": servers[-1]}, embedded=False)
    bind(binding, "prompt: a harbour")
    other = copy.deepcopy(known)
    del other["CLIPTextEncode"]
    servers.append(other)
    with pytest.raises(Rejected) as refused:
        bind(binding, "prompt: a harbour")
    assert refused.value.problems[0].code == "node_missing"


def test_two_jobs_never_share_what_goes_into_their_graphs(known: dict[str, Any]):
    binding = Binding(LIBRARY, lambda: {"gpu-1": known}, embedded=False)
    first = bind(binding, "prompt: a harbour")
    before = copy.deepcopy(first.graph)
    second = bind(binding, "prompt: a lake\nwidth: 256")
    assert first.graph == before
    assert second.graph != before
    assert LIBRARY.workflows["text_to_video_basic"].graph != second.graph


# several backends ----------------------------------------------------------------------------------------------------


def without(known: dict[str, Any], *classes: str) -> dict[str, Any]:
    return {name: entry for name, entry in known.items() if name not in classes}


def refused_by(infos: dict[str, dict[str, Any]], text: str = "prompt: a harbour") -> list[str]:
    with pytest.raises(Rejected) as refused:
        bind(Binding(LIBRARY, lambda: infos, embedded=False), text)
    assert all(problem.fix for problem in refused.value.problems)
    return [f"{problem.code}: {problem.title}" for problem in refused.value.problems]


def chosen(infos: dict[str, dict[str, Any]]) -> str:
    readings = read(Dropped("text-to-video", "", "x", "job_file", b"prompt: a harbour", ()), LIBRARY)
    return Binding(LIBRARY, lambda: infos, embedded=False).bind(cells_of(readings, 1), {}, ["id"])[0].chosen


def test_what_one_backend_can_run_is_queued_and_the_status_says_which(known: dict[str, Any]):
    assert chosen({}) == "first of text-to-video's list"
    assert chosen({"a": known}) == "first of text-to-video's list that a can run"
    bare = without(known, "VHS_VideoCombine")
    assert chosen({"a": bare, "b": known}) == "first of text-to-video's list that b can run"
    assert chosen({"a": known, "b": known, "c": known}) == "first of text-to-video's list that a, b and c can run"


def test_what_every_backend_lacks_refuses_the_drop_with_everything_in_one_answer(known: dict[str, Any]):
    bare = without(known, "VHS_VideoCombine", "ADE_UseEvolvedSampling")
    bare["CheckpointLoaderSimple"] = copy.deepcopy(known["CheckpointLoaderSimple"])
    bare["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = ["realisticVision_v60.safetensors"]
    bare["VAELoader"] = copy.deepcopy(known["VAELoader"])
    bare["VAELoader"]["input"]["required"]["vae_name"][0] = ["mine.pt"]
    said = refused_by({"a": bare, "b": bare}, "prompt: a\nsampler: magic")
    assert [line.partition(":")[0] for line in said] == [
        *("model_missing", "model_missing", "bad_value", "node_missing", "node_missing")
    ]
    assert "realisticVision_v51.safetensors" in said[0]
    assert "ADE_UseEvolvedSampling (node 10 ‘Evolved sampling’ of the workflow)" in said[3] or "node 10" in said[3]
    with pytest.raises(Rejected) as refused:
        bind(Binding(LIBRARY, lambda: {"a": bare}, embedded=False), "prompt: a")
    cures = " ".join(problem.fix for problem in refused.value.problems)
    assert "ComfyUI's models/checkpoints/ folder" in cures
    assert "name realisticVision_v60.safetensors, which is there" in cures
    assert "It is at https://huggingface.co/SG161222/Realistic_Vision_V5.1_noVAE" in cures
    assert "fetched by `reeldrop models pull text_to_video_basic`." in cures
    assert "https://github.com/Kosinkadink/ComfyUI-AnimateDiff-Evolved" in cures


def test_of_backends_that_agree_in_nothing_each_says_what_it_lacks(known: dict[str, Any]):
    said = refused_by({"a": without(known, "VHS_VideoCombine"), "b": without(known, "ADE_UseEvolvedSampling")})
    assert said[0].startswith("node_missing: a: The server lacks the node VHS_VideoCombine")
    assert said[1].startswith("node_missing: b: The server lacks the node ADE_UseEvolvedSampling")


def test_only_what_all_lack_is_told_where_they_share_something(known: dict[str, Any]):
    both = without(known, "VHS_VideoCombine")
    said = refused_by({"a": both, "b": without(both, "ADE_UseEvolvedSampling")})
    assert len(said) == 1
    assert "VHS_VideoCombine" in said[0]


def test_the_first_workflow_that_a_backend_can_run_is_taken(known: dict[str, Any]):
    first = flow("first", "text-to-video", "prompt steps")
    second = flow("second", "text-to-video", "prompt steps")
    for each, generator in ((first, "EmptyLatentImage"), (second, "EmptyImage")):
        each.graph["1"]["class_type"] = generator  # type: ignore[index]
        each.graph["2"]["inputs"]["images"] = ["1", 0]
    shelf = library(first, second)
    loose = {"input": {}, "output": ["IMAGE"], "output_node": False}
    saves = {"input": {}, "output": [], "output_node": True}
    infos = {"a": {"EmptyImage": loose, "SaveVideo": saves}}
    binding = Binding(shelf, lambda: infos, embedded=False)
    readings = read(Dropped("text-to-video", "", "x", "job_file", b"prompt: a\nsteps: 5", ()), shelf)
    assert [reading.workflow.name for reading in readings] == ["first"]
    assert [reading.workflow.name for reading in binding.preferred(readings)] == ["second"]
    infos["a"]["EmptyLatentImage"] = loose
    assert [reading.workflow.name for reading in binding.preferred(readings)] == ["first"]
    infos["a"] = {}
    assert [reading.workflow.name for reading in binding.preferred(readings)] == ["first"], "its lack is what is told"
    named = read(Dropped("text-to-video", "", "x", "job_file", b"prompt: a\nworkflow: first", ()), shelf)
    assert binding.preferred(named)[0].workflow.name == "first", "a job's own word counts"


def test_of_a_class_that_a_server_lacks_nothing_is_said_but_that_it_is_missing(known: dict[str, Any]):
    shelf_flow = flow("first", "text-to-video", "prompt")
    shelf_flow.graph["1"]["class_type"] = "SomebodysSampler"  # type: ignore[index]
    shelf_flow.graph["3"] = {"class_type": "VAEDecode", "inputs": {"samples": ["1", 0]}}  # type: ignore[index]
    shelf_flow.graph["2"]["inputs"]["images"] = ["3", 0]
    shelf = library(shelf_flow)
    infos = {"a": {"SaveVideo": {"output": [], "output_node": True}, "VAEDecode": {"output": ["IMAGE"]}}}
    readings = read(Dropped("text-to-video", "", "x", "job_file", b"prompt: a\nconsent: true", ()), shelf)
    binding = Binding(shelf, lambda: infos, embedded=False)
    with pytest.raises(Rejected) as refused:
        binding.bind(cells_of(readings, 1), {}, ["id"], lambda _cell, _inputs: {"sentence": "yes"})
    assert [problem.code for problem in refused.value.problems] == ["node_missing"]

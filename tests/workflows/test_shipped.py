"""Every workflow that comes with us, in every shape that a job can give it, against what true servers have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import graph as graphs
from service import guard
from service.comfy import preflight
from service.config import default
from service.errors import Rejected
from service.families import ModelFacts
from service.job import MediaFacts, MediaKind
from service.job_fields import JobSettings
from service.manifest_keys import Parameter
from service.node_classes import IDENTITY
from service.workflow import Bound, Workflow, bind, parse
from tests.comfy.recorded import VERSIONS, object_info

FOLDER = Path(__file__).parents[2] / "workflows"
SHIPPED = {
    path.stem: parse(path.stem, path.with_suffix(".json").read_bytes(), path.read_bytes())
    for path in sorted(FOLDER.glob("*.yaml"))
}
DEFAULTS = default(FOLDER.parent).workflow_defaults()
CLIP = MediaFacts(MediaKind.VIDEO, "mp4", 640, 360, 50, 25.0, 2.0, "h264", audio=True)
PICTURE = MediaFacts(MediaKind.PICTURE, "png", 800, 600, 1, None, None, "png", audio=False)


def value_of(name: str, parameter: Parameter) -> st.SearchStrategy[Any]:
    if parameter.type == "text":
        words = {"sampler": ["euler", "dpmpp_2m"], "scheduler": ["normal", "karras"]}
        return st.sampled_from(words.get(name, ["a harbour", "fog"]))
    low, high = parameter.minimum or 0, parameter.maximum or 64
    return st.integers(int(low), int(high)) if parameter.type == "whole" else st.floats(low, high)


LORAS = st.lists(
    st.builds(lambda name, weight: {"name": name, "weight": weight}, st.sampled_from(["a", "text"]), st.floats(-2, 2)),
    unique_by=lambda lora: lora["name"],
    max_size=2,
).map(tuple)


def facts_of(_folder: str, name: str) -> ModelFacts:
    """One of the LoRAs changes the text encoder too."""
    return ModelFacts(clip=name == "text")


@st.composite
def jobs(draw: st.DrawFn, flow: Workflow) -> tuple[JobSettings, dict[str, str]]:
    """Return settings of a job and the files that it brings, by role."""
    asked: dict[str, Any] = {}
    for name, parameter in flow.manifest.parameters.declared().items():
        if name not in ("checkpoint", "vae", "seed") and (parameter.required or draw(st.booleans())):
            asked[name] = draw(value_of(name, parameter))
    free = [name for name, switch in flow.manifest.switches.items() if switch.role is None]
    if free and draw(st.booleans()):
        asked["switches"] = {name: draw(st.booleans()) for name in free}
    if flow.manifest.loras is not None:
        asked["loras"] = draw(LORAS)
    if flow.manifest.sliders.declared():
        asked["sliders"] = {name: draw(st.floats(-1, 1)) for name in flow.manifest.sliders.declared()}
    roles = [role for role in flow.roles if role in flow.required_roles or draw(st.booleans())]
    return JobSettings.model_validate(asked), {role: f"reeldrop/x/{role} [temp]" for role in roles}


def run(flow: Workflow, job: JobSettings, media: Mapping[str, str]) -> Bound:
    facts = {role: CLIP if flow.roles[role] is MediaKind.VIDEO else PICTURE for role in media}
    return bind(flow, job, 7, media, "reeldrop/x", DEFAULTS, facts, facts_of)


def least(flow: Workflow) -> dict[str, Any]:
    return {"prompt": "a harbour"} if flow.needs_prompt else {}


def shapes(flow: Workflow) -> Iterator[tuple[dict[str, bool], tuple[str, ...]]]:
    """Yield every combination of switches and of roles that needn't be brought."""
    free = [name for name, switch in flow.manifest.switches.items() if switch.role is None]
    optional = sorted(set(flow.roles) - flow.required_roles)
    brought = chain.from_iterable(combinations(optional, count) for count in range(len(optional) + 1))
    for roles in brought:
        for states in product([False, True], repeat=len(free)):
            yield dict(zip(free, states, strict=True)), (*sorted(flow.required_roles), *roles)


def check_shape(flow: Workflow, bound: Bound, media: Mapping[str, str]) -> None:
    lost = [link for link in graphs.links(bound.graph) if link[2] not in bound.graph]
    assert lost == []
    kept = {name: {**node, "inputs": dict(node["inputs"])} for name, node in bound.graph.items()}
    graphs.lead_to(kept, bound.output_node)
    assert kept.keys() == bound.graph.keys()
    loaded = {value for node in bound.graph.values() for value in node["inputs"].values() if value in media.values()}
    assert loaded == set(media.values())
    problems = guard.check_graph(bound.graph, list(media.values()))
    transfers = any(node["class_type"] in IDENTITY for node in bound.graph.values())
    assert [problem.code for problem in problems] == (["consent_missing"] if transfers else [])
    assert guard.check_graph(bound.graph, list(media.values()), consent=True) == ()


def check_server(bound: Bound, media: Mapping[str, str], version: str) -> None:
    """A version's recording has some classes only; those that it has must find nothing wrong but missing files."""
    info = object_info(version)
    problems = preflight.check(bound.graph, info, uploads=list(media.values()))
    classes = {str(node["class_type"]) for node in bound.graph.values()}
    missing = [problem for problem in problems if problem.code == "node_missing"]
    assert len(missing) <= len(classes - info.keys())
    assert [problem for problem in problems if problem.code not in ("node_missing", "model_missing")] == []


@pytest.mark.parametrize("name", SHIPPED)
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_a_job_sets_its_graph_is_whole_and_servers_take_it(name: str, data: st.DataObject) -> None:
    flow = SHIPPED[name]
    job, media = data.draw(jobs(flow))
    bound = run(flow, job, media)
    check_shape(flow, bound, media)
    check_server(bound, media, data.draw(st.sampled_from(sorted(VERSIONS))))


@pytest.mark.parametrize("version", sorted(VERSIONS))
@pytest.mark.parametrize("name", SHIPPED)
def test_every_combination_of_switches_and_roles_is_a_whole_graph(name: str, version: str) -> None:
    flow = SHIPPED[name]
    for switches, roles in shapes(flow):
        media = {role: f"reeldrop/x/{role} [temp]" for role in roles}
        bound = run(flow, JobSettings.model_validate({**least(flow), "switches": switches or None}), media)
        check_shape(flow, bound, media)
        check_server(bound, media, version)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_nodes_that_a_workflow_needs_are_of_the_packs_that_it_names(name: str) -> None:
    flow = SHIPPED[name]
    named = {each for pack in flow.manifest.needs.nodes for each in pack.classes}
    known = object_info("0.3.64")
    ours = {str(node["class_type"]) for node in flow.graph.values()}
    assert named <= ours
    beyond = {
        each for each in ours if each.startswith(("ADE_", "ACN_", "VHS_", "ReActor", "IPAdapter", "LivePortrait"))
    }
    assert beyond <= named
    if flow.manifest.unavailable is None:
        assert ours <= known.keys()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_file_that_a_graph_names_is_said_to_be_needed(name: str) -> None:
    flow = SHIPPED[name]
    media = {role: f"reeldrop/x/{role} [temp]" for role in flow.roles}
    every = {name: True for name, switch in flow.manifest.switches.items() if switch.role is None}
    bound = run(flow, JobSettings.model_validate({**least(flow), "switches": every or None}), media)
    needed = {model.file for model in flow.manifest.needs.models}
    files = {
        value
        for node in bound.graph.values()
        for value in node["inputs"].values()
        if isinstance(value, str) and value.endswith((".safetensors", ".ckpt", ".pth", ".onnx"))
    }
    # The pose detector brings its own files, which its pack fetches; the adult checkpoint is the operator's to name.
    assert files - {"yolox_l.onnx", default(FOLDER.parent).nsfw_checkpoint} <= needed


def test_the_combined_pipeline_without_anything_is_text_to_video() -> None:
    flow = SHIPPED["combined_pipeline"]
    bound = run(flow, JobSettings.model_validate({"prompt": "a harbour", "frames": 8}), {})
    classes = {node["class_type"] for node in bound.graph.values()}
    assert not any("ReActor" in each or "DWPre" in each or "ControlNet" in each for each in classes)
    assert (bound.expected.width, bound.expected.height, bound.expected.frames) == (512, 512, 8)
    assert bound.interpolation == 1


def test_what_is_enlarged_and_interpolated_is_expected_so() -> None:
    flow = SHIPPED["combined_pipeline"]
    job = JobSettings.model_validate({"prompt": "a harbour", "switches": {"upscale": True, "interpolate": True}})
    bound = run(flow, job, {})
    assert (bound.expected.width, bound.expected.height) == (1024, 1024)
    assert bound.interpolation == 2


def test_restoring_faces_goes_by_the_configuration_and_its_switch() -> None:
    flow = SHIPPED["combined_pipeline"]
    media = {"source": "reeldrop/x/source [temp]"}
    for said, on, file in (
        ("codeformer", True, "codeformer-v0.1.0.pth"),
        ("gfpgan", True, "GFPGANv1.4.pth"),
        ("codeformer", False, "none"),
    ):
        job = JobSettings.model_validate({"prompt": "a harbour", "switches": {"restore": on}})
        defaults = {**DEFAULTS, "face_enhancer": said, "face_swap_model": "inswapper_128"}
        made = bind(flow, job, 7, media, "reeldrop/x", defaults, {"source": PICTURE})
        assert made.graph["42"]["inputs"]["face_restore_model"] == file
        assert made.graph["42"]["inputs"]["swap_model"] == "inswapper_128.onnx"


def test_a_switch_that_is_not_there_is_named_with_the_nearest() -> None:
    job = JobSettings.model_validate({"prompt": "a", "switches": {"upscal": True, "pose": True}})
    with pytest.raises(Rejected) as caught:
        run(SHIPPED["combined_pipeline"], job, {})
    found = {problem.field: problem for problem in caught.value.problems}
    assert "upscale" in found["switches.upscal"].fix
    assert "reference" in found["switches.pose"].title


@pytest.mark.parametrize(
    ("asked", "frames", "said"),
    [
        ({}, 29, "the first 29 frames are used: the video that is followed has 32 frames at 16 a second"),
        ({"frames": 21}, 21, ""),
        ({"frames": 61}, 29, "frames 61 became 29: the video that is followed has 32 frames at 16 a second"),
        ({"seconds": 5}, 29, "frames 81 became 29: the video that is followed has 32 frames at 16 a second"),
        ({"fps": 60}, 117, "the first 117 frames are used: the video that is followed has 120 frames at 60 a second"),
    ],
)
def test_a_clip_that_follows_a_video_does_not_outlast_it(asked: dict[str, Any], frames: int, said: str) -> None:
    flow = SHIPPED["motion_transfer_wan_animate"]
    media = {role: f"reeldrop/x/{role} [temp]" for role in flow.roles}
    bound = run(flow, JobSettings.model_validate(asked), media)
    told = [line for line in bound.adjusted if "video that is followed" in line]
    assert (bound.settings["frames"], told) == (frames, [said] if said else [])


def test_a_video_that_is_shorter_than_a_workflow_can_be_is_said_so() -> None:
    flow = SHIPPED["motion_transfer_wan_animate"]
    media = {role: f"reeldrop/x/{role} [temp]" for role in flow.roles}
    short = replace(CLIP, frames=3, seconds=0.12)
    bound = bind(flow, JobSettings(), 7, media, "reeldrop/x", DEFAULTS, {"reference": short, "image": PICTURE})
    assert bound.settings["frames"] == 5
    assert any("5 frames are the fewest of motion_transfer_wan_animate" in line for line in bound.adjusted)

"""Preflight against what three versions really have: good graphs pass, each bad one is named, all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.comfy import preflight
from service.errors import Problem
from tests.comfy.recorded import SAMPLER_GRAPH, VERSIONS, load, object_info

each_version = pytest.mark.parametrize("version", VERSIONS)
WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"

#: Refused by these servers for what isn't in the graph, or for files that are uploaded per job.
NOT_OURS = ("prompt_id", "number not", "extra_data", "missing input image", "annotated image [output], wrong folder",
            "partial_execution_targets ['nosuch']")  # fmt: skip
#: Bent or let through by the server, and wrong all the same.
STRICTER = (
    "int given as",
    "SaveVideo dotted codec not in list",
    "SaveVideo format not in list",
    "SaveVideo flat codec not in list",
    "SaveVideo no format",
)


def posts(version: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every recorded POST /prompt with a graph, and whether the server took all of it."""
    for label, case in load(version, "prompt_post.json").items():
        body = case.get("request", {}).get("json") if isinstance(case, dict) else None
        if isinstance(body, dict) and isinstance(body.get("prompt"), dict) and not label.startswith(NOT_OURS):
            yield label, body["prompt"], case["status"] == 200 and not case["json"]["node_errors"]


def check(version: str, graph: dict[str, Any], **more: Any) -> tuple[Problem, ...]:
    return preflight.check(graph, object_info(version), **more)


def said(version: str, label: str) -> str:
    graph = dict(next((graph for name, graph, _ in posts(version) if name.startswith(label))))
    return " ".join(f"{problem.code}: {problem.sentence()}" for problem in check(version, graph))


@each_version
def test_every_recorded_good_graph_passes_and_every_bad_one_is_named(version: str) -> None:
    seen = {True: 0, False: 0}
    for label, graph, good in posts(version):
        problems = check(version, graph)
        if label.startswith(STRICTER):
            assert problems, label
        else:
            assert (problems == ()) == good, (label, problems)
            seen[good] += 1
        assert all(problem.title and problem.fix for problem in problems)
    assert seen[True] >= 10
    assert seen[False] >= 12


@each_version
def test_every_recorded_graph_that_ran_passes(version: str) -> None:
    for label, case in load(version, "node_outputs.json").items():
        if isinstance(case, dict) and case.get("status_str") == "success" and not case.get("node_errors"):
            assert check(version, case["graph"]) == (), label


@each_version
def test_what_is_wrong_is_named_in_plain_words(version: str) -> None:
    lacking = said(version, "unknown class_type")
    assert "node_missing: The server lacks the node NoSuchNodeClass (node 9 of the workflow)." in lacking
    assert "the input width is missing" in said(version, "missing required input")
    assert "width is 1000000000, more than 16384" in said(version, "value above max")
    assert "width must be a whole number, not 'wide'" in said(version, "value of wrong type")
    assert "upscale_method can't be 'magic'. Choose one of nearest-exact" in said(version, "value not in list")
    assert "leads to node 77, which doesn't exist" in said(version, "link to a missing node")
    assert "wait for each other in a circle" in said(version, "self-cycle")
    assert "brings MASK, but IMAGE is wanted" in said(version, "link type mismatch")
    missing = said(version, "missing checkpoint file")
    assert "model_missing: The server lacks the model nope.safetensors" in missing
    assert "models/checkpoints/" in missing


@each_version
def test_our_workflows_lack_nothing_but_models(version: str) -> None:
    for name in ("text_to_video_basic", "image_to_video_svd"):
        problems = check(version, json.loads((WORKFLOWS / f"{name}.json").read_text()))
        # The recording of 0.8.0 and newer was made without models; that of 0.3.64 has some of these names.
        assert {problem.code for problem in problems} <= {"model_missing"}, problems


@each_version
def test_flat_keys_of_savevideo_pass_where_the_server_knows_nested_ones(version: str) -> None:
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "job/a.mp4 [temp]"}},
        "2": {
            "class_type": "SaveVideo",
            "inputs": {"video": ["1", 0], "filename_prefix": "x", "format": "mp4", "codec": "h264"},
        },
    }
    assert check(version, graph) == ()
    graph["2"]["inputs"]["format"] = "avi"
    assert [problem.code for problem in check(version, graph)] == ["bad_value"]


def test_everything_is_named_at_once() -> None:
    graph = json.loads(json.dumps(SAMPLER_GRAPH))
    graph["4"]["inputs"]["ckpt_name"] = "random_sd15_tinny.safetensors"
    graph["3"]["inputs"] |= {"steps": 0, "cfg": "high", "sampler_name": "eular"}
    graph["9"]["class_type"] = "NoSuchNode"
    graph["5"]["inputs"].pop("width")
    codes = [problem.code for problem in check("0.3.64", graph)]
    assert sorted(codes) == ["bad_value"] * 4 + ["model_missing", "node_missing"]


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [("random_sd15_tinny.safetensors", "random_sd15_tiny.safetensors"),
     ("SD15/random_sd15_tiny.safetensors", "random_sd15_tiny.safetensors"),
     ("RANDOM_SD15_TINY.safetensors", "random_sd15_tiny.safetensors")],
)  # fmt: skip
def test_the_model_that_was_probably_meant_is_named(wanted: str, nearest: str) -> None:
    graph = json.loads(json.dumps(SAMPLER_GRAPH))
    graph["4"]["inputs"]["ckpt_name"] = wanted
    (problem,) = check("0.3.64", graph)
    assert problem.code == "model_missing"
    assert f"name {nearest}, which is there" in problem.fix
    assert problem.detail == f"checkpoints/{wanted}"


def test_a_model_that_resembles_none_gets_no_odd_advice() -> None:
    graph = json.loads(json.dumps(SAMPLER_GRAPH))
    graph["4"]["inputs"]["ckpt_name"] = "wan2.2.safetensors"
    (problem,) = check("0.3.64", graph)
    assert "which is there" not in problem.fix


def test_a_windows_server_names_its_own_slashes() -> None:
    info = {"VAELoader": {"input": {"required": {"vae_name": [["SD15\\a.safetensors"], {}]}}, "output_node": True}}
    graph = {"1": {"class_type": "VAELoader", "inputs": {"vae_name": "SD15/a.safetensors"}}}
    (problem,) = preflight.check(graph, info)
    assert "SD15\\a.safetensors" in problem.fix


def test_a_missing_node_names_its_pack() -> None:
    graph = {"1": {"class_type": "ADE_UseEvolvedSampling", "inputs": {}}}
    (problem,) = preflight.check(graph, {})
    assert "ComfyUI-AnimateDiff-Evolved" in problem.fix


def test_both_encodings_of_a_list_are_checked() -> None:
    for spec in ([["a", "b"], {}], [["a", "b"]], ["COMBO", {"options": ["a", "b"]}]):
        info = {"N": {"input": {"required": {"x": spec}}, "output_node": True}}
        assert preflight.check({"1": {"class_type": "N", "inputs": {"x": "a"}}}, info) == ()
        assert preflight.check({"1": {"class_type": "N", "inputs": {"x": "c"}}}, info)


@pytest.mark.parametrize(
    "spec",
    [["COMFY_AUTOGROW_V3", {"template": {}}], ["SOMETHING_NEW"], ["COMBO", {"remote": {"route": "/x"}}],
     ["COMBO", {"options": ["a"], "multiselect": True}], ["INT,FLOAT", {"max": 1}], "odd", [], None, {"a": 1}],
)  # fmt: skip
def test_a_type_that_we_do_not_know_is_let_through(spec: object) -> None:
    info = {"N": {"input": {"required": {"x": spec}}, "output_node": True}}
    assert preflight.check({"1": {"class_type": "N", "inputs": {"x": "whatever"}}}, info) == ()


def test_files_that_jobs_upload_are_not_looked_for_in_the_servers_list() -> None:
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "job-1/cat.png [temp]"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }
    for version in VERSIONS:
        assert check(version, graph) == ()
    info = {"MyLoader": {"input": {"required": {"clip": [["a.mp4"], {}]}}, "output_node": True}}
    mine = {"1": {"class_type": "MyLoader", "inputs": {"clip": "job-1/b.mp4 [temp]"}}}
    assert preflight.check(mine, info)
    assert preflight.check(mine, info, uploads={"job-1/b.mp4 [temp]"}) == ()


def test_values_of_nodes_that_never_run_do_not_matter() -> None:
    graph = json.loads(json.dumps(SAMPLER_GRAPH))
    graph["4"]["inputs"]["ckpt_name"] = "random_sd15_tiny.safetensors"
    graph["50"] = {"class_type": "VAELoader", "inputs": {"vae_name": "none-of-them.safetensors"}}
    assert check("0.3.64", graph) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["1", "2", "euler", "KSampler"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["class_type", "inputs", "seed", "cfg", "images"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["1", "2"]), JSON, max_size=2))
def test_no_graph_whatever_raises(graph: dict[str, Any]) -> None:
    check("0.33.0", graph)


@given(st.dictionaries(st.sampled_from(["KSampler", "SaveImage"]), JSON, max_size=2))
def test_no_object_info_whatever_raises(info: dict[str, Any]) -> None:
    preflight.check(SAMPLER_GRAPH, info)


@each_version
@pytest.mark.parametrize(
    ("inputs", "code_old", "code_new"),
    [
        ({"format": "auto", "codec": "auto"}, None, None),
        ({"format": "mp4", "codec": "h264"}, None, None),
        ({"format": "mp4", "codec": "xvid"}, "bad_value", "bad_value"),
        ({"format": "avi", "codec": "h264"}, "bad_value", "bad_value"),
        ({"codec": "auto"}, "bad_value", "bad_value"),
        # What only newer servers take is named before it is sent to an older one.
        ({"format": "auto"}, "bad_value", None),
        ({"format": "auto", "format.codec": "auto"}, "bad_value", None),
    ],
)
def test_savevideos_changed_inputs_are_judged_by_each_version_as_it_declares_them(
    version: str, inputs: dict[str, str], code_old: str | None, code_new: str | None
) -> None:
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "job/a.mp4 [temp]"}},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": "x", **inputs}},
    }
    wanted = code_new if version == "0.33.0" else code_old
    assert [problem.code for problem in check(version, graph)] == ([wanted] if wanted else [])


def test_a_missing_class_is_named_once_with_all_its_nodes_and_what_is_known_of_it() -> None:
    graph = {
        "3": {"class_type": "ReActorFaceSwap", "inputs": {}, "_meta": {"title": "Swap"}},
        "7": {"class_type": "ReActorFaceSwap", "inputs": {}, "_meta": {"title": "ReActorFaceSwap"}},
        "8": {"class_type": "WanAnimate2ToVideo", "inputs": {}},
        "9": {"class_type": "KSampler", "inputs": {}},
        "10": {"class_type": "RIFE VFI", "inputs": {}},
    }
    swap, animate, own, smooth = preflight.check(graph, {})
    assert swap.title == "The server lacks the node ReActorFaceSwap (nodes 3 ‘Swap’, 7 of the workflow)."
    assert "ComfyUI-ReActor (https://github.com/Gourieff/ComfyUI-ReActor)" in swap.fix
    assert animate.fix == "Update ComfyUI to 0.31 or newer, which has it."
    assert "ComfyUI's own nodes: update ComfyUI" in own.fix
    assert "ComfyUI-Frame-Interpolation" in smooth.fix


def test_what_the_preview_engine_lacks_is_one_problem_with_a_comfyui_as_its_cure() -> None:
    classes = ["ReActorOptions", "ReActorFaceSwapOpt", "WanAnimateToVideo", "Unheard", *map(str, range(6))]
    graph = {str(number): {"class_type": each, "inputs": {}} for number, each in enumerate(classes)}
    (found,) = preflight.check(graph, {}, embedded=True)
    assert found.code == "node_missing"
    lacking = "ReActorOptions, ReActorFaceSwapOpt, WanAnimateToVideo, Unheard, 0, 1, 2, 3 and 2 others"
    assert found.title == f"The preview engine can't run this workflow: it has no {lacking}."
    assert "name a ComfyUI that has the node pack ComfyUI-ReActor (https://github.com/Gourieff" in found.fix
    assert found.fix.endswith("under backends in config.yaml.")
    assert "restart" not in found.fix
    (own,) = preflight.check({"1": {"class_type": "WanImageToVideo", "inputs": {}}}, {}, embedded=True)
    assert "runs no AI model: name a ComfyUI under backends" in own.fix


def test_where_to_get_a_model_is_said_where_we_know_it() -> None:
    info = {"VAELoader": {"input": {"required": {"vae_name": [["b.safetensors"], {}]}}, "output_node": True}}
    graph = {"1": {"class_type": "VAELoader", "inputs": {"vae_name": "a.pt"}}}
    (known,) = preflight.check(graph, info, sources={"vae/a.pt": "It is at https://example.com/a"})
    assert known.fix == "Put it into ComfyUI's models/vae/ folder. It is at https://example.com/a"
    (unknown,) = preflight.check(graph, info)
    assert "It is at" not in unknown.fix

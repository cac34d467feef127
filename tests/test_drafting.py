"""Drafting: from somebody's own graph, what a job may set in it; each draft is a manifest that fits its graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.drafted import draft
from service.errors import Rejected
from service.jobfile import JobSettings
from service.strict_yaml import read
from service.workflow import Workflow, bind, parse

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def sampler(**more: Any) -> dict[str, Any]:
    given = {"seed": 1, "steps": 20, "cfg": 6.0, "sampler_name": "euler", "scheduler": "normal"}
    return node(
        "KSampler", model=["1", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0], **given, **more
    )


TEXT = {
    "1": node("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
    "2": node("CLIPTextEncode", text="a fox", clip=["1", 1]),
    "3": node("CLIPTextEncode", text="blurry: bad, {odd} #1", clip=["1", 1]),
    "4": node("EmptyHunyuanLatentVideo", width=832, height=480, length=81, batch_size=1),
    "5": sampler(),
    "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
    "7": node("CreateVideo", images=["6", 0], fps=16.0),
    "8": node("SaveVideo", video=["7", 0], filename_prefix="v", format="auto", codec="auto"),
}


def made(graph: dict[str, Any], name: str = "mine") -> Workflow:
    data = json.dumps(graph).encode()
    return parse(name, data, draft(name, data).encode())


def places(flow: Workflow) -> dict[str, Any]:
    return {field: [f"{node}.{key}" for node, key in targets] for field, targets in flow.targets.items()}


def test_every_part_of_a_plain_graph_is_found():
    flow = made(TEXT)
    assert places(flow) == {
        "prompt": ["2.text"], "negative_prompt": ["3.text"], "seed": ["5.seed"], "width": ["4.width"],
        "height": ["4.height"], "frames": ["4.length"], "fps": ["7.fps"], "steps": ["5.steps"], "cfg": ["5.cfg"],
        "sampler": ["5.sampler_name"], "scheduler": ["5.scheduler"], "checkpoint": ["1.ckpt_name"],
    }  # fmt: skip
    assert (flow.task, flow.manifest.output.node, flow.needs_prompt, flow.needs_consent) == ("mine", "8", True, False)
    frames = flow.manifest.parameters.declared()["frames"]
    assert (frames.multiple_of, frames.base, frames.default) == (4, 1, 81)
    assert flow.manifest.ladder == ({"width": 0.75, "height": 0.75}, {"frames": 0.5})
    assert [(need.folder, need.file, need.parameter) for need in flow.manifest.needs.models] == [
        ("checkpoints", "a.safetensors", "checkpoint")
    ]


def test_a_job_that_sets_nothing_runs_the_graph_as_it_was_exported():
    flow = made(TEXT)
    config = {"fps": 12, "frames": 16, "max_frames": 64, "steps": 5, "cfg": 1, "sampler": "x", "checkpoint": "y"}
    bound = bind(flow, JobSettings.model_validate({"prompt": "a fox"}), 1, {}, "v", config)
    assert bound.graph == TEXT
    assert bound.adjusted == []


@pytest.mark.parametrize("name", ["text_to_video_basic", "image_to_video_svd"])
def test_what_we_wrote_ourselves_is_found_again(name: str):
    data = (WORKFLOWS / f"{name}.json").read_bytes()
    ours = parse(name, data, (WORKFLOWS / f"{name}.yaml").read_bytes())
    drafted = parse(name, data, draft(name, data).encode())
    assert places(drafted) == places(ours)
    assert {role: (each.node, each.input) for role, each in drafted.manifest.media.declared().items()} == {
        role: (each.node, each.input) for role, each in ours.manifest.media.declared().items()
    }
    assert drafted.manifest.output == ours.manifest.output
    needs, wanted = drafted.manifest.needs, ours.manifest.needs
    assert {each.file for each in wanted.models} <= {each.file for each in needs.models}
    assert {(each.pack, each.url) for each in needs.nodes} == {(each.pack, each.url) for each in wanted.nodes}


def test_two_samplers_that_share_the_steps_get_one_seed_and_no_steps():
    shared = {"sampler_name": "euler", "scheduler": "simple", "steps": 4, "cfg": 1.0}
    first = node("KSamplerAdvanced", positive=["9", 0], negative=["9", 1], latent_image=["9", 2], noise_seed=1,
                 start_at_step=0, end_at_step=2, **shared)  # fmt: skip
    second = {**first, "inputs": {**first["inputs"], "latent_image": ["5", 0], "start_at_step": 2, "noise_seed": 0}}
    start = node("WanImageToVideo", positive=["2", 0], negative=["3", 0], start_image=["10", 0], width=640, height=640,
                 length=81, batch_size=1)  # fmt: skip
    loader = node("LoadImage", image="x.png")
    graph = {**TEXT, "5": first, "11": second, "6": node("VAEDecode", samples=["11", 0]), "9": start, "10": loader}
    flow = made(graph)
    assert places(flow)["seed"] == ["5.noise_seed", "11.noise_seed"]
    assert places(flow)["cfg"] == ["5.cfg", "11.cfg"]
    assert "steps" not in flow.fields
    assert "# Left out: steps: nodes 5, 11 share them" in draft("mine", json.dumps(graph).encode())
    assert (flow.roles, flow.needs_prompt, places(flow)["prompt"]) == ({"image": "picture"}, False, ["2.text"])
    assert flow.manifest.parameters.declared()["width"].multiple_of == 16


def test_a_sampler_in_parts_is_found_by_its_wiring():
    graph = {
        **TEXT,
        "4": node("EmptyLTXVLatentVideo", width=768, height=512, length=97, batch_size=1),
        "5": node("SamplerCustomAdvanced", guider=["21", 0], sampler=["22", 0], sigmas=["23", 0], noise=["24", 0],
                  latent_image=["4", 0]),
        "20": node("LTXVConditioning", positive=["2", 0], negative=["3", 0], frame_rate=16.0),
        "21": node("CFGGuider", model=["1", 0], positive=["20", 0], negative=["20", 1], cfg=3.0),
        "22": node("KSamplerSelect", sampler_name="euler"),
        "23": node("LTXVScheduler", steps=30, latent=["4", 0]),
        "24": node("RandomNoise", noise_seed=7),
    }  # fmt: skip
    found = places(made(graph))
    assert (found["prompt"], found["negative_prompt"]) == (["2.text"], ["3.text"])
    assert (found["seed"], found["steps"], found["cfg"]) == (["24.noise_seed"], ["23.steps"], ["21.cfg"])
    assert (found["sampler"], found["fps"]) == (["22.sampler_name"], ["7.fps", "20.frame_rate"])


def test_what_changes_size_or_number_afterwards_keeps_them_from_being_set():
    graph = {
        **TEXT,
        "9": node("ImageScaleBy", image=["6", 0], upscale_method="bicubic", scale_by=2.0),
        "10": node("RIFE VFI", frames=["9", 0], multiplier=2),
        "7": node("CreateVideo", images=["10", 0], fps=16.0),
    }
    flow = made(graph)
    assert not flow.fields & {"width", "height", "frames"}
    text = draft("mine", json.dumps(graph).encode())
    assert "# Left out: width, height: ImageScaleBy changes the size afterwards." in text
    assert "# Left out: frames: RIFE VFI changes their number afterwards." in text
    assert "consent: true, for the nodes 10 (RIFE VFI)" in text


def test_files_play_the_parts_that_their_inputs_say():
    graph = {
        "1": node("VHS_LoadVideo", video="x.mp4", force_rate=0),
        "2": node("LoadImage", image="y.png"),
        "3": node("ReActorFaceSwap", input_image=["1", 0], source_image=["2", 0]),
        "4": node("VHS_VideoCombine", images=["3", 0], frame_rate=["5", 0], filename_prefix="v"),
        "5": node("VHS_VideoInfoLoaded", video_info=["1", 3]),
    }
    flow = made(graph)
    assert flow.roles == {"target": "video", "source": "picture"}
    assert flow.needs_consent
    assert places(flow) == {}
    assert {each.pack for each in flow.manifest.needs.nodes} == {"ComfyUI-VideoHelperSuite", "ComfyUI-ReActor"}


@pytest.mark.parametrize(
    ("graph", "code"),
    [
        ({"1": node("KSampler", seed=1)}, "no_output"),
        ({**{str(n): node("LoadImage", image="x") for n in range(5)},
          "9": node("SaveImage", filename_prefix="x", **{f"i{n}": [str(n), 0] for n in range(5)})}, "too_many_media"),
        ({"nodes": [], "links": [], "version": 0.4}, "ui_format"),
        ({"1": {"inputs": {}}}, "bad_graph"),
    ],
)  # fmt: skip
def test_what_can_not_be_drafted_is_refused_with_a_cure(graph: dict[str, Any], code: str):
    with pytest.raises(Rejected) as refused:
        draft("mine", json.dumps(graph).encode())
    assert [problem.code for problem in refused.value.problems] == [code]
    assert refused.value.problems[0].fix


@pytest.mark.parametrize(
    ("name", "better"),
    [("My Flow (1)", "my_flow_1.json"), ("done", "my_done.json"), ("ümlaut", "mlaut.json"), ("..", "my_workflow.json")],
)
def test_a_name_that_can_be_no_folder_is_refused_with_a_better_one(name: str, better: str):
    with pytest.raises(Rejected) as refused:
        draft(name, json.dumps(TEXT).encode())
    assert better in refused.value.problems[0].fix
    assert made(TEXT, better.removesuffix(".json")).name


@pytest.mark.parametrize("name", ["adult", "text_to_video_nsfw"])
def test_a_name_with_rules_of_its_own_is_refused_until_these_are_built(name: str):
    with pytest.raises(Rejected, match="can be called"):
        draft(name, json.dumps(TEXT).encode())


def test_words_from_a_graph_stay_in_their_comment():
    graph = {**TEXT, "9": node("Odd\ntask: face-swap\x07", video=["7", 0], filename_prefix="x")}
    graph["8"] = node("SaveVideo", video=["9", 0], filename_prefix="v", format="auto", codec="auto")
    data = json.dumps(graph).encode()
    text = draft("mine", data, ["node 9 ‘a\ntitle: b\u2028’ is\x00 odd"])
    assert "# Converted: node 9 ‘a title: b ’ is  odd\n" in text
    assert parse("mine", data, text.encode()).task == "mine"


values = st.one_of(
    st.integers(-5, 10**20), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text(max_size=9),
    st.none(), st.lists(st.integers(0, 3), max_size=3),
    st.tuples(st.sampled_from("12345"), st.integers(0, 3)).map(list),
)  # fmt: skip
keys = st.sampled_from(
    ["seed", "steps", "cfg", "sampler_name", "text", "positive", "negative", "width", "height", "length", "batch_size",
     "latent_image", "images", "filename_prefix", "fps", "frame_rate", "video", "image", "ckpt_name", "conditioning"]
)  # fmt: skip
classes = st.sampled_from(
    ["KSampler", "CLIPTextEncode", "EmptyLatentImage", "WanImageToVideo", "SaveVideo", "VHS_VideoCombine", "LoadImage",
     "LoadVideo", "Unheard: #of", "CreateVideo", "ImageScale"]
)  # fmt: skip
graphs = st.dictionaries(
    st.sampled_from("12345"),
    st.builds(lambda kind, inputs: {"class_type": kind, "inputs": inputs}, classes, st.dictionaries(keys, values)),
    min_size=1,
)


@given(graphs)
def test_no_graph_whatever_gets_a_draft_that_does_not_fit_it(graph: dict[str, Any]):
    data = json.dumps(graph).encode()
    try:
        text = draft("mine", data)
    except Rejected:
        return
    read(text.encode())
    assert parse("mine", data, text.encode()).name == "mine"

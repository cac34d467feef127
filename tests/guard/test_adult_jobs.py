"""Attempts to make adult content where it isn't allowed, or in the adult task what is never allowed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service import workflow
from service.adult import Policy, Work, check_job, is_adult, key_of
from service.adult_workflow import ADULT_WORKFLOW, GRAPH_HASH, GUARD
from service.errors import Rejected
from service.job_fields import JobSettings
from service.judgement import Graph, work_of

WORKFLOWS = Path(__file__).parents[2] / "workflows"
CHECKPOINT = "ponyDiffusionV6XL.safetensors"
DEFAULTS = {"checkpoint": "realisticVision_v51.safetensors", "adult_checkpoint": CHECKPOINT, "vae": "v.safetensors",
            "cfg": 7.5, "steps": 20, "frames": 16, "fps": 12, "sampler": "euler", "max_frames": 64}  # fmt: skip
POLICY = Policy(
    True, CHECKPOINT, frozenset({key_of("film_grain.safetensors")}), frozenset({key_of("marked.safetensors")})
)


def shipped(name: str) -> workflow.Workflow:
    read = [(WORKFLOWS / f"{name}.{ending}").read_bytes() for ending in ("json", "yaml")]
    return workflow.parse(name, *read)


ADULT, BASIC = shipped(ADULT_WORKFLOW), shipped("text_to_video_basic")


def job(flow: workflow.Workflow = ADULT, task: str | None = None, **fields: Any) -> Work:
    """Return a job as it will run."""
    settings = JobSettings.model_validate(
        {"prompt": "a nude woman in her forties" if flow is ADULT else "a cup", **fields}
    )
    bound = workflow.bind(flow, settings, 5, {}, "reeldrop/x", DEFAULTS)
    graph = Graph(flow, bound, frozenset(), False, task, settings.model_dump(exclude_none=True), {})
    return work_of(graph)


def codes(work: Work, policy: Policy = POLICY) -> set[str]:
    problems, findings = check_job(work, policy)
    for finding in findings:
        assert finding.term not in " ".join(problem.sentence() for problem in problems).split()
    return {problem.code for problem in problems}


def changed(work: Work, node: str, **inputs: Any) -> Work:
    """Return a job whose graph has other inputs at a node."""
    graph = {name: {**each, "inputs": dict(each["inputs"])} for name, each in work.graph.items()}
    graph.setdefault(node, {"class_type": inputs.pop("class_type", ""), "inputs": {}})["inputs"].update(inputs)
    return replace(work, graph=graph)


def test_the_adult_workflow_runs_where_the_operator_lets_it():
    assert codes(job()) == set()
    assert is_adult(job(), POLICY)
    assert not is_adult(job(BASIC), POLICY)


def test_it_is_the_file_that_comes_with_us_and_begins_with_the_guard_words():
    assert ADULT.graph_hash == GRAPH_HASH
    assert ADULT.graph["6"]["inputs"]["text"].startswith(f"{GUARD}, ")
    assert ADULT.task == "adult"
    assert not ADULT.roles
    assert not {"sliders", "switches"} & ADULT.fields


def test_it_does_not_run_unless_it_is_enabled():
    assert codes(job(), replace(POLICY, enabled=False)) == {"adult_disabled"}
    assert not is_adult(job(), replace(POLICY, enabled=False))


@pytest.mark.parametrize(
    "task", ["text-to-video", "image-to-video", "Adult", "adult/../adult", "adult ", "text_to_video_nsfw"]
)
def test_it_runs_in_its_own_folder_alone(task: str):
    assert "adult_workflow" in codes(job(task=task))
    assert not is_adult(job(task=task), POLICY)


def test_no_other_workflow_runs_in_its_folder():
    assert "adult_workflow" in codes(job(BASIC, task="adult"))
    assert not is_adult(job(BASIC, task="adult"), POLICY)


@pytest.mark.parametrize("cfg", [0, 1, 2.99, -7, True, None, float("nan"), ["5", 0], "7"])
def test_a_weak_guidance_is_refused(cfg: Any):
    assert "adult_refused" in codes(changed(job(), "12", cfg=cfg))


def test_a_job_can_not_even_ask_for_a_weak_guidance():
    with pytest.raises(Rejected, match="at least 3"):
        job(cfg=1)


def test_what_a_job_does_not_want_stands_behind_the_guard_words():
    work = job(negative_prompt="blurry")
    assert work.graph["6"]["inputs"]["text"] == f"{GUARD}, blurry"
    assert codes(work) == set()
    again = job(negative_prompt=work.graph["6"]["inputs"]["text"])
    assert again.graph == work.graph


@pytest.mark.parametrize(
    "text", ["", "blurry", f"blurry, {GUARD}", GUARD[1:], GUARD.upper(), f"({GUARD}:0.01)", f" {GUARD}", f"{GUARD}x"]
)
def test_the_guard_words_can_not_be_taken_out(text: str):
    assert "adult_refused" in codes(changed(job(), "6", text=text))


@pytest.mark.parametrize(
    ("node", "inputs"),
    [
        ("12", {"denoise": 0.5}),
        ("12", {"negative": ["5", 0]}),
        ("12", {"positive": ["6", 0]}),
        ("12", {"positive": ["6", 0], "negative": ["5", 0]}),
        ("12", {"latent_image": ["99", 0]}),
        ("12", {"unheard": 1}),
        ("13", {"vae": ["1", 2]}),
        ("5", {"clip": ["77", 0]}),
        ("5", {"text": ["77", 0]}),
        ("10", {"model": ["77", 0]}),
        ("7", {"model_name": "other.ckpt"}),
        ("77", {"class_type": "LoadImage", "image": "x.png"}),
        ("77", {"class_type": "CLIPTextEncode", "text": "a cup", "clip": ["1", 1]}),
        ("77", {"class_type": "ReActorFaceSwap"}),
    ],
)
def test_a_graph_that_differs_anywhere_else_is_refused(node: str, inputs: dict[str, Any]):
    work = changed(job(), node, **inputs)
    assert codes(work)
    assert not is_adult(work, POLICY)


def test_a_graph_that_lacks_a_node_is_refused():
    work = job()
    for node in work.graph:
        less = replace(work, graph={name: each for name, each in work.graph.items() if name != node})
        assert codes(less), node


def test_a_checkpoint_other_than_the_operators_is_refused():
    for name in ("other.safetensors", f"x/{CHECKPOINT}", CHECKPOINT.upper(), "realisticVision_v51.safetensors"):
        assert "adult_refused" in codes(job(checkpoint=name))
    assert codes(job(checkpoint=CHECKPOINT)) == set()


@pytest.mark.parametrize("field", ["sliders", "switches"])
def test_sliders_and_switches_are_refused(field: str):
    value = {"age": -0.5} if field == "sliders" else {"restore": True}
    assert "adult_refused" in codes(replace(job(), settings={**job().settings, field: value}))


def test_media_are_refused():
    assert "adult_refused" in codes(replace(job(), references=("reeldrop/x/image.png [temp]",)))


def with_loras(*names: str, kind: str = "LoraLoaderModelOnly") -> Work:
    """Return a job whose model goes through these LoRAs."""
    work, source = job(), ["1", 0]
    for number, name in enumerate(names):
        more = {"clip": ["1", 1], "strength_clip": 1.0} if kind == "LoraLoader" else {}
        work = changed(work, f"lora{number}", class_type=kind, lora_name=name, model=source, strength_model=0.8, **more)
        source = [f"lora{number}", 0]
    return changed(work, "10", model=source)


def test_loras_that_the_operator_listed_may_be_used():
    for kind in ("LoraLoaderModelOnly", "LoraLoader"):
        assert codes(with_loras("film_grain.safetensors", kind=kind)) == set()
        assert codes(with_loras("film_grain.safetensors", "x\\FILM_grain.safetensors", kind=kind)) == set()


def test_a_job_names_them_as_it_does_elsewhere():
    assert codes(job(loras=({"name": "film_grain.safetensors", "weight": 0.7},))) == set()
    assert codes(job(loras=({"name": "other.safetensors", "weight": 0.7},))) == {"adult_refused"}
    assert codes(job(loras=({"name": "age_slider.safetensors", "weight": -1},))) == {"adult_refused"}


@pytest.mark.parametrize(
    "name", ["other.safetensors", "film_grain2.safetensors", "age_slider.safetensors", "schoolgirl.safetensors", ""]
)
def test_other_loras_are_refused(name: str):
    assert "adult_refused" in codes(with_loras(name))
    assert "adult_refused" in codes(with_loras("film_grain.safetensors", name))


def test_a_lora_that_moves_age_or_is_called_after_minors_is_refused_though_it_is_listed():
    listed = replace(POLICY, loras=frozenset(map(key_of, ["age_slider", "schoolgirl", "younger-v2"])))
    assert "adult_refused" in codes(with_loras("age_slider.safetensors"), listed)
    assert "adult_refused" in codes(with_loras("younger-v2.safetensors"), listed)
    assert "possible_minor" in codes(with_loras("schoolgirl.safetensors"), listed)


def test_loras_that_lead_in_a_circle_are_refused():
    work = with_loras("film_grain.safetensors")
    assert codes(changed(work, "lora0", model=["lora0", 0]))


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_its_prompts_are_judged_by_the_adult_rules(field: str):
    text = "a schoolgirl" if field == "prompt" else "adult, mature"
    work = job(**{field: text})
    problems, findings = check_job(work, POLICY)
    assert [(problem.code, problem.field) for problem in problems] == [("possible_minor", field)]
    assert findings


def test_what_its_result_is_called_is_judged_too():
    assert codes(replace(job(), names={"output.name": "schoolgirl"})) == {"possible_minor"}
    assert codes(replace(job(), names={"output.name": "beach"})) == set()


# the adult model elsewhere -------------------------------------------------------------------------------------------

SPELLINGS = [
    CHECKPOINT, CHECKPOINT.upper(), CHECKPOINT.lower(), f"sdxl/{CHECKPOINT}", f"SDXL\\{CHECKPOINT}", f" {CHECKPOINT} ",
    "ponyDiffusionV6XL.ckpt", "ponyDiffusionV6XL", "рonyDiffusionV6XL.safetensors",
    "ponyDiffusion\u200bV6XL.safetensors",
    "ｐｏｎｙDiffusionV6XL.safetensors", "pónyDiffusionV6XL.safetensors", f"./{CHECKPOINT}", f"a/../{CHECKPOINT}",
    "marked.safetensors", "loras/MARKED.pt",
]  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_other_workflow_may_name_the_adult_model_by_any_spelling(name: str):
    assert "adult_model" in codes(changed(job(BASIC), "1", ckpt_name=name))


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("LoraLoader", {"lora_name": "marked.safetensors"}),
        ("LoraLoaderModelOnly", {"lora_name": "a\\Marked.safetensors"}),
        ("UNETLoader", {"unet_name": CHECKPOINT}),
        ("TheirLoader", {"which": CHECKPOINT}),
        ("TheirLoader", {"which": "ponydiffusionv6xl"}),
        ("TheirLoraStack", {"lora_1": {"on": True, "lora": "marked.safetensors"}}),
        ("TheirLoraStack", {"loras": ["a.safetensors", "marked.safetensors"]}),
        ("CLIPTextEncode", {"text": "a cup <lora:marked:1>"}),
        ("CLIPTextEncode", {"text": "a cup, embedding:marked"}),
    ],
)
def test_no_loader_of_anybodys_graph_may_name_it(kind: str, inputs: dict[str, Any]):
    assert "adult_model" in codes(changed(job(BASIC), "77", class_type=kind, **inputs))


def test_it_is_refused_elsewhere_also_where_adult_content_is_switched_off():
    assert "adult_model" in codes(changed(job(BASIC), "1", ckpt_name=CHECKPOINT), replace(POLICY, enabled=False))


def test_a_file_called_after_nudity_is_refused_elsewhere():
    assert codes(changed(job(BASIC), "1", ckpt_name="NudeMix_v3.safetensors")) == {"sexual_content"}
    assert codes(changed(job(BASIC), "1", ckpt_name="realisticVision_v51.safetensors")) == set()


# other people's graphs -----------------------------------------------------------------------------------------------


def test_a_prompt_that_stands_in_the_graph_is_judged_like_a_jobs_own():
    problems, _ = check_job(changed(job(BASIC), "5", text="a nude woman"), POLICY)
    assert [(problem.code, problem.field) for problem in problems] == [("sexual_content", "prompt")]
    problems, _ = check_job(changed(job(BASIC), "77", class_type="CLIPTextEncode", text="a nude woman"), POLICY)
    assert problems[0].field == "the workflow's node 77 (CLIPTextEncode)"


def test_what_a_sampler_takes_as_positive_is_wanted_whatever_the_manifest_calls_it():
    work = changed(job(BASIC, negative_prompt="nude woman"), "12", positive=["6", 0], negative=["5", 0])
    assert codes(work) == {"sexual_content"}


@pytest.mark.parametrize("cfg", [0, 0.5, -1, ["5", 0]])
def test_where_guidance_is_turned_round_the_unwanted_is_wanted(cfg: Any):
    assert codes(changed(job(BASIC, negative_prompt="nude woman"), "12", cfg=cfg)) == {"sexual_content"}
    assert codes(job(BASIC, negative_prompt="nude woman", cfg=1)) == set()


def test_negative_and_positive_that_cross_in_a_node_between_are_followed():
    work = changed(job(BASIC, negative_prompt="nude woman"), "77", class_type="ControlNetApplyAdvanced",
                   positive=["6", 0], negative=["5", 0])  # fmt: skip
    straight = changed(work, "77", positive=["5", 0], negative=["6", 0])
    assert codes(changed(work, "12", positive=["77", 0], negative=["77", 1])) == {"sexual_content"}
    assert codes(changed(straight, "12", positive=["77", 0], negative=["77", 1])) == set()
    assert codes(changed(straight, "12", positive=["77", 1], negative=["77", 0])) == {"sexual_content"}


def test_a_text_that_nodes_put_together_is_read_whole():
    work = changed(job(BASIC), "a", class_type="PrimitiveString", value="a nak")
    work = changed(work, "b", class_type="PrimitiveString", value="ed woman")
    work = changed(work, "c", class_type="StringConcatenate", string_a=["a", 0], string_b=["b", 0])
    assert "sexual_content" in codes(changed(work, "5", text=["c", 0]))


def test_texts_of_classes_that_nobody_knows_are_prompts():
    work = changed(job(BASIC), "77", class_type="TheirPromptBox", anything={"deep": ["a", "nude woman"]})
    assert codes(work) == {"sexual_content"}


# files that pose as the adult workflow -------------------------------------------------------------------------------


def test_another_graph_under_its_name_is_refused():
    graph = json.loads((WORKFLOWS / f"{ADULT_WORKFLOW}.json").read_text())
    graph["6"]["inputs"]["text"] = "blurry"
    manifest = (WORKFLOWS / f"{ADULT_WORKFLOW}.yaml").read_bytes()
    with pytest.raises(Rejected, match="isn't the one that comes with Reeldrop"):
        workflow.parse(ADULT_WORKFLOW, json.dumps(graph).encode(), manifest)


def test_another_workflow_can_not_take_its_folder():
    graph = (WORKFLOWS / f"{ADULT_WORKFLOW}.json").read_bytes()
    manifest = (WORKFLOWS / f"{ADULT_WORKFLOW}.yaml").read_bytes()
    for name, text in (
        ("mine", manifest),
        ("adult", manifest.replace(b"task: adult\n", b"")),
        (ADULT_WORKFLOW, manifest.replace(b"task: adult", b"task: mine")),
    ):
        with pytest.raises(Rejected, match="nothing else runs there"):
            workflow.parse(name, graph, text)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (b'negative_prompt: {type: text, to: {node: "6"', b'negative_prompt: {type: text, to: {node: "5"'),
        (b"minimum: 3, maximum: 30", b"minimum: 0, maximum: 30"),
        (b'default: normal, to: {node: "12", input: scheduler}', b'to: {node: "7", input: model_name}'),
    ],
)  # fmt: skip
def test_a_manifest_that_lies_opens_nothing(ours: bytes, theirs: bytes):
    manifest = (WORKFLOWS / f"{ADULT_WORKFLOW}.yaml").read_bytes()
    assert ours in manifest
    lying = workflow.parse(
        ADULT_WORKFLOW, (WORKFLOWS / f"{ADULT_WORKFLOW}.json").read_bytes(), manifest.replace(ours, theirs)
    )
    fields = {"cfg": 1} if b"minimum" in ours else {"negative_prompt": "blurry", "scheduler": "other.ckpt"}
    assert codes(job(lying, **fields))

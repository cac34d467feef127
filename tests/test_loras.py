"""LoRAs and sliders: which nodes a job's get, with what strength, where, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import config, library
from service.errors import Rejected
from service.families import ModelFacts
from service.job_fields import JobSettings
from service.loras import Lora, chain, strength
from service.manifest_loras import LoraPlace, SliderFile
from service.model_headers import MAX_HEADER_BYTES, ModelHeaders, facts_in
from service.workflow import Bound, Workflow, bind, check, parse

ROOT = Path(__file__).resolve().parents[1]
CONFIG = config.parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT)
LIBRARY = library.load(CONFIG)
TEXT = LIBRARY.workflows["text_to_video_basic"]
PLACE = LoraPlace.model_validate({"model": {"node": "1"}, "clip": {"node": "1", "output": 1}})
MODEL_PLACE = LoraPlace.model_validate({"model": {"node": "1"}})
GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["1", 1]}},
    "3": {"class_type": "Evolved", "inputs": {"model": ["1", 0]}},
    "4": {"class_type": "Other", "inputs": {"model": ["1", 0], "vae": ["1", 2], "latent": ["3", 0]}},
}


def bound(flow: Workflow = TEXT, defaults: dict | None = None, facts: dict | None = None, **fields) -> Bound:
    settings = JobSettings.model_validate({"prompt": "a harbour", **fields})
    known = {**CONFIG.workflow_defaults(), **(defaults or {})}
    return bind(flow, settings, 1, {}, "p", known, None, lambda folder, name: (facts or {}).get(name, ModelFacts()))


def refused(*args, **fields):
    with pytest.raises(Rejected) as caught:
        bound(*args, **fields)
    return caught.value.problems


def loras_in(graph: dict) -> list[tuple[str, str, float]]:
    return [
        (node["class_type"], node["inputs"]["lora_name"], node["inputs"]["strength_model"])
        for node in graph.values()
        if node["class_type"].startswith("LoraLoader")
    ]


# the chain -----------------------------------------------------------------------------------------------------------


def test_everything_that_took_the_model_takes_it_by_way_of_the_chain():
    made = chain(GRAPH, PLACE, [Lora("a", 0.5), Lora("b", 1.0, clip=True)])
    assert made["lora-1"] == {
        "class_type": "LoraLoaderModelOnly",
        "inputs": {"model": ["1", 0], "lora_name": "a", "strength_model": 0.5},
        "_meta": {"title": "LoRA: a"},
    }
    assert made["lora-2"]["class_type"] == "LoraLoader"
    assert made["lora-2"]["inputs"] == {
        "model": ["lora-1", 0], "lora_name": "b", "strength_model": 1.0, "clip": ["1", 1], "strength_clip": 1.0,
    }  # fmt: skip
    assert made["3"]["inputs"] == {"model": ["lora-2", 0]}
    assert made["4"]["inputs"] == {"model": ["lora-2", 0], "vae": ["1", 2], "latent": ["3", 0]}
    assert made["2"]["inputs"]["clip"] == ["lora-2", 1]


def test_without_a_place_for_the_text_encoder_the_model_alone_is_changed():
    made = chain(GRAPH, MODEL_PLACE, [Lora("b", 1.0, clip=True)])
    assert made["lora-1"]["class_type"] == "LoraLoaderModelOnly"
    assert made["2"]["inputs"]["clip"] == ["1", 1]


def test_a_name_that_a_graph_has_already_is_not_taken():
    made = chain({**GRAPH, "lora-1": GRAPH["2"]}, PLACE, [Lora("a", 1.0)])
    assert made["lora-1"]["class_type"] == "CLIPTextEncode"
    assert made["3"]["inputs"]["model"] == ["lora-1-2", 0]


LORAS = st.lists(
    st.builds(
        Lora, st.sampled_from(["a", "b", "c"]), st.sampled_from([0.0, -0.0, 0.5, -3.0]), st.booleans(), st.just("")
    ),
    max_size=5,
)


@given(LORAS, st.sampled_from([PLACE, MODEL_PLACE]))
def test_a_chain_has_a_node_for_each_lora_with_strength_in_order_and_loses_nothing(loras, place):
    before = json.dumps(GRAPH)
    made = chain(GRAPH, place, loras)
    assert json.dumps(GRAPH) == before
    strong = [lora for lora in loras if lora.weight]
    assert set(made) - set(GRAPH) == {f"lora-{number}" for number in range(1, len(strong) + 1)}
    # Walked from the sampler back to the checkpoint, every one is met once, the last first.
    met = []
    link = made["3"]["inputs"]["model"]
    while link != ["1", 0]:
        node = made[link[0]]
        assert link[1] == 0
        met.append((node["inputs"]["lora_name"], node["inputs"]["strength_model"]))
        link = node["inputs"]["model"]
    assert met[::-1] == [(lora.file, lora.weight) for lora in strong]
    met = []
    link = made["2"]["inputs"]["clip"]
    while link != ["1", 1]:
        assert made[link[0]]["class_type"] == "LoraLoader"
        assert link[1] == 1
        met.append(made[link[0]]["inputs"]["lora_name"])
        link = made[link[0]]["inputs"]["clip"]
    assert met[::-1] == [lora.file for lora in strong if lora.clip and place.clip is not None]


@given(st.floats(-1, 1), st.floats(-10, 0), st.floats(0, 10), st.sampled_from([1, -1]))
def test_a_sliders_strength_stays_within_its_files_range_and_is_nothing_at_zero(value, low, high, sign):
    slider = SliderFile(file="x", minimum=low, maximum=high, sign=sign)
    assert low - 1e-4 <= strength(slider, value) <= high + 1e-4
    assert str(strength(slider, 0.0)) == "0.0"
    assert strength(slider, float(sign)) == pytest.approx(high, abs=1e-4)
    assert strength(slider, float(-sign)) == pytest.approx(low, abs=1e-4)


# in the shipped workflow ---------------------------------------------------------------------------------------------


def test_a_job_without_loras_and_sliders_has_no_node_for_them():
    for fields in ({}, {"sliders": {"age": 0.0, "body": 0}}, {"loras": ({"name": "a", "weight": 0},)}):
        assert loras_in(bound(**fields).graph) == []
    assert bound().settings["sliders"] == {"age": 0.0, "body": 0.0}
    assert "loras" not in bound().settings


def test_sliders_and_loras_are_chained_before_animatediff_and_told_in_the_status():
    made = bound(sliders={"age": 0.5, "body": -1.0}, loras=({"name": "film.safetensors", "weight": 0.7},))
    assert loras_in(made.graph) == [
        ("LoraLoaderModelOnly", "age_slider.safetensors", 1.5),
        ("LoraLoaderModelOnly", "body_slider.safetensors", -3.0),
        ("LoraLoaderModelOnly", "film.safetensors", 0.7),
    ]
    assert made.graph["10"]["class_type"] == "ADE_UseEvolvedSampling"
    assert made.graph["10"]["inputs"]["model"] == ["lora-1", 0]
    assert made.settings["sliders"] == {"age": 0.5, "body": -1.0}
    assert made.settings["loras"] == [{"name": "film.safetensors", "weight": 0.7}]


def test_a_lora_with_text_encoder_keys_changes_the_text_too():
    made = bound(loras=({"name": "style"},), facts={"style": ModelFacts("sd15", clip=True)})
    assert loras_in(made.graph) == [("LoraLoader", "style", 1.0)]
    assert made.graph["5"]["inputs"]["clip"] == ["lora-1", 1]


def test_the_configurations_sliders_take_effect():
    young = {"age_slider_default": 0.2, "age_slider_range": (0.0, 0.5), "body_slider_range": (-0.1, 0.1)}
    assert bound(defaults=young).settings["sliders"] == {"age": 0.2, "body": 0.0}
    problems = refused(defaults=young, sliders={"age": -0.2, "body": 0.3})
    assert [(problem.code, problem.field) for problem in problems] == [
        ("out_of_range", "sliders.age"), ("out_of_range", "sliders.body"),
    ]  # fmt: skip
    assert "age_slider_range" in problems[0].fix
    assert bound(defaults=young, sliders={"age": 0.5}).settings["sliders"]["age"] == 0.5


def test_a_sliders_own_file_is_no_lora_like_others():
    (problem,) = refused(loras=({"name": "AGE_slider.safetensors", "weight": -3},))
    assert (problem.code, problem.field) == ("bad_value", "loras")


def test_what_a_workflow_lacks_is_named_with_the_part():
    flow = parse(
        "flow",
        json.dumps(TEXT.graph).encode(),
        b"schema: 1\ntitle: T\nloras: {model: {node: '1'}}\nsliders: {age: {file: x}}\noutput: {node: '14'}\n",
    )
    assert "sliders.body" not in flow.fields
    settings = JobSettings.model_validate({"sliders": {"body": 1}})
    (problem,) = check(flow, settings)
    assert (problem.code, problem.field) == ("field_not_taken", "sliders.body")
    assert "age" in problem.fix


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("loras: {model: {node: '99'}}", "no node 99"),
        ("loras: {model: {node: '1', output: 7}}", "Nothing of the graph takes output 7"),
        ("sliders: {age: {file: x}}", "need a place"),
        ("loras: {model: {node: '1'}}\nsliders: {age: {file: x, sign: 2}}", "sign"),
        ("loras: {model: {node: '1'}}\nsliders: {age: {file: x, minimum: 1}}", "minimum"),
    ],
)
def test_a_manifest_whose_loras_have_no_place_is_refused(keys, said):
    with pytest.raises(Rejected, match=said):
        parse(
            "flow", json.dumps(TEXT.graph).encode(), f"schema: 1\ntitle: T\n{keys}\noutput: {{node: '14'}}\n".encode()
        )


# families ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"checkpoint": "pony"}, "checkpoint"),
        ({"loras": ({"name": "pony"},)}, "loras"),
    ],
)
def test_a_model_of_another_family_is_refused_before_anything_is_rendered(fields, field):
    (problem,) = refused(facts={"pony": ModelFacts("sdxl")}, **fields)
    assert (problem.code, problem.field) == ("family_mismatch", field)
    assert "sdxl" in problem.title
    assert "sd15" in problem.title


def test_a_model_of_which_nothing_is_known_passes():
    assert bound(checkpoint="unknown", loras=({"name": "unknown"},)).graph["1"]["inputs"]["ckpt_name"] == "unknown"


def test_a_slider_of_another_family_is_refused_only_where_it_is_used():
    facts = {"age_slider.safetensors": ModelFacts("sdxl")}
    assert bound(facts=facts).graph
    (problem,) = refused(facts=facts, sliders={"age": 0.1})
    assert (problem.code, problem.field) == ("family_mismatch", "sliders.age")


def test_the_list_of_models_says_what_they_are_for():
    assert LIBRARY.facts_of("checkpoints", "svd_xt.safetensors").family == "svd"
    assert LIBRARY.facts_of("checkpoints", "video\\svd_xt.safetensors").family == "svd"
    assert LIBRARY.facts_of("checkpoints", "nobody's.safetensors") == ModelFacts()


# headers -------------------------------------------------------------------------------------------------------------


def header(*keys: str, width: int = 768) -> dict:
    return {key: {"dtype": "F16", "shape": [4, width], "data_offsets": [0, 8]} for key in keys}


DOWN = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"


@pytest.mark.parametrize(
    ("found", "facts"),
    [
        (header(DOWN), ModelFacts("sd15", clip=False)),
        (header(DOWN, "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight"), ModelFacts("sd15", clip=True)),
        (header(DOWN, "lora_te1_x.alpha", width=2048), ModelFacts("sdxl", clip=True)),
        (header("unet.down_blocks.0.attn2.to_k.lora_A.weight", width=2048), ModelFacts("sdxl", clip=False)),
        (
            header("model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"),
            ModelFacts("sd15", clip=False),
        ),
        (header(DOWN, width=1024), ModelFacts(None, clip=False)),
        ({"__metadata__": {"format": "pt"}}, ModelFacts()),
        ({DOWN: {"shape": "wide"}, "a": 3}, ModelFacts(None, clip=False)),
    ],
)
def test_a_header_tells_family_and_text_encoder(found, facts):
    assert facts_in(found) == facts


def safetensors(path: Path, content: object, length: int | None = None) -> None:
    data = json.dumps(content).encode() if not isinstance(content, bytes) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((len(data) if length is None else length).to_bytes(8, "little") + data + bytes(64))


def test_headers_are_read_from_the_models_folder_and_again_when_a_file_changes(tmp_path):
    safetensors(tmp_path / "loras/film/grain.safetensors", header(DOWN))
    headers = ModelHeaders(tmp_path)
    assert headers.facts_of("loras", "film\\grain.safetensors").family == "sd15"
    safetensors(tmp_path / "loras/film/grain.safetensors", header(DOWN, "x", width=2048))
    assert headers.facts_of("loras", "film/grain.safetensors").family == "sdxl"


@pytest.mark.parametrize("content", [b"[" * 100_000, b"not json", b"[]", b"", b"{}"])
def test_a_header_that_is_none_tells_nothing(tmp_path, content):
    safetensors(tmp_path / "loras/x.safetensors", content)
    assert ModelHeaders(tmp_path).facts_of("loras", "x.safetensors") == ModelFacts()


def test_no_more_than_a_header_is_read_and_nothing_outside_the_folder(tmp_path):
    models = tmp_path / "models"
    safetensors(models / "loras/huge.safetensors", header(DOWN), MAX_HEADER_BYTES + 1)
    safetensors(models / "loras/short.safetensors", b"", 10**15)
    safetensors(tmp_path / "loras/x.safetensors", header(DOWN))
    safetensors(models / "loras/x.ckpt", header(DOWN))
    (models / "loras/folder.safetensors").mkdir()
    headers = ModelHeaders(models)
    names = [
        "huge.safetensors",
        "short.safetensors",
        "../../loras/x.safetensors",
        str(tmp_path / "loras/x.safetensors"),
    ]
    for name in [*names, "x.ckpt", "folder.safetensors", "gone.safetensors", "a\0.safetensors", ""]:
        assert headers.facts_of("loras", name) == ModelFacts(), name

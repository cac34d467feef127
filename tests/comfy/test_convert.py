"""From UI format to API format: what a drawing means, whatever was done to it; and what can't be told is refused."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.comfy.canvas_texts import settled
from service.comfy.convert import convert
from service.errors import Rejected
from tests.comfy.drawing import INFO, Drawing, Grower, expected


def plain(graph: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in graph.items()}


@given(st.integers(0, 2**32), st.integers(0, 9))
@example(1, 0)
def test_a_drawn_graph_is_the_same_graph_whatever_was_done_to_its_drawing(seed: int, changes: int):
    dice = random.Random(seed)
    graph = Grower(dice).grow()
    drawing = Drawing(graph, dice)
    for _ in range(changes):
        drawing.change()
    converted = convert(drawing.file(), INFO)
    assert plain(converted.graph) == expected(graph, drawing.renamed)
    assert converted.notes == ()


# rules, one by one -------------------------------------------------------------------------------------------------


def drawn(number: int, kind: str, values: Any = (), *, mode: int = 0, title: str = "", gives: str = "",
          **links: tuple[str, int | None]) -> dict[str, Any]:  # fmt: skip
    """A node; each link is a type and a link's number, a setting's begins with =."""
    inputs = [
        {"name": name.replace("__", "."), "type": each[0].lstrip("="), "link": each[1],
         **({"widget": {"name": name}} if each[0].startswith("=") else {})}
        for name, each in links.items()
    ]  # fmt: skip
    outputs = [{"name": each, "type": each, "links": []} for each in gives.split()]
    return {
        "id": number, "type": kind, "mode": mode, "inputs": inputs, "outputs": outputs, "title": title,
        "widgets_values": list(values) if isinstance(values, tuple) else values,
    }  # fmt: skip


def file(*nodes: dict[str, Any], links: list[Any], **more: Any) -> dict[str, Any]:
    return {"version": 0.4, "nodes": list(nodes), "links": links, **more}


def empty(number: int = 1, **more: Any) -> dict[str, Any]:
    return drawn(number, "EmptyLatentImage", (64, 64, 1), gives="LATENT", **more)


VAE = drawn(8, "VAELoader", ("a.safetensors",), gives="VAE")
DECODE = drawn(2, "VAEDecode", samples=("LATENT", 1), vae=("VAE", 2), gives="IMAGE")
SAVE = drawn(3, "SaveImage", ("x",), title="The end", images=("IMAGE", 3))
LINKS = [[1, 1, 0, 2, 0, "LATENT"], [2, 8, 0, 2, 1, "VAE"], [3, 2, 0, 3, 0, "IMAGE"]]


def graph_of(workflow: dict[str, Any], info: dict[str, Any] = INFO) -> dict[str, Any]:
    return plain(convert(workflow, info).graph)


def refused(workflow: dict[str, Any], info: dict[str, Any] = INFO) -> str:
    with pytest.raises(Rejected) as caught:
        convert(workflow, info)
    assert {problem.code for problem in caught.value.problems} <= {"not_converted", "node_missing"}
    return " ".join(problem.sentence() for problem in caught.value.problems)


def test_a_plain_drawing_keeps_titles_and_values():
    converted = convert(file(empty(), DECODE, VAE, SAVE, links=LINKS), INFO).graph
    assert converted["1"]["inputs"] == {"width": 64, "height": 64, "batch_size": 1}
    assert converted["2"]["inputs"] == {"samples": ["1", 0], "vae": ["8", 0]}
    assert converted["3"]["_meta"] == {"title": "The end"}


def test_an_unknown_class_is_named_with_its_title_and_its_pack_unless_it_is_off():
    nodes = [empty(), DECODE, VAE, SAVE]
    strange = drawn(9, "ReActorFaceSwap", title="Swap here")
    assert "ReActorFaceSwap (node 9 ‘Swap here’ of the workflow)" in refused(file(*nodes, strange, links=LINKS), {
        key: value for key, value in INFO.items() if key != "ReActorFaceSwap"
    })  # fmt: skip
    for mode in (2, 4):
        assert "9" not in graph_of(file(*nodes, {**strange, "mode": mode}, links=LINKS), INFO)


@pytest.mark.parametrize("mode", [2, 4])
def test_what_a_muted_or_bypassed_node_cuts_off_is_named_where_it_is_needed(mode: int):
    said = refused(file(empty(mode=mode), DECODE, VAE, SAVE, links=LINKS))
    why = {2: "is muted", 4: "is bypassed and has nothing of that type to pass on"}[mode]
    assert f"Node 2 (VAEDecode) has nothing for its input samples: node 1 (EmptyLatentImage) {why}." in said


def test_a_bypassed_node_passes_on_the_first_input_of_the_type_and_no_other():
    lora = drawn(5, "LoraLoader", ("l", 1.0, 1.0), mode=4, gives="MODEL CLIP", model=("MODEL", 6), clip=("CLIP", 7))
    text = drawn(6, "CLIPTextEncode", ("a",), gives="CONDITIONING", clip=("CLIP", 8))
    check = drawn(4, "CheckpointLoaderSimple", ("a",), gives="MODEL CLIP VAE")
    links = [[6, 4, 0, 5, 0, "MODEL"], [7, 4, 1, 5, 1, "CLIP"], [8, 5, 1, 6, 0, "CLIP"]]
    assert graph_of(file(check, lora, text, links=links))["6"]["inputs"]["clip"] == ["4", 1]
    lora["inputs"].reverse()
    for link in links[:2]:
        link[4] = 1 - link[4]
    assert graph_of(file(check, lora, text, links=links))["6"]["inputs"]["clip"] == ["4", 1]


def test_a_seed_has_a_word_behind_it_and_a_list_of_values_may_be_shorter_than_its_class():
    sampler = drawn(5, "KSamplerAdvanced", ("enable", 7, "randomize", 20, 8.0, "euler", "normal", 0), gives="LATENT")
    inputs = graph_of(file(sampler, empty(), DECODE, VAE, SAVE, links=LINKS))["5"]["inputs"]
    assert (inputs["noise_seed"], inputs["steps"], inputs["scheduler"]) == (7, 20, "normal")
    assert (inputs["end_at_step"], inputs["return_with_leftover_noise"]) == (10000, "disable")


def test_values_by_name_keep_what_a_format_asks_for_and_drop_what_only_shows():
    values = {
        "frame_rate": 8, "loop_count": 0, "filename_prefix": "v", "format": "video/h264-mp4", "pix_fmt": "yuv420p",
        "crf": 19, "save_metadata": True, "trim_to_audio": False, "pingpong": False, "save_output": True,
        "videopreview": {"hidden": False, "paused": False, "params": {}},
    }  # fmt: skip
    combine = drawn(5, "VHS_VideoCombine", values, images=("IMAGE", 3))
    links = [*LINKS[:2], [3, 2, 0, 5, 0, "IMAGE"]]
    inputs = graph_of(file(empty(), DECODE, VAE, combine, links=links))["5"]["inputs"]
    assert inputs["crf"] == 19
    assert inputs["pix_fmt"] == "yuv420p"
    assert "videopreview" not in inputs
    values["whatever"] = 1
    assert "{'whatever': 1}" in refused(file(empty(), DECODE, VAE, combine, links=links))


def test_values_that_are_another_versions_are_refused_or_told():
    wrong = drawn(1, "EmptyLatentImage", ("wide", 64, 1), title="Size", gives="LATENT")
    said = refused(file(wrong, DECODE, VAE, SAVE, links=LINKS))
    assert "Node 1 ‘Size’ (EmptyLatentImage) has 'wide' where its setting width (INT) would stand" in said
    more = drawn(1, "EmptyLatentImage", (64, 64, 1, "sRGB"), gives="LATENT")
    (note,) = convert(file(more, DECODE, VAE, SAVE, links=LINKS), INFO).notes
    assert "'sRGB'" in note
    assert "Node 1" in note


def test_an_input_that_a_class_of_comfyuis_own_lacks_is_no_place_for_a_link():
    extra = drawn(2, "VAEDecode", samples=("LATENT", 1), vae=("VAE", 2), noise=("LATENT", 4), gives="IMAGE")
    links = [*LINKS, [4, 1, 0, 2, 2, "LATENT"]]
    assert "a link to its input noise, which the server's class doesn't have" in refused(
        file(empty(), extra, VAE, SAVE, links=links)
    )


SUB = "11111111-2222-4333-8444-555555555555"


def wrapped(instance: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A subgraph that holds the latent: width is promoted as an input."""
    inner = drawn(1, "EmptyLatentImage", (64, 48, 1), gives="LATENT", width=("=INT", 5))
    shown = drawn(4, "PreviewAny", source=("*", 7))
    definition = {
        "id": SUB, "nodes": [inner, shown], "inputs": [{"name": "width", "type": "INT"}],
        "outputs": [{"name": "LATENT", "type": "LATENT"}],
        "links": [
            {"id": 5, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0, "type": "INT"},
            {"id": 7, "origin_id": -10, "origin_slot": 0, "target_id": 4, "target_slot": 0, "type": "INT"},
            {"id": 6, "origin_id": 1, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "LATENT"},
        ],
    }  # fmt: skip
    links = [[1, 7, 0, 2, 0, "LATENT"], *LINKS[1:]]
    return file(instance, DECODE, VAE, SAVE, links=links, definitions={"subgraphs": [definition]}, **more)


PREVIEW = {"PreviewAny": {"input": {"required": {"source": ["*", {}]}}, "output": [], "output_node": True,
                          "python_module": "comfy_extras.nodes_preview_any"}}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "promotes", "width", "height"),
    [
        ((), None, 64, 48),
        ((320,), None, 320, 48),
        ((), [["-1", "width"]], 64, 48),
        ((320, 200), [["-1", "width"], ["1", "height"]], 320, 200),
        ((320,), [["-1", "width"], ["4", "$$canvas-image-preview"]], 320, 48),
    ],
)
def test_what_an_instance_promotes_wins_over_what_stands_inside(values, promotes, width: int, height: int):
    instance = drawn(7, SUB, values, gives="LATENT", width=("=INT", None))
    instance["properties"] = {"proxyWidgets": promotes} if promotes is not None else {}
    graph = graph_of(wrapped(instance), {**INFO, **PREVIEW})
    assert graph["7:1"]["inputs"] == {"width": width, "height": height, "batch_size": 1}
    assert graph["7:4"]["inputs"] == {"source": width}
    assert graph["2"]["inputs"]["samples"] == ["7:1", 0]


def test_values_that_do_not_fit_what_an_instance_promotes_are_refused():
    instance = drawn(7, SUB, (1, 2, 3), title="Inside", gives="LATENT", width=("=INT", None))
    assert "Node 7 ‘Inside’" in refused(wrapped(instance), {**INFO, **PREVIEW})


OUTER = "99999999-2222-4333-8444-555555555555"


def test_what_is_promoted_once_more_further_out_wins():
    inside = drawn(7, SUB, (320, 200), gives="LATENT", width=("=INT", None))
    inside["properties"] = {"proxyWidgets": [["-1", "width"], ["1", "height"]]}
    workflow = wrapped(drawn(6, OUTER, (640, 400), gives="LATENT"))
    workflow["nodes"][0]["properties"] = {"proxyWidgets": [["7", "width"], ["7", "height"]]}
    out = {"id": 1, "origin_id": 7, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "LATENT"}
    workflow["definitions"]["subgraphs"].append(
        {"id": OUTER, "nodes": [inside], "links": [out], "outputs": [{"name": "LATENT", "type": "LATENT"}]}
    )
    workflow["links"][0] = [1, 6, 0, 2, 0, "LATENT"]
    graph = graph_of(workflow, {**INFO, **PREVIEW})
    assert graph["6:7:1"]["inputs"] == {"width": 640, "height": 400, "batch_size": 1}
    assert graph["6:7:4"]["inputs"] == {"source": 640}


def test_a_subgraph_may_pass_on_what_it_takes_and_hear_a_wire_from_around_it():
    through = {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "LATENT"}
    heard = {"id": 2, "origin_id": 4, "origin_slot": 0, "target_id": -20, "target_slot": 1, "type": "VAE"}
    definition = {
        "id": SUB, "nodes": [drawn(4, "GetNode", ("the vae",), gives="VAE")], "links": [through, heard],
        "inputs": [{"name": "in", "type": "LATENT"}],
        "outputs": [{"name": "out", "type": "LATENT"}, {"name": "vae", "type": "VAE"}],
    }  # fmt: skip
    instance = drawn(7, SUB, gives="out vae", **{"in": ("LATENT", 4)})
    setter = drawn(9, "SetNode", ("the vae",), gives="VAE", VAE=("VAE", 5))
    links = [[1, 7, 0, 2, 0, "LATENT"], [2, 7, 1, 2, 1, "VAE"], LINKS[2], [4, 1, 0, 7, 0, "LATENT"],
             [5, 8, 0, 9, 0, "VAE"]]  # fmt: skip
    workflow = file(empty(), instance, setter, DECODE, VAE, SAVE, links=links, definitions={"subgraphs": [definition]})
    assert graph_of(workflow)["2"]["inputs"] == {"samples": ["1", 0], "vae": ["8", 0]}


def test_a_subgraph_inside_itself_or_missing_is_refused():
    workflow = wrapped(drawn(7, SUB, gives="LATENT"))
    workflow["definitions"]["subgraphs"][0]["nodes"].append(drawn(9, SUB, title="Again", gives="LATENT"))
    assert "contains itself" in refused(workflow, {**INFO, **PREVIEW})
    assert "is a subgraph that the file doesn't hold" in refused(
        file(drawn(7, SUB, gives="LATENT"), DECODE, VAE, SAVE, links=[[1, 7, 0, 2, 0, "LATENT"], *LINKS[1:]])
    )


def test_two_nodes_that_would_have_one_id_are_refused():
    workflow = wrapped(drawn(7, SUB, gives="LATENT", width=("=INT", None)))
    workflow["nodes"].append({**empty(), "id": "7:1"})
    assert "has the id of another node" in refused(workflow, {**INFO, **PREVIEW})


def test_a_bomb_of_subgraphs_is_refused():
    names = [f"{at:08d}-2222-4333-8444-555555555555" for at in range(40)]
    levels = [
        {"id": name, "nodes": [drawn(1, after), drawn(2, after)], "links": []}
        for name, after in itertools.pairwise(names)
    ]
    workflow = file(drawn(1, names[0]), links=[], definitions={"subgraphs": levels})
    assert "more than 10000 nodes" in refused(workflow)


def test_links_in_a_circle_are_refused():
    around = [drawn(4, "Reroute", gives="*", **{"": ("*", 9)}), drawn(5, "Reroute", gives="*", **{"": ("*", 8)})]
    links = [[1, 4, 0, 2, 0, "LATENT"], *LINKS[1:], [8, 4, 0, 5, 0, "*"], [9, 5, 0, 4, 0, "*"]]
    assert "hangs on a circle of links" in refused(file(*around, DECODE, VAE, SAVE, links=links))


def test_what_is_not_converted_is_refused_by_name():
    nodes = [empty(), DECODE, VAE, SAVE]
    assert "group node" in refused(file(*nodes, drawn(9, "workflow>mine", title="Old"), links=LINKS))
    assert "Anything Everywhere" in refused(file(*nodes, links=LINKS, extra={"ue_links": [{"downstream": 1}]}))
    assert "version 7" in refused({"version": 7, "nodes": [{"id": 1, "kind": "new"}], "links": []})
    assert "shape isn't understood" in refused({"version": 1, "nodes": [{"id": 1}], "links": []})
    assert "no node that would run" in refused(file(links=[]))
    assert plain(convert(file(*nodes, links=LINKS) | {"version": 7}, INFO).graph).keys() == {"1", "2", "3", "8"}


V3 = {
    "Resize": {
        "input": {"required": {
            "how": ["COMFY_DYNAMICCOMBO_V3", {"options": [
                {"key": "size", "inputs": {"required": {"width": ["INT", {"default": 5}], "crop": [["no", "yes"]]}}},
                {"key": "factor", "inputs": {"required": {"by": ["FLOAT", {}]}, "optional": {"like": ["IMAGE", {}]}}},
            ]}],
            "images": ["COMFY_AUTOGROW_V3", {"template": {
                "input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 1, "max": 3}}],
            "method": [["area", "cubic"], {}],
            "colours": ["COLORS", {"default": []}],
        }},
        "output": ["IMAGE"], "output_node": True, "python_module": "comfy_extras.nodes_resize",
    },
}  # fmt: skip


def test_a_dynamic_combo_brings_its_own_values_and_what_grows_has_names_with_dots():
    info = {**INFO, **V3}
    links = [*LINKS[:2], [3, 2, 0, 5, 0, "IMAGE"], [4, 2, 0, 5, 1, "IMAGE"]]

    def resized(*values: Any, **more: Any) -> dict[str, Any]:
        node = drawn(5, "Resize", values, gives="IMAGE", images__image0=("IMAGE", 3), **more)
        return dict(graph_of(file(empty(), DECODE, VAE, node, links=links), info)["5"]["inputs"])

    image = {"images.image0": ["2", 0]}
    assert resized("size", 9, "yes", "cubic") == {
        "how": "size", "how.width": 9, "how.crop": "yes", "method": "cubic", "colours": {"__value__": []}, **image,
    }  # fmt: skip
    assert resized("factor", 0.5, "area", ["#fff"], how__like=("IMAGE", 4)) == {
        "how": "factor", "how.by": 0.5, "method": "area", "colours": {"__value__": ["#fff"]}, "how.like": ["2", 0],
        **image,
    }  # fmt: skip
    assert resized("size")["how.width"] == 5
    alone = drawn(5, "Resize", ("size",), gives="IMAGE")
    assert "Node 5 (Resize) has nothing for its input images.image0" in refused(file(alone, links=[]), info)


def test_a_combo_whose_options_are_written_on_it_sends_them_with_the_index_of_its_choice():
    info = {"CustomCombo": {"input": {"required": {"choice": ["COMBO", {"options": []}]}}, "output": ["STRING", "INT"],
                            "python_module": "comfy_extras.nodes_logic"}}  # fmt: skip
    node = drawn(1, "CustomCombo", ("sound", 0, "music", "sound", ""), gives="STRING INT")
    assert graph_of(file(node, links=[]), info)["1"]["inputs"] == {
        "choice": "sound", "index": 1, "option1": "music", "option2": "sound",
    }  # fmt: skip


def test_what_only_a_browser_makes_is_refused():
    info = {"Load3D": {"input": {"required": {"image": ["LOAD_3D", {}]}}, "output": ["IMAGE"], "python_module": "x"}}
    assert "only ComfyUI's page in a browser can make" in refused(file(drawn(1, "Load3D", ("",)), links=[]), info)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("a fox", "a fox"), ("{dawn|dusk} light", "dawn light"), ("{a {b|c}|d}!", "a b!"), ("a // no\nb", "a \nb"),
        ("/* no */yes", "yes"), (r"\{kept\|too\}", "{kept|too}"), ("{only}", "only"), ("a | b }", "a | b }"),
        ("{open|end", "open"), ("{|x}", ""), ("{" * 3000 + "x", "x"),
    ],
)  # fmt: skip
def test_alternatives_are_settled_as_comfyuis_page_does_but_on_the_first(text: str, sent: str):
    assert settled(text) == sent


def test_a_settled_prompt_is_told():
    text = drawn(6, "CLIPTextEncode", ("{dawn|dusk}",), title="Positive", gives="CONDITIONING", clip=("CLIP", 8))
    check = drawn(4, "CheckpointLoaderSimple", ("a",), gives="MODEL CLIP VAE")
    converted = convert(file(check, text, links=[[8, 4, 1, 6, 0, "CLIP"]]), INFO)
    assert converted.graph["6"]["inputs"]["text"] == "dawn"
    (note,) = converted.notes
    assert note.startswith("Node 6 ‘Positive’ (CLIPTextEncode): of the alternatives in text the first is taken")


KEYS = [
    "id", "type", "inputs", "outputs", "mode", "nodes", "links", "name", "link", "widget", "widgets_values",
    "definitions", "subgraphs", "properties", "proxyWidgets", "extra",
]  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(anything)
def test_whatever_lies_in_a_file_is_converted_or_refused(content: Any):
    sound = file(empty(), DECODE, VAE, SAVE, links=LINKS)
    node = {**empty(), "inputs": content, "properties": content, "widgets_values": content}
    instance = drawn(7, SUB, (1,), gives="LATENT", width=("=INT", None)) | {"properties": {"proxyWidgets": content}}
    for workflow in (
        {"nodes": content, "links": []}, sound | {"definitions": content}, file(node, links=LINKS), wrapped(instance),
        wrapped({**instance, "widgets_values": content, "properties": content}),
    ):  # fmt: skip
        with suppress(Rejected):
            convert(workflow, INFO)

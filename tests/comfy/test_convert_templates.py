"""The converter on ComfyUI's own templates whose classes 0.3.64 has: nothing is lost, and only files are missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import pytest

from service.comfy import preflight
from service.comfy.convert import convert
from tests.comfy.recorded import load

pytest.importorskip(
    "comfyui_workflow_templates_json", reason="ComfyUI's templates aren't installed: pip install -e '.[dev]'"
)

INFO = load("0.3.64", "object_info_templates.json")
#: Classes of the editor alone, and those that stand for links.
NOTES = {"Note", "MarkdownNote"}
WIRES = {"Reroute", "PrimitiveNode", "GetNode", "SetNode"}
#: Their options came after 0.3.64: the server itself says `value_not_in_list`, as for a file that it lacks.
NEWER_OPTIONS = {
    "image-qwen_image_edit_2511_lora_inflation": "reference_latents_method",
    "image_kandinsky5_t2i": "type",
    "image_newbieimage_exp0_1-t2i": "type",
    "image_ovis_text_to_image": "type",
}


def subgraphs_of(template: Mapping[str, Any]) -> dict[str, Any]:
    return {each["id"]: each for each in (template.get("definitions") or {}).get("subgraphs", [])}


def fits(template: Any) -> bool:
    """Whether all of a template's classes were recorded."""
    if not isinstance(template, dict) or "nodes" not in template:
        return False
    inner = subgraphs_of(template)
    nodes = [*template["nodes"], *(node for each in inner.values() for node in each["nodes"])]
    return {node["type"] for node in nodes} <= INFO.keys() | inner.keys() | NOTES | WIRES


def found() -> dict[str, dict[str, Any]]:
    folder = resources.files("comfyui_workflow_templates_json") / "templates"
    texts = {
        file.name.removesuffix(".json"): file.read_bytes() for file in folder.iterdir() if file.name.endswith("json")
    }
    read = {name: json.loads(text) for name, text in sorted(texts.items())}
    return {name: each for name, each in read.items() if fits(each)}


TEMPLATES = found()


def running(template: Mapping[str, Any], canvas: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each node that would run, by its id in the graph, with the canvas on which it lies."""
    inner = subgraphs_of(template)
    for node in canvas["nodes"]:
        if node.get("mode", 0) in (2, 4) or node["type"] in NOTES | WIRES:
            continue
        if node["type"] in inner:
            yield from running(template, inner[node["type"]], f"{prefix}{node['id']}:")
        else:
            yield f"{prefix}{node['id']}", node, canvas


def plain_links(template: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield each link between two nodes of one canvas that run: node, input, and what must stand there."""
    at = {key: node for key, node, _ in running(template, template)}
    for key, node, canvas in running(template, template):
        prefix = key.rpartition(":")[0] + ":" if ":" in key else ""
        links = {}
        for link in canvas["links"]:
            parts = list(link.values()) if isinstance(link, dict) else link
            links[parts[0]] = (f"{prefix}{parts[1]}", parts[2])
        for slot in node.get("inputs") or []:
            origin = links.get(slot.get("link"))
            if origin is not None and origin[0] in at:
                yield key, slot["name"], list(origin)


def test_there_are_as_many_templates_as_there_were():
    assert len(TEMPLATES) >= 82


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_loses_no_node_and_no_link_and_lacks_only_files(name: str):
    template = TEMPLATES[name]
    graph = convert(template, INFO).graph
    assert {key: node["class_type"] for key, node in graph.items()} == {
        key: node["type"] for key, node, _ in running(template, template)
    }
    for key, slot, link in plain_links(template):
        assert graph[key]["inputs"][slot] == link, (key, slot)
    problems = [problem for problem in preflight.check(graph, INFO) if problem.code != "model_missing"]
    if name in NEWER_OPTIONS:
        assert problems
        assert {str(problem.field).partition(".")[2] for problem in problems} == {NEWER_OPTIONS[name]}
    else:
        assert problems == []

"""A ComfyUI graph in API format: read, hashed, and mended where a node is left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.errors import Problem, Rejected

Graph = Mapping[str, Mapping[str, Any]]

MAX_BYTES = 5_000_000
_EXPORT = "Export it from ComfyUI with Workflow > Export (API)."


def parse(data: bytes) -> dict[str, dict[str, Any]]:
    """Read a graph in API format; raise Rejected with everything that is wrong with it.

    One in UI format, as ComfyUI saves it, is refused with the code `ui_format`: its conversion needs a server's words.
    """
    graph = json_of(data)
    if is_drawn(graph):
        title = "The graph is in ComfyUI's UI format, and waits for a server to say what its nodes take."
        fix = "The running daemon converts it once a backend answers; `reeldrop workflows import FILE` does it now."
        raise Rejected(Problem("ui_format", title, fix))
    problems = [
        _wrong(f"Node {name} has no class_type or no inputs.") for name, node in graph.items() if not _is_node(node)
    ]
    if not graph:
        problems.append(_wrong("The graph has no nodes."))
    if problems:
        raise Rejected(*problems)
    lost = [
        _wrong(f"{name}.{key} is linked to node {source}, which the graph doesn't have.")
        for name, key, source, _ in links(graph)
        if source not in graph
    ]
    if lost:
        raise Rejected(*lost)
    return graph


def is_drawn(workflow: Any) -> bool:
    """Say whether parsed JSON is in ComfyUI's UI format, sound or not."""
    return isinstance(workflow, Mapping) and isinstance(workflow.get("nodes"), list) and "links" in workflow


def hash_of(graph: Graph) -> str:
    """Return the sha256 of the graph's canonical JSON: the same for the same graph however its file is laid out."""
    text = json.dumps(graph, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_link(value: Any) -> bool:
    """Say whether an input's value is a link: a list of a node's id and one of its outputs."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def links(graph: Graph) -> Iterator[tuple[str, str, str, int]]:
    """Yield each link as (node, input, the node it comes from, that node's output)."""
    for name, node in graph.items():
        for key, value in node["inputs"].items():
            if is_link(value):
                yield name, key, value[0], value[1]


def titled(graph: Graph, title: str) -> str:
    """Return the node that alone has a title; raises KeyError where there is none or several."""
    found = next((name for name, node in graph.items() if node.get("_meta", {}).get("title") == title), None)
    if found is None:
        raise KeyError(title)
    return found


def leave_out(graph: dict[str, dict[str, Any]], name: str, passes: Sequence[str]) -> None:
    """Take a node out of a graph and link whatever it fed to the input that it passed on, output by output."""
    inputs = graph.pop(name)["inputs"]
    for node, key, source, output in list(links(graph)):
        if source == name:
            graph[node]["inputs"][key] = inputs[passes[output]]


#: Classes that save or show what they are given, and pass it on in ComfyUI 0.33: what they pass on is this input.
_PASSING = {"SaveImage": "images", "PreviewImage": "images", "SaveVideo": "video", "SaveWEBM": "images"}


def lead_to(graph: dict[str, dict[str, Any]], output: str) -> None:
    """Take out of a graph whatever the output node doesn't need: nothing else is run, saved or shown on the server."""
    for name, node in list(graph.items()):
        passed = node["inputs"].get(_PASSING.get(node["class_type"], ""))
        if name != output and is_link(passed) and all(at == 0 for _, _, source, at in links(graph) if source == name):
            leave_out(graph, name, [_PASSING[node["class_type"]]])
    needed, waiting = {output}, [output]
    while waiting:
        for value in graph[waiting.pop()]["inputs"].values():
            if is_link(value) and value[0] not in needed:
                needed.add(value[0])
                waiting.append(value[0])
    for name in [name for name in graph if name not in needed]:
        del graph[name]


def json_of(data: bytes) -> dict[str, Any]:
    """Read a graph's JSON strictly, in either format; raises Rejected."""
    if len(data) > MAX_BYTES:
        raise Rejected(Problem("too_large", "The graph is larger than 5 MB.", _EXPORT))
    try:
        graph = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        title = f"The graph can't be read as JSON: {error.msg}."
        raise Rejected(Problem("not_json", title, _EXPORT).at(error.lineno, error.colno)) from None
    except UnicodeDecodeError:
        raise Rejected(Problem("not_utf8", "The graph is not UTF-8 text.", _EXPORT)) from None
    except (ValueError, RecursionError) as error:
        raise Rejected(Problem("not_json", f"The graph can't be read as JSON: {error}.", _EXPORT)) from None
    if not isinstance(graph, dict):
        raise Rejected(_wrong("The graph is not an object of nodes."))
    return graph


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is there twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def _wrong(title: str) -> Problem:
    return Problem("bad_graph", title, _EXPORT)

"""The links of a graph: each leads to a node and an output that exist, fits its type, and none runs in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from service.comfy.declared import inputs_for
from service.errors import Problem

_FIX = "Open the workflow in ComfyUI, mend it there, and export it again in API format."


def check_links(graph: Mapping[str, Any], object_info: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return every link of the graph that leads nowhere, gives another type than is wanted, or closes a circle."""
    links = [link for node_id, node in graph.items() for link in _links(str(node_id), node)]
    problems = [problem for link in links if (problem := _check_link(*link, graph, object_info)) is not None]
    circle = _circle({node: [to[0] for at, _, to in links if at == node and _is_link(to)] for node, _, _ in links})
    if circle:
        problems.append(_bad(f"The nodes {' → '.join(circle)} wait for each other in a circle."))
    return tuple(problems)


def reached_from(node_ids: Iterable[str], graph: Mapping[str, Any]) -> set[str]:
    """Return these nodes and all that they stand on."""
    reached: set[str] = set()
    waiting = list(node_ids)
    while waiting:
        node_id = waiting.pop()
        if node_id not in reached and node_id in graph:
            reached.add(node_id)
            waiting += [link[0] for _, _, link in _links(node_id, graph[node_id]) if _is_link(link)]
    return reached


def _links(node_id: str, node: Any) -> Iterator[tuple[str, str, list[Any]]]:
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
        # Any list is a link to the server; true lists are wrapped in an object.
        if isinstance(value, list):
            yield node_id, str(name), value


def _is_link(value: list[Any]) -> bool:
    return len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int


def _check_link(
    node_id: str, name: str, link: list[Any], graph: Mapping[str, Any], object_info: Mapping[str, Any]
) -> Problem | None:
    at = f"node {node_id}, input {name}"
    if not _is_link(link):
        return _bad(f"The link at {at} is malformed: {link!r}.")
    source = graph.get(link[0])
    if not isinstance(source, Mapping):
        return _bad(f"The link at {at} leads to node {link[0]}, which doesn't exist.")
    outputs = _entry(object_info, source).get("output")
    if not isinstance(outputs, list):
        return None
    if not 0 <= link[1] < len(outputs):
        return _bad(f"The link at {at} asks for output {link[1]} of node {link[0]}, which has {len(outputs)}.")
    return _check_type(at, name, outputs[link[1]], graph[node_id], _entry(object_info, graph[node_id]))


def _entry(object_info: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    found = object_info.get(str(node.get("class_type")))
    return found if isinstance(found, Mapping) else {}


def _check_type(at: str, name: str, gives: Any, node: Mapping[str, Any], info: Mapping[str, Any]) -> Problem | None:
    # Node packs may check types in ways of their own; ComfyUI's own nodes are strict.
    if not str(info.get("python_module", "")).startswith(("nodes", "comfy_extras")):
        return None
    wants = next((raw[0] for each, raw, _ in inputs_for(info, node["inputs"]) if each == name), None)
    if not isinstance(gives, str) or not isinstance(wants, str) or _is_open(gives) or _is_open(wants):
        return None
    if set(gives.split(",")) & set(wants.split(",")):
        return None
    return _bad(f"The link at {at} brings {gives}, but {wants} is wanted.")


def _is_open(kind: str) -> bool:
    return "*" in kind or kind.startswith("COMFY_") or kind == "COMBO"


def _circle(links: Mapping[str, list[str]]) -> list[str]:
    """Return the node ids of one circle, its first again at the end, or nothing."""
    done: set[str] = set()
    for start in links:
        path: list[str] = []
        waiting = [(start, iter(links[start]))] if start not in done else []
        path += [start] if waiting else []
        while waiting:
            node, following = waiting[-1]
            after = next((other for other in following if other not in done), None)
            if after is None:
                done.add(node)
                waiting.pop()
                path.pop()
            elif after in path:
                return [*path[path.index(after) :], after]
            else:
                path.append(after)
                waiting.append((after, iter(links.get(after, []))))
    return []


def _bad(title: str) -> Problem:
    return Problem("bad_value", title, _FIX)

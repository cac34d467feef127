"""Interpolation by the server: where it has a node and a model for that, more frames a second are made before they are
encoded; elsewhere ffmpeg makes them of what came back.

ComfyUI has `FrameInterpolate` and `FrameInterpolationModelLoader` in its core (seen in 0.33.0, not in 0.8.0): of n
frames the node makes (n - 1) * multiplier + 1. `RIFE VFI` of a pack isn't used: it fetches weights when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.comfy.options import spec_of
from service.job import Expected, Render

_MODEL, _FRAMES = "reeldrop-interpolation-model", "reeldrop-interpolation"
_LOADER, _NODE = "FrameInterpolationModelLoader", "FrameInterpolate"

Graph = dict[str, dict[str, Any]]


def fitted(render: Render, object_info: Mapping[str, Any]) -> Render:
    """Return a plan as this server runs it: with its own interpolation where it has one, otherwise without.

    What another server was to do is taken out first. A render in parts is left to ffmpeg, which has them all.
    """
    plain = without(render)
    file = _model(object_info)
    if plain.interpolation < 2 or file is None or plain.parts is not None:
        return plain
    graph = _copy(plain.graph)
    images, rate = _place(graph, plain.output_node)
    if images is None or rate is None:
        return plain
    node, key = images
    graph[_MODEL] = {"class_type": _LOADER, "inputs": {"model_name": file}}
    taken = {"interp_model": [_MODEL, 0], "images": graph[node]["inputs"][key], "multiplier": plain.interpolation}
    graph[_FRAMES] = {"class_type": _NODE, "inputs": taken}
    graph[node]["inputs"][key] = [_FRAMES, 0]
    graph[rate[0]]["inputs"][rate[1]] *= plain.interpolation
    expected = _times(plain.expected, plain.interpolation)
    return replace(plain, graph=graph, expected=expected, interpolation=1)


def without(render: Render) -> Render:
    """Return a plan with nothing interpolated by the server."""
    node = render.graph.get(_FRAMES)
    if node is None:
        return render
    graph = _copy(render.graph)
    multiplier, before = node["inputs"]["multiplier"], node["inputs"]["images"]
    del graph[_FRAMES], graph[_MODEL]
    images, rate = _place(graph, render.output_node)
    assert images is not None
    assert rate is not None
    graph[images[0]]["inputs"][images[1]] = before
    graph[rate[0]]["inputs"][rate[1]] = _whole(graph[rate[0]]["inputs"][rate[1]] / multiplier)
    return replace(render, graph=graph, expected=_over(render.expected, multiplier), interpolation=multiplier)


def _model(object_info: Mapping[str, Any]) -> str | None:
    """Return the first model that a server has for it, None where it can't."""
    if _NODE not in object_info or _LOADER not in object_info:
        return None
    declared = object_info[_LOADER].get("input", {}).get("required", {}).get("model_name")
    spec = spec_of(_LOADER, "model_name", declared)
    return next((each for each in (spec.options if spec else None) or () if isinstance(each, str)), None)


def _place(graph: Graph, output: str) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """Return where the frames and their rate come in that are encoded; None where there is none, or a linked rate."""
    at = output
    video = graph[at]["inputs"].get("video")
    if isinstance(video, list) and graph.get(video[0], {}).get("class_type") == "CreateVideo":
        at = video[0]
    inputs = graph[at]["inputs"]
    images = (at, "images") if isinstance(inputs.get("images"), list) else None
    rate = next((key for key in ("frame_rate", "fps") if _is_number(inputs.get(key))), None)
    return images, (at, rate) if rate is not None else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _copy(graph: Mapping[str, Mapping[str, Any]]) -> Graph:
    return {name: {**node, "inputs": dict(node["inputs"])} for name, node in graph.items()}


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _times(expected: Expected, multiplier: int) -> Expected:
    frames = None if expected.frames is None else (expected.frames - 1) * multiplier + 1
    return replace(expected, frames=frames, fps=None if expected.fps is None else expected.fps * multiplier)


def _over(expected: Expected, multiplier: int) -> Expected:
    frames = None if expected.frames is None else (expected.frames - 1) // multiplier + 1
    return replace(expected, frames=frames, fps=None if expected.fps is None else expected.fps / multiplier)

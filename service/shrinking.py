"""Shrinking: one step down a workflow's ladder of smaller settings, for where a server runs out of memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from service import parts
from service.declaration import written
from service.job import Expected, Job, Render
from service.manifest_keys import Parameter
from service.resolving import rule
from service.workflow import Workflow

Shrunk = tuple[Render, dict[str, Any], list[str]]


def shrunk(job: Job, render: Render, workflow: Workflow, step: int) -> Shrunk | None:
    """
    Return the render one step smaller, the settings with it, and for `adjusted` what became what.

    A render in parts gets shorter ones first. `step` counts from 0; each is taken from what the job has now, so from
    what the one before left. A step that can make nothing smaller is passed over. None where the ladder has no such
    step left, the job says `shrink: false`, or the workflow is another one by now. The graph is to be guarded again,
    and the job's fingerprint given up: its result isn't what was asked.
    """
    if (shorter := parts.smaller(render)) is not None and shorter.parts is not None:
        # Nothing that was asked for changes by it.
        longest = max(span.frames for span in shorter.parts.spans[len(shorter.parts.made) :])
        return shorter, dict(job.settings), [f"parts became of at most {longest} frames: the server ran out of memory"]
    if job.settings.get("shrink") is False or job.graph_hash not in (None, workflow.graph_hash):
        return None
    for rung in workflow.manifest.ladder[step:]:
        smaller = _smaller(job.settings, workflow, render, rung)
        if smaller:
            return _with(job, render, workflow, smaller)
    return None


def _smaller(
    settings: Mapping[str, Any], workflow: Workflow, render: Render, rung: Mapping[Any, float]
) -> dict[str, int]:
    parameters = workflow.manifest.parameters.declared()
    found: dict[str, int] = {}
    for name, by in rung.items():
        now = settings.get(name)
        if isinstance(now, bool) or not isinstance(now, int) or not _places(workflow, render, name):
            continue
        value = _snapped_down(now * by if by < 1 else by, parameters[name])
        if value is not None and value < now:
            found[name] = value
    return found


def _places(workflow: Workflow, render: Render, name: str) -> list[tuple[str, str]]:
    """Return where a field goes in this very graph, from which nodes may have been left out."""
    return [
        (node, key)
        for node, key in workflow.targets.get(name, ())
        if key in render.graph.get(node, {}).get("inputs", {})
    ]


def _snapped_down(value: float, parameter: Parameter) -> int | None:
    """Return the largest value of the parameter's rule that is no larger, or None below its minimum."""
    step, base = parameter.multiple_of or 1, parameter.base if parameter.multiple_of else 0
    snapped = base + math.floor((value - base) / step) * step
    least = 1 if parameter.minimum is None else parameter.minimum
    return None if snapped < max(1, least) else snapped


def _with(job: Job, render: Render, workflow: Workflow, smaller: Mapping[str, int]) -> Shrunk:
    graph = {name: {**node, "inputs": dict(node["inputs"])} for name, node in render.graph.items()}
    parameters = workflow.manifest.parameters.declared()
    texts = []
    for name, value in smaller.items():
        for node, key in _places(workflow, render, name):
            graph[node]["inputs"][key] = value
        snapped = f" ({rule(parameters[name])})" if parameters[name].multiple_of else ""
        texts.append(f"{name} {written(job.settings[name])} became {value}{snapped}: the server ran out of memory")
    settings = {**job.settings, **smaller}
    if "frames" in smaller and settings.get("fps"):
        settings["seconds"] = round(smaller["frames"] / settings["fps"], 3)
    expected = Expected(**{**asdict(render.expected), **smaller})
    return replace(render, graph=graph, expected=expected), settings, texts

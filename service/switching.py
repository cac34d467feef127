"""Switches: the parts of a workflow's graph that a job does without are left out of it and linked around."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from service import graph as graphs
from service.declaration import did_you_mean
from service.errors import Problem
from service.manifest import Manifest

#: Classes that put pictures and sound together, the sound being optional.
_PUT_TOGETHER = frozenset({"VHS_VideoCombine", "CreateVideo"})


def states_of(manifest: Manifest, asked: Mapping[str, bool], roles: Collection[str]) -> dict[str, bool]:
    """Return for each switch whether it is on: one of a role exactly when the job brings that role."""
    return {
        name: switch.role in roles if switch.role is not None else asked.get(name, switch.default)
        for name, switch in manifest.switches.items()
    }


def problems_of(workflow: str, manifest: Manifest, asked: Iterable[str]) -> Iterator[Problem]:
    """Yield what is wrong with the switches that a job sets."""
    free = [name for name, switch in manifest.switches.items() if switch.role is None]
    for name in asked:
        switch = manifest.switches.get(name)
        if switch is None:
            fix = did_you_mean(name, free, f"It has: {', '.join(free)}." if free else "Take it out; it has none.")
            yield Problem("unknown_switch", f"{workflow} has no switch {name!r}.", fix, field=f"switches.{name}")
        elif switch.role is not None:
            title = f"The switch {name} of {workflow} goes by the job's {switch.role}."
            fix = f"Take it out; drop the job with or without a file as {switch.role}."
            yield Problem("bad_value", title, fix, field=f"switches.{name}")


def leave_out(graph: dict[str, dict[str, Any]], manifest: Manifest, states: Mapping[str, bool]) -> None:
    """Take out of a graph what belongs to switches that are off; what hung on it alone leads nowhere then."""
    for name, switch in manifest.switches.items():
        if states[name]:
            continue
        for value in switch.values:
            if value.node in graph:
                graph[value.node]["inputs"][value.input] = value.value
        for node in switch.nodes:
            graphs.leave_out(graph, node.node, node.passes)


def enlargement(manifest: Manifest, states: Mapping[str, bool]) -> int:
    """Return how many times wider and higher the result is than what is asked."""
    return math.prod(switch.enlarges for name, switch in manifest.switches.items() if states[name])


def interpolation(manifest: Manifest, states: Mapping[str, bool]) -> int:
    """Return how many times more frames a second are made of the result."""
    return math.prod(switch.interpolates for name, switch in manifest.switches.items() if states[name])


def leave_out_idle(graph: dict[str, dict[str, Any]], manifest: Manifest) -> None:
    """Take the optional nodes out of a graph whose strength is 0."""
    for optional in manifest.optional_nodes:
        if optional.node in graph and graph[optional.node]["inputs"][optional.strength] == 0:
            graphs.leave_out(graph, optional.node, optional.passes)


def configure(graph: dict[str, dict[str, Any]], manifest: Manifest, defaults: Mapping[str, Any]) -> None:
    """Put into a graph what config.yaml says for the keys that the manifest takes from it."""
    for key, configured in manifest.configured.declared().items():
        said = defaults.get(key)
        if said is None:
            continue
        for target in configured.to:
            node = target.node or graphs.titled(graph, str(target.title))
            graph[node]["inputs"][target.input] = configured.values.get(said, said)


def leave_out_sound(graph: dict[str, dict[str, Any]], silent: Collection[str]) -> None:
    """Let nothing be put together with the sound of a loader (by node id) whose video has none."""
    for node in graph.values():
        link = node["inputs"].get("audio")
        if node.get("class_type") in _PUT_TOGETHER and graphs.is_link(link) and _loader(graph, link[0]) in silent:
            del node["inputs"]["audio"]


def _loader(graph: Mapping[str, Mapping[str, Any]], source: str) -> str:
    """Return the node that loads what a node gives out as sound: itself, or the one whose video it takes apart."""
    node = graph.get(source, {})
    video = node.get("inputs", {}).get("video")
    return str(video[0]) if node.get("class_type") == "GetVideoComponents" and graphs.is_link(video) else source

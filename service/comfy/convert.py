"""A graph from UI format to API format: what ComfyUI's editor does when a prompt is queued, without a browser.

Strict: a class that the server lacks, a node's values that don't fit it, and every link that would be lost is a problem
with the node's title. What a newer ComfyUI wrote and this server's class has no setting for is told in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.comfy import canvas, preflight
from service.comfy.canvas import BYPASSED, MUTED, Node, Slot
from service.comfy.canvas_links import (
    SILENT,
    WIRES,
    Circle,
    Frame,
    Given,
    Nothing,
    Output,
    Source,
    Within,
    enter,
    source_of,
)
from service.comfy.canvas_settings import knows_input
from service.comfy.canvas_values import Misfit, Values, browser_made, values_of
from service.comfy.declared import inputs_for
from service.comfy.links import reached_from
from service.errors import Problem, Rejected

_UUID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_GROUP = ("workflow>", "workflow/")
_EXPORT = (
    "Open it in that server's ComfyUI, mend it there and save it again, or export it with Workflow > Export (API)."
)
#: A subgraph inside a subgraph multiplies what is in it.
_MOST_NODES = 10_000
_OWN_MODULES = ("nodes", "comfy_extras", "comfy_api_nodes")


@dataclass(frozen=True)
class Converted:
    """A graph in API format, and what its author should know of the way there, a sentence each."""

    graph: dict[str, dict[str, Any]]
    notes: tuple[str, ...]


def convert(workflow: Mapping[str, Any], object_info: Mapping[str, Any]) -> Converted:
    """Convert parsed JSON in UI format for the server that says `object_info` of itself.

    Muted nodes, notes and wires are left out, bypassed ones are linked around, subgraphs become their nodes with ids
    as "57:12". Pure. Raises Rejected with every problem: not_converted, node_missing.
    """
    made = _Conversion(object_info)
    try:
        made.walk(Frame(drawing := canvas.read(workflow), drawing.canvas))
    except RecursionError:
        raise Rejected(_problem("The graph is nested too deeply.")) from None
    made.fill()
    problems = [*made.problems, *preflight.missing_nodes(made.graph, object_info)]
    problems += _unfed(made, object_info) if not problems else []
    if not made.graph and not problems:
        problems.append(_problem("The graph has no node that would run."))
    if problems:
        raise Rejected(*dict.fromkeys(problems))
    return Converted(made.graph, tuple(dict.fromkeys(made.notes)))


@dataclass
class _Conversion:
    """One conversion under way."""

    infos: Mapping[str, Any]
    graph: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    #: Why an input has no link, by node and input.
    cut: dict[tuple[str, str], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: Inputs that have the value of another node's setting.
    alike: list[tuple[str, str, Within]] = field(default_factory=list)
    walked: int = 0

    def walk(self, frame: Frame) -> None:
        """Take every node of a canvas that runs, and what is inside of those that are subgraphs."""
        for node in frame.canvas.nodes.values():
            self.walked += 1
            if self.walked > _MOST_NODES:
                raise Rejected(_problem(f"The graph has more than {_MOST_NODES} nodes."))
            if node.mode in (MUTED, BYPASSED) or node.type in SILENT or node.type in WIRES:
                continue
            try:
                inner = enter(frame, node)
            except Circle:
                self._refuse(frame, node, "contains itself")
            except ValueError:
                self._refuse(frame, node, "has values that don't fit the settings that it promotes")
            else:
                if inner is not None:
                    self.walk(inner)
                else:
                    self._take(frame, node)

    def fill(self) -> None:
        """Give inputs that share a promoted setting the value that it has."""
        for node, name, within in self.alike:
            value = self.graph.get(within.node, {"inputs": {}})["inputs"].get(within.setting)
            if value is not None and node != within.node:
                self.graph[node]["inputs"][name] = value
        for made in self.graph.values():
            if made["class_type"] == "CustomCombo":
                # What it was promoted to may be another option than the one that its own index says.
                options = [value for name, value in made["inputs"].items() if name.startswith("option")]
                if made["inputs"].get("choice") in options:
                    made["inputs"]["index"] = options.index(made["inputs"]["choice"])

    def _take(self, frame: Frame, node: Node) -> None:
        if _UUID.match(node.type):
            self._refuse(frame, node, "is a subgraph that the file doesn't hold")
            return
        if node.type.startswith(_GROUP):
            cure = "Right-click it in ComfyUI, choose Convert to Nodes or Convert to Subgraph, and save it again."
            self._refuse(frame, node, "is a group node of the old kind, which isn't converted", cure)
            return
        node_id, info = frame.id_of(node), self.infos.get(node.type)
        if node_id in self.graph:
            self._refuse(frame, node, "has the id of another node")
            return
        self.labels[node_id] = frame.label_of(node)
        inputs: dict[str, Any] = {}
        if isinstance(info, Mapping):
            inputs = self._inputs(frame, node, info)
            title = node.title or str(info.get("display_name") or node.type)
        else:
            title = node.title or node.type
        self.graph[node_id] = {"inputs": inputs, "class_type": node.type, "_meta": {"title": title}}

    def _inputs(self, frame: Frame, node: Node, info: Mapping[str, Any]) -> dict[str, Any]:
        try:
            values = values_of(node, info)
        except Misfit as misfit:
            self._refuse(frame, node, f"{misfit}: it was saved by another version of its class")
            return {}
        self._tell(frame, node, info, values)
        inputs = dict(values.given)
        inputs |= {key: value for (inner, key), value in frame.promoted.items() if inner == node.id and key in inputs}
        linked = [slot.name for slot in node.inputs if slot.link is not None]
        if (drawn := browser_made(info, linked)) is not None:
            self._refuse(frame, node, f"needs {drawn}, which only ComfyUI's page in a browser can make")
        for slot in node.inputs:
            if slot.link is not None:
                self._link(frame, node, slot, info, inputs)
        return inputs

    def _link(self, frame: Frame, node: Node, slot: Slot, info: Mapping[str, Any], inputs: dict[str, Any]) -> None:
        try:
            source: Source = source_of(frame, slot)
        except Circle as circle:
            self._refuse(frame, node, f"hangs on a circle of links at {circle}")
            return
        except ValueError:
            # The subgraph that it came through is named where it stands.
            return
        known = knows_input(info, slot.name)
        match source:
            case Given(value) if known:
                inputs[slot.name] = {"__value__": value} if isinstance(value, list) else value
            case Given(value):
                self.notes.append(_beyond(frame, node, {slot.name: value}))
            case Output(origin, position) if known or not _is_own(info):
                inputs[slot.name] = [origin, position]
            case Output():
                self._refuse(frame, node, f"has a link to its input {slot.name}, which the server's class doesn't have")
            case Within() if known:
                self.alike.append((frame.id_of(node), slot.name, source))
            case Nothing(why):
                self.cut[frame.id_of(node), slot.name] = why

    def _tell(self, frame: Frame, node: Node, info: Mapping[str, Any], values: Values) -> None:
        if values.beyond and not _is_own(info):
            shown = ", ".join(repr(value)[:40] for value in values.beyond[:4])
            self._refuse(frame, node, f"has values that the server's class has no settings for: {shown}")
        else:
            self.notes += [_beyond(frame, node, value) for value in values.beyond]
        for name in values.rewritten:
            label = _capital(frame.label_of(node))
            self.notes.append(f"{label}: of the alternatives in {name} the first is taken, and comments are left out.")

    def _refuse(self, frame: Frame, node: Node, what: str, cure: str = _EXPORT) -> None:
        self.problems.append(_problem(f"{_capital(frame.label_of(node))} {what}.", cure))


def _unfed(made: _Conversion, object_info: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield each input that a node must have and that nothing feeds, of the nodes that an output stands on."""
    outputs = [key for key, node in made.graph.items() if object_info[node["class_type"]].get("output_node")]
    needed = reached_from(outputs, made.graph) if outputs else set(made.graph)
    for node_id, node in made.graph.items():
        info = object_info[node["class_type"]]
        for name, _, required in inputs_for(info, node["inputs"]) if node_id in needed else ():
            if required and name not in node["inputs"]:
                why = made.cut.get((node_id, name), "")
                because = f": {why}" if why else ""
                yield _problem(f"{_capital(made.labels[node_id])} has nothing for its input {name}{because}.")


def _beyond(frame: Frame, node: Node, value: Any) -> str:
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, value),) = value.items()
        what = f"the setting {name} ({repr(value)[:60]})"
    else:
        what = f"a setting for the value {repr(value)[:60]}"
    label = _capital(frame.label_of(node))
    return f"{label}: the server's class doesn't have {what}, which a newer ComfyUI wrote; it is left out."


def _is_own(info: Mapping[str, Any]) -> bool:
    """Say whether a class is one of ComfyUI's own: packs may read inputs that they don't declare."""
    return str(info.get("python_module", "")).startswith(_OWN_MODULES)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _problem(title: str, cure: str = _EXPORT) -> Problem:
    return Problem("not_converted", title, cure)

"""A ComfyUI canvas as its editor saves it (UI format), read strictly: nodes with slots, links, subgraphs.

The format as ComfyUI's frontends up to 1.45 write it: version 0.4 (links are lists) and 1 (links are objects); both
are told by their shape, so a newer version is read as long as that is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from service.errors import Problem, Rejected

_KNOWN_VERSION = 1
_SAVE_AGAIN = "Open it in ComfyUI, save it again, and import that; or export it with Workflow > Export (API)."
#: Where links begin and end that cross a subgraph's border.
INPUT_BORDER, OUTPUT_BORDER = "-10", "-20"
MUTED, BYPASSED = 2, 4


@dataclass(frozen=True)
class Slot:
    """An input of a node: its link, if any, and the setting that it stands for, if it stands for one."""

    name: str
    kind: str
    link: str | None = None
    setting: str | None = None


@dataclass(frozen=True)
class Exit:
    """An output of a node."""

    name: str
    kind: str


@dataclass(frozen=True)
class Node:
    """One node as it lies on a canvas."""

    id: str
    type: str
    title: str
    mode: int
    inputs: tuple[Slot, ...]
    outputs: tuple[Exit, ...]
    values: Sequence[Any] | Mapping[str, Any]
    properties: Mapping[str, Any]

    def slot(self, name: str) -> Slot | None:
        """Return its input of this name, or None."""
        return next((slot for slot in self.inputs if slot.name == name), None)


@dataclass(frozen=True)
class Link:
    """One link: from a node's output to a node's input, both counted from 0."""

    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class Canvas:
    """Nodes and links that see each other: the whole workflow, or what is inside a subgraph."""

    nodes: Mapping[str, Node]
    links: Mapping[str, Link]
    #: What a subgraph takes and gives, in the order in which links across its border count them.
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[Exit, ...] = ()

    @cached_property
    def leaving(self) -> Mapping[int, Link]:
        """The link that feeds each output of a subgraph."""
        return {link.target_slot: link for link in self.links.values() if link.target == OUTPUT_BORDER}

    def entering(self, position: int) -> Iterator[Link]:
        """Yield the links that one input of a subgraph feeds."""
        for link in self.links.values():
            if link.origin == INPUT_BORDER and link.origin_slot == position:
                yield link


@dataclass(frozen=True)
class Drawing:
    """A file in UI format: its canvas, and the canvases of its subgraphs by their ids."""

    canvas: Canvas
    subgraphs: Mapping[str, Canvas]


def read(workflow: Mapping[str, Any]) -> Drawing:
    """Read parsed JSON in UI format; raise Rejected (not_converted) where its shape isn't understood."""
    try:
        _refuse_foreign(workflow.get("extra"))
        definitions = workflow.get("definitions") or {}
        subgraphs = {str(each["id"]): _canvas(each) for each in definitions.get("subgraphs") or ()}
        return Drawing(_canvas(workflow), subgraphs)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        version = workflow.get("version")
        newer = isinstance(version, int | float) and version > _KNOWN_VERSION
        title = (
            f"The graph is saved in version {version} of ComfyUI's UI format, newer than is understood here."
            if newer
            else "The graph is in ComfyUI's UI format, but its shape isn't understood."
        )
        detail = f"{type(error).__name__}: {error}"[:200]
        raise Rejected(Problem("not_converted", title, _SAVE_AGAIN, detail)) from None


def _refuse_foreign(extra: Any) -> None:
    if isinstance(extra, Mapping) and extra.get("ue_links"):
        title = "The graph has links that are drawn nowhere (Anything Everywhere), which can't be converted."
        fix = (
            "In ComfyUI choose Convert all UEs to real links, save it again, or export it with Workflow > Export (API)."
        )
        raise Rejected(Problem("not_converted", title, fix))


def _canvas(data: Mapping[str, Any]) -> Canvas:
    nodes = [_node(each) for each in data["nodes"]]
    links = [_link(each) for each in data["links"]]
    by_id = {node.id: node for node in nodes}
    if len(by_id) < len(nodes):
        raise ValueError("two nodes have one id")
    inputs = tuple(Slot(str(each["name"]), _kind(each)) for each in data.get("inputs") or ())
    outputs = tuple(Exit(str(each["name"]), _kind(each)) for each in data.get("outputs") or ())
    return Canvas(by_id, dict(links), inputs, outputs)


def _node(data: Mapping[str, Any]) -> Node:
    # The newest frontends write the names too.
    values = data.get("widgets_values_named") or data.get("widgets_values")
    if values is None:
        values = ()
    elif not isinstance(values, list | Mapping):
        raise TypeError(f"the values of node {data['id']} are no list")
    kind, mode = data["type"], data.get("mode", 0)
    if not isinstance(kind, str) or not isinstance(mode, int):
        raise TypeError(f"node {data['id']} has no type or no mode")
    title, properties = data.get("title"), data.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise TypeError(f"the properties of node {data['id']} are no object")
    return Node(
        str(data["id"]),
        kind,
        # A title is shown in logs and comments, a line each.
        " ".join(title.split()) if isinstance(title, str) else "",
        mode,
        tuple(_slot(each) for each in data.get("inputs") or ()),
        tuple(Exit(str(each.get("name", "")), _kind(each)) for each in data.get("outputs") or ()),
        values,
        properties,
    )


def _slot(data: Mapping[str, Any]) -> Slot:
    link, widget = data.get("link"), data.get("widget")
    setting = str(widget["name"]) if isinstance(widget, Mapping) and "name" in widget else None
    return Slot(str(data["name"]), _kind(data), None if link is None else str(link), setting)


def _kind(data: Mapping[str, Any]) -> str:
    kind = data.get("type")
    return ",".join(map(str, kind)) if isinstance(kind, list) else "*" if kind in (None, "", 0) else str(kind)


def _link(data: Any) -> tuple[str, Link]:
    if isinstance(data, Mapping):
        parts = [data[key] for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    else:
        parts = list(data)[:5]
    number, origin, origin_slot, target, target_slot = parts
    return str(number), Link(str(origin), int(origin_slot), str(target), int(target_slot))

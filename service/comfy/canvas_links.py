"""Where an input's link really comes from: through reroutes, named wires, bypassed nodes, and subgraphs in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.comfy.canvas import BYPASSED, INPUT_BORDER, MUTED, Canvas, Drawing, Node, Slot

REROUTES = frozenset({"Reroute", "Reroute (rgthree)"})
PRIMITIVE, SETTER, GETTER = "PrimitiveNode", "SetNode", "GetNode"
#: Nodes of the editor alone that only say or switch something: modes are saved on the nodes that they switch.
SILENT = frozenset(
    {
        "Note", "MarkdownNote", "Label (rgthree)", "Bookmark (rgthree)", "Fast Groups Muter (rgthree)",
        "Fast Groups Bypasser (rgthree)", "Fast Muter (rgthree)", "Fast Bypasser (rgthree)",
    }
)  # fmt: skip
WIRES = REROUTES | {PRIMITIVE, SETTER, GETTER}


@dataclass(frozen=True)
class Output:
    """An output of a node that will be in the graph, by its id there."""

    node: str
    slot: int


@dataclass(frozen=True)
class Given:
    """A value in place of a link: of a primitive, or promoted by a subgraph."""

    value: Any


@dataclass(frozen=True)
class Within:
    """The value that stands at a setting of another node, which a subgraph promotes without one of its own."""

    node: str
    setting: str


@dataclass(frozen=True)
class Nothing:
    """No source: `why` says which node cut it off, or is empty where nothing was linked."""

    why: str = ""


Source = Output | Given | Within | Nothing


@dataclass(frozen=True)
class Frame:
    """One canvas where it stands: the whole drawing's, or a subgraph's for one of its instances."""

    drawing: Drawing
    canvas: Canvas
    #: What stands before the ids of its nodes in the graph: "57:".
    prefix: str = ""
    outer: Frame | None = None
    instance: Node | None = None
    #: Values that the instance gives its promoted settings, by the inner node's id and the setting.
    promoted: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    #: Values that the instance gives the subgraph's own inputs, by their names.
    own: Mapping[str, Any] = field(default_factory=dict)

    def id_of(self, node: Node) -> str:
        """Return a node's id in the graph."""
        return f"{self.prefix}{node.id}"

    def label_of(self, node: Node) -> str:
        """Return a node as people know it."""
        title = f" ‘{node.title[:60]}’" if node.title and node.title != node.type else ""
        return f"node {self.id_of(node)}{title} ({node.type[:80]})"


class Circle(Exception):
    """A link leads back to where it began; the message names the node."""


def source_of(frame: Frame, slot: Slot) -> Source:
    """Return where an input's link comes from at last; raises Circle."""
    return _behind(frame, slot, slot.kind, frozenset())


def _behind(frame: Frame, slot: Slot, wanted: str, seen: frozenset[tuple[str, str, int]]) -> Source:
    link = frame.canvas.links.get(slot.link) if slot.link is not None else None
    if link is None:
        return Nothing()
    place = (frame.prefix, link.origin, link.origin_slot)
    if place in seen:
        raise Circle(f"node {frame.prefix}{link.origin}")
    if link.origin == INPUT_BORDER:
        return _outside(frame, link.origin_slot, wanted, seen | {place})
    origin = frame.canvas.nodes.get(link.origin)
    if origin is None:
        return Nothing(f"node {frame.prefix}{link.origin} isn't in the file")
    return _output(frame, origin, link.origin_slot, wanted, seen | {place})


def _output(frame: Frame, node: Node, position: int, wanted: str, seen: frozenset[tuple[str, str, int]]) -> Source:
    if node.type == PRIMITIVE:
        # It gives its value to the settings that it is linked to, whatever its mode.
        return Given(_first_value(node)) if node.values else Nothing(f"{frame.label_of(node)} has no value")
    if node.mode == MUTED:
        return Nothing(f"{frame.label_of(node)} is muted")
    if node.type in WIRES:
        return _wire(frame, node, wanted, seen)
    if node.mode == BYPASSED:
        passed = _passed_on(node, position, wanted)
        found = _behind(frame, node.inputs[passed], wanted, seen) if passed is not None else Nothing()
        cut = f"{frame.label_of(node)} is bypassed and has nothing of that type to pass on"
        return Nothing(cut) if found == Nothing() else found
    inner = enter(frame, node)
    if inner is not None:
        return _inside(frame, node, inner, position, wanted, seen)
    return Output(frame.id_of(node), position)


def _wire(frame: Frame, node: Node, wanted: str, seen: frozenset[tuple[str, str, int]]) -> Source:
    if node.type == GETTER:
        return _named_wire(frame, node, wanted, seen)
    return _behind(frame, node.inputs[0], wanted, seen) if node.inputs else Nothing()


def _inside(
    frame: Frame, node: Node, inner: Frame, position: int, wanted: str, seen: frozenset[tuple[str, str, int]]
) -> Source:
    """Go on into a subgraph, at one of its outputs."""
    names = [exit_.name for exit_ in inner.canvas.outputs]
    if position < len(node.outputs) and names.count(node.outputs[position].name) == 1:
        position = names.index(node.outputs[position].name)
    link = inner.canvas.leaving.get(position)
    if link is None:
        return Nothing(f"{frame.label_of(node)} gives nothing out there")
    place = (inner.prefix, link.origin, link.origin_slot)
    if place in seen:
        raise Circle(f"node {inner.prefix}{link.origin}")
    if link.origin == INPUT_BORDER:
        return _outside(inner, link.origin_slot, wanted, seen | {place})
    origin = inner.canvas.nodes.get(link.origin)
    if origin is None:
        return Nothing(f"node {inner.prefix}{link.origin} isn't in the file")
    return _output(inner, origin, link.origin_slot, wanted, seen | {place})


def _outside(frame: Frame, position: int, wanted: str, seen: frozenset[tuple[str, str, int]]) -> Source:
    """Go on outside of a subgraph, at one of its inputs."""
    if frame.outer is None or frame.instance is None or position >= len(frame.canvas.inputs):
        return Nothing()
    name = frame.canvas.inputs[position].name
    slot = frame.instance.slot(name)
    if slot is not None and slot.link is not None:
        return _behind(frame.outer, slot, wanted, seen)
    return Given(frame.own[name]) if name in frame.own else _first_setting(frame, position)


def _first_setting(frame: Frame, position: int) -> Within | Nothing:
    """Return the first setting inside that an input of a subgraph feeds: what it promotes has its value there."""
    for link in frame.canvas.entering(position):
        target = frame.canvas.nodes.get(link.target)
        if target is None or link.target_slot >= len(target.inputs):
            continue
        slot = target.inputs[link.target_slot]
        inner = enter(frame, target)
        if inner is not None:
            names = [each.name for each in inner.canvas.inputs]
            found = _first_setting(inner, names.index(slot.name)) if slot.name in names else Nothing()
            if isinstance(found, Within):
                return found
        elif slot.setting is not None:
            return Within(frame.id_of(target), slot.name)
    return Nothing()


def _named_wire(frame: Frame, node: Node, wanted: str, seen: frozenset[tuple[str, str, int]]) -> Source:
    """Go on from a GetNode to the SetNode of its name, on its own canvas or around it."""
    name = _first_value(node)
    around: Frame | None = frame
    while around is not None:
        for other in around.canvas.nodes.values():
            if other.type == SETTER and name is not None and _first_value(other) == name:
                return _output(around, other, 0, wanted, seen)
        around = around.outer
    return Nothing(f"{frame.label_of(node)} has no SetNode of its name")


def _first_value(node: Node) -> Any:
    values = list(node.values.values()) if isinstance(node.values, Mapping) else node.values
    return values[0] if values else None


def _passed_on(node: Node, position: int, wanted: str) -> int | None:
    """Return which input a bypassed node passes on at an output: that of the same slot, else the first of its type."""
    inputs = node.inputs
    if wanted in ("*", ""):
        return None if not inputs else position if position < len(inputs) else 0
    gives = node.outputs[position].kind if position < len(node.outputs) else wanted
    if position < len(inputs) and _fits(inputs[position].kind, gives) and _fits(inputs[position].kind, wanted):
        return position
    for same in (wanted, gives):
        for at, slot in enumerate(inputs):
            if slot.kind == same and _fits(slot.kind, wanted):
                return at
    return next((at for at, slot in enumerate(inputs) if _fits(slot.kind, wanted)), None)


def _fits(one: str, other: str) -> bool:
    kinds = [set(kind.upper().split(",")) for kind in (one, other)]
    return "*" in (one, other) or bool(kinds[0] & kinds[1])


# subgraphs ----------------------------------------------------------------------------------------------------------


def enter(frame: Frame, node: Node) -> Frame | None:
    """Return what is inside a node, with the values that it gives its promoted settings; None where it is no subgraph.

    Raises Circle where a subgraph is inside itself, ValueError where its values can't be told apart.
    """
    canvas = frame.drawing.subgraphs.get(node.type)
    if canvas is None:
        return None
    around: Frame | None = frame
    while around is not None:
        if around.canvas is canvas:
            raise Circle(frame.label_of(node))
        around = around.outer
    own, promoted = _promoted(frame, node, canvas)
    return Frame(frame.drawing, canvas, f"{frame.id_of(node)}:", frame, node, promoted, own)


def _promoted(frame: Frame, node: Node, canvas: Canvas) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    """Return what an instance says of its subgraph's inputs, and of settings inside; both may be empty.

    Until 2026 an instance listed what it promotes under `proxyWidgets`, mostly with the values left inside; later
    each promoted setting is an input of the subgraph, and the values stand in the order of these.
    """
    own: dict[str, Any] = {}
    promoted: dict[tuple[str, str], Any] = {}
    listed = _listed(node)
    values = list(node.values.values()) if isinstance(node.values, Mapping) else list(node.values)
    named = [each for each in listed if not each[1].startswith("$$")]
    if not values:
        pairs: list[tuple[tuple[str, str], Any]] = []
    elif listed:
        keys = listed if len(values) == len(listed) else named
        pairs = list(zip(keys, values, strict=True))
    else:
        names = [("-1", slot.name) for at, slot in enumerate(canvas.inputs) if _stands_for_setting(frame, canvas, at)]
        pairs = list(zip(names, values, strict=True))
    for (inner, name), value in pairs:
        if inner == "-1":
            own[name] = value
        elif not name.startswith("$$"):
            promoted[inner, name] = value
    # What was promoted once more, further out, wins.
    for (inner, name), value in frame.promoted.items():
        if inner == node.id:
            own |= {name: value} if any(slot.name == name for slot in canvas.inputs) else {}
            promoted |= {key: value for key in named if key[1] == name and key[0] != "-1"}
    return own, promoted


def _listed(node: Node) -> list[tuple[str, str]]:
    """Return the inner nodes and settings that an instance promotes; raises ValueError."""
    listed = node.properties.get("proxyWidgets") or []
    if not isinstance(listed, list) or not all(isinstance(each, list) and len(each) > 1 for each in listed):
        raise ValueError
    return [(str(each[0]), str(each[1])) for each in listed]


def _stands_for_setting(frame: Frame, canvas: Canvas, position: int) -> bool:
    """Say whether an input of a subgraph feeds a setting inside, at any depth."""
    for link in canvas.entering(position):
        target = canvas.nodes.get(link.target)
        if target is None or link.target_slot >= len(target.inputs):
            continue
        slot = target.inputs[link.target_slot]
        if slot.setting is not None:
            return True
        deeper = frame.drawing.subgraphs.get(target.type)
        names = [each.name for each in deeper.inputs] if deeper is not None else []
        if deeper is not None and slot.name in names and _stands_for_setting(frame, deeper, names.index(slot.name)):
            return True
    return False

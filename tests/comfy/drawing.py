"""Drawings for tests: graphs in API format drawn in UI format, and what people do to a drawing that changes nothing."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from typing import Any

from service.comfy.declared import inputs_of
from tests.comfy.recorded import object_info

INFO = object_info("0.3.64")
#: Which class to take for a link type.
MAKERS = {
    "MODEL": ("CheckpointLoaderSimple", "LoraLoader", "ModelSamplingSD3"),
    "CLIP": ("CheckpointLoaderSimple", "LoraLoader"),
    "VAE": ("CheckpointLoaderSimple", "VAELoader"),
    "CONDITIONING": ("CLIPTextEncode",),
    "LATENT": ("EmptyLatentImage", "KSampler", "KSamplerAdvanced", "VAEEncode"),
    "IMAGE": ("VAEDecode", "LoadImage", "ImageScale"),
    "VIDEO": ("CreateVideo", "LoadVideo"),
}
SAVERS = ("SaveImage", "SaveVideo", "SaveWEBM", "VHS_VideoCombine")
PLAIN = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
LETTERS = "abc ,.:(1.2)"


def settings(class_type: str) -> Iterator[tuple[str, str, Mapping[str, Any], list[Any]]]:
    """Yield a class's settings as name, kind, what is said of it, options."""
    for name, raw, _ in inputs_of(INFO[class_type]):
        more = raw[1] if len(raw) > 1 and isinstance(raw[1], dict) else {}
        kind = "COMBO" if isinstance(raw[0], list) else raw[0]
        if kind in PLAIN and not more.get("forceInput"):
            yield name, kind, more, raw[0] if isinstance(raw[0], list) else more.get("options", [])


def sockets(class_type: str) -> Iterator[tuple[str, str, bool]]:
    named = {name for name, *_ in settings(class_type)}
    for name, raw, required in inputs_of(INFO[class_type]):
        if name not in named:
            yield name, raw[0], required


class Grower:
    """Makes graphs in API format that the recorded server would take, files apart."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.graph: dict[str, dict[str, Any]] = {}

    def grow(self) -> dict[str, dict[str, Any]]:
        for _ in range(self.dice.randint(1, 2)):
            self.node(self.dice.choice(SAVERS))
        return self.graph

    def node(self, class_type: str, depth: int = 0) -> str:
        inputs: dict[str, Any] = {}
        for name, kind, required in sockets(class_type):
            if kind in MAKERS and (required or self.dice.random() < 0.2) and (required or depth < 3):
                inputs[name] = self.link(kind, depth)
        for name, kind, more, options in settings(class_type):
            inputs[name] = self.value(kind, more, options)
        key = str(len(self.graph) + 1)
        self.graph[key] = {"class_type": class_type, "inputs": inputs}
        return key

    def link(self, kind: str, depth: int) -> list[Any]:
        ready = [
            [key, at]
            for key, node in self.graph.items()
            for at, gives in enumerate(INFO[node["class_type"]]["output"])
            if gives == kind
        ]
        if ready and (depth > 4 or self.dice.random() < 0.5):
            return self.dice.choice(ready)
        makers = MAKERS[kind]
        made = makers[0] if depth > 3 and kind != "LATENT" else self.dice.choice(makers[:1] if depth > 3 else makers)
        return [self.node(made, depth + 1), INFO[made]["output"].index(kind)]

    def value(self, kind: str, more: Mapping[str, Any], options: list[Any]) -> Any:
        low, high = more.get("min", 0), more.get("max", 1000)
        match kind:
            case "INT":
                return self.dice.randint(int(low), min(int(high), 2**53))
            case "FLOAT":
                return round(self.dice.uniform(low, high), 3)
            case "BOOLEAN":
                return self.dice.random() < 0.5
            case "STRING":
                return "".join(self.dice.choices(LETTERS, k=self.dice.randint(0, 9)))
        return self.dice.choice(options) if options else "nowhere.safetensors"


class Drawing:
    """A graph drawn in UI format, to which things are done that change nothing of what it means."""

    def __init__(self, graph: Mapping[str, Any], dice: random.Random) -> None:
        self.dice = dice
        self.nodes: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []
        self.subgraphs: list[dict[str, Any]] = []
        #: Ids that nodes have in the graph by now.
        self.renamed: dict[str, str] = {}
        self._next = 1000
        for key, node in graph.items():
            self.nodes.append(self._drawn(int(key), node))
        for key, node in graph.items():
            for name, value in node["inputs"].items():
                if isinstance(value, list):
                    self._link(int(value[0]), value[1], int(key), name)

    def _drawn(self, number: int, node: Mapping[str, Any]) -> dict[str, Any]:
        class_type, inputs = node["class_type"], node["inputs"]
        values: list[Any] = []
        slots = [{"name": name, "type": kind, "link": None} for name, kind, _ in sockets(class_type)]
        by_name = class_type.startswith("VHS_")
        for name, kind, _, _ in settings(class_type):
            values.append(inputs[name])
            if name in ("seed", "noise_seed"):
                values.append(self.dice.choice(["fixed", "randomize", "increment"]))
            if self.dice.random() < 0.5:
                slots.append({"name": name, "type": kind, "link": None, "widget": {"name": name}})
        if class_type in ("LoadImage", "LoadVideo"):
            values.append("image")
        outputs = [
            {"name": name, "type": kind, "links": []}
            for name, kind in zip(INFO[class_type]["output"], INFO[class_type]["output"], strict=True)
        ]
        named = {name: inputs[name] for name, *_ in settings(class_type)}
        return {
            "id": number, "type": class_type, "mode": 0, "inputs": slots, "outputs": outputs, "properties": {},
            "widgets_values": {**named, "videopreview": {"hidden": False}} if by_name else values,
        }  # fmt: skip

    def node(self, number: int) -> dict[str, Any]:
        return next(node for node in self.nodes if node["id"] == number)

    def fresh(self) -> int:
        self._next += 1
        return self._next

    def _link(self, origin: int, slot: int, target: int, name: str) -> None:
        inputs = self.node(target)["inputs"]
        at = next(at for at, each in enumerate(inputs) if each["name"] == name)
        number = self.fresh()
        inputs[at]["link"] = number
        self.links.append(
            {"id": number, "origin_id": origin, "origin_slot": slot, "target_id": target, "target_slot": at,
             "type": inputs[at]["type"]}
        )  # fmt: skip

    # what changes nothing -----------------------------------------------------------------------------------------

    def change(self) -> None:
        """Do one of the things that people do."""
        self.dice.choice([self.reroute, self.bypass, self.wire, self.primitive, self.mute, self.note, self.wrap])()

    def _between(self, made: dict[str, Any]) -> None:
        """Put a node with one input and one output into a link."""
        own = {node["id"] for node in self.nodes}
        free = [link for link in self.links if link["origin_id"] in own and link["target_id"] in own]
        if not free:
            return
        link = self.dice.choice(free)
        made |= {"id": self.fresh(), "properties": {}}
        for slot in made["inputs"] + made["outputs"]:
            slot["type"] = slot["type"] or link["type"]
        self.nodes.append(made)
        origin, slot = link["origin_id"], link["origin_slot"]
        link |= {"origin_id": made["id"], "origin_slot": 0}
        self._link(origin, slot, made["id"], made["inputs"][0]["name"])

    def reroute(self) -> None:
        self._between({"type": "Reroute", "mode": 0, "inputs": [{"name": "", "type": "*", "link": None}],
                       "outputs": [{"name": "", "type": "", "links": []}]})  # fmt: skip

    def bypass(self) -> None:
        """A bypassed node, of a class that the server needn't have, between two nodes."""
        self._between({"type": "Somebody's", "mode": 4, "inputs": [{"name": "in", "type": "", "link": None}],
                       "outputs": [{"name": "out", "type": "", "links": []}], "widgets_values": [1]})  # fmt: skip

    def wire(self) -> None:
        """A SetNode behind an output, and a GetNode of its name before an input."""
        own = {node["id"] for node in self.nodes}
        free = [link for link in self.links if link["origin_id"] in own and link["target_id"] in own]
        if not free:
            return
        link, name = self.dice.choice(free), f"wire {self.fresh()}"
        setter, getter = self.fresh(), self.fresh()
        slot = {"name": link["type"], "type": link["type"]}
        self.nodes.append({"id": setter, "type": "SetNode", "mode": 0, "inputs": [{**slot, "link": None}],
                           "outputs": [{**slot, "links": []}], "widgets_values": [name]})  # fmt: skip
        self.nodes.append({"id": getter, "type": "GetNode", "mode": 0, "inputs": [], "outputs": [{**slot, "links": []}],
                           "widgets_values": [name]})  # fmt: skip
        self._link(link["origin_id"], link["origin_slot"], setter, link["type"])
        link |= {"origin_id": getter, "origin_slot": 0}

    def primitive(self) -> None:
        """A primitive that gives a setting its value; what stands on the node itself no longer counts."""
        found = [
            (node, slot) for node in self.nodes if node["type"] in INFO for slot in node["inputs"]
            if "widget" in slot and slot["link"] is None
        ]  # fmt: skip
        if not found:
            return
        node, slot = self.dice.choice(found)
        value = self._swap(node, slot["name"])
        made = {"id": self.fresh(), "type": "PrimitiveNode", "mode": 0, "inputs": [], "properties": {},
                "outputs": [{"name": slot["type"], "type": slot["type"], "widget": {"name": slot["name"]}}],
                "widgets_values": [value, "fixed"]}  # fmt: skip
        self.nodes.append(made)
        self._link(made["id"], 0, node["id"], slot["name"])

    def _swap(self, node: dict[str, Any], name: str) -> Any:
        """Put another value in the place of a setting's, and return what was there."""
        values = node["widgets_values"]
        if isinstance(values, dict):
            key: Any = name
        else:
            names = [each for found in settings(node["type"]) for each in
                     ([found[0], ""] if found[0] in ("seed", "noise_seed") else [found[0]])]  # fmt: skip
            key = names.index(name)
        value = values[key]
        if isinstance(value, int | float) and not isinstance(value, bool):
            values[key] = 1
        return value

    def mute(self) -> None:
        """A muted node that takes something and gives it to nobody."""
        link = self.dice.choice(self.links) if self.links else None
        number = self.fresh()
        made = {"id": number, "type": "Unknown to the server", "mode": 2, "inputs": [], "outputs": []}
        if link is not None and link["origin_id"] in {node["id"] for node in self.nodes}:
            made["inputs"] = [{"name": "x", "type": link["type"], "link": None}]
            self.nodes.append(made)
            self._link(link["origin_id"], link["origin_slot"], number, "x")
        else:
            self.nodes.append(made)

    def note(self) -> None:
        kind = self.dice.choice(["Note", "MarkdownNote"])
        self.nodes.append({"id": self.fresh(), "type": kind, "mode": 0, "widgets_values": ["a note"]})

    def wrap(self) -> None:
        """Some nodes of the canvas become a subgraph; the same again wraps subgraphs too."""
        inside = [node for node in self.nodes if self.dice.random() < 0.4]
        if not inside or any(node["type"] in ("GetNode", "SetNode") for node in inside):
            return
        number, kind = self.fresh(), f"00000000-0000-4000-8000-{self.fresh():012d}"
        ids = {node["id"] for node in inside}
        inputs: list[dict[str, Any]] = []
        outputs: list[dict[str, Any]] = []
        own: list[dict[str, Any]] = []
        rest: list[dict[str, Any]] = []
        given: dict[tuple[int, int], int] = {}
        instance = {"id": number, "type": kind, "mode": 0, "inputs": [], "outputs": [], "properties": {}}
        for link in self.links:
            starts, ends = link["origin_id"] in ids, link["target_id"] in ids
            if starts and ends:
                own.append(link)
            elif ends:
                at = len(inputs)
                inner = self.node(link["target_id"])["inputs"][link["target_slot"]]
                inputs.append({"name": f"in{at}", "type": link["type"]})
                instance["inputs"].append({"name": f"in{at}", "type": link["type"], "link": link["id"]})
                fresh = self.fresh()
                inner["link"] = fresh
                own.append({**link, "id": fresh, "origin_id": -10, "origin_slot": at})
                rest.append({**link, "target_id": number, "target_slot": at})
            elif starts:
                place = (link["origin_id"], link["origin_slot"])
                if place not in given:
                    given[place] = len(outputs)
                    outputs.append({"name": f"out{given[place]}", "type": link["type"]})
                    instance["outputs"].append({"name": f"out{given[place]}", "type": link["type"], "links": []})
                    own.append({**link, "id": self.fresh(), "target_id": -20, "target_slot": given[place]})
                rest.append({**link, "origin_id": number, "origin_slot": given[place]})
            else:
                rest.append(link)
        self.subgraphs.append({"id": kind, "nodes": inside, "links": own, "inputs": inputs, "outputs": outputs})
        self.nodes = [node for node in self.nodes if node["id"] not in ids] + [instance]
        self.links = rest
        for node in inside:
            self._rename(node, f"{number}:")

    def _rename(self, node: Mapping[str, Any], prefix: str) -> None:
        """Note that a node, or all that is inside of it, has another id in the graph."""
        start = str(node["id"])
        for key in [*self.renamed, start]:
            now = self.renamed.get(key, key)
            if now == start or now.startswith(f"{start}:"):
                self.renamed[key] = f"{prefix}{now}"

    def file(self) -> dict[str, Any]:
        """Return it as a file of version 0.4 or 1."""
        old = self.dice.random() < 0.5
        order = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        links = [[link[key] for key in order] if old else link for link in self.links]
        made = {
            "version": 0.4 if old else 1, "nodes": self.nodes, "links": links,
            "definitions": {"subgraphs": self.subgraphs}, "extra": {},
        }  # fmt: skip
        return copy.deepcopy(made)


def expected(graph: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Return a graph under the ids that its nodes have by now."""

    def moved(value: Any) -> Any:
        return [renamed.get(value[0], value[0]), value[1]] if isinstance(value, list) else value

    return {
        renamed.get(key, key): {**node, "inputs": {name: moved(value) for name, value in node["inputs"].items()}}
        for key, node in graph.items()
    }

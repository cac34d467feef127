"""A drafted manifest as text: what was found in a graph, with comments for whoever corrects it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service import graph as graphs
from service.comfy.folders import models_of
from service.comfy.packs import pack_of
from service.drafting import Findings, find
from service.errors import Problem, Rejected
from service.graph import Graph
from service.guard import identity_nodes
from service.manifest import RESERVED_FOLDERS

_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
#: Names that have rules of their own.
_TAKEN = frozenset({"adult", "text_to_video_nsfw", "text-to-video-nsfw"})
_SEED_MAX = 2**53 - 1
#: Job field → type, smallest and largest value where the rule of its family says nothing.
_KINDS: Mapping[str, tuple[str, float | None, float | None]] = {
    "prompt": ("text", None, None), "negative_prompt": ("text", None, None), "seed": ("whole", 0, _SEED_MAX),
    "width": ("whole", 64, 4096), "height": ("whole", 64, 4096), "frames": ("whole", 1, 1000),
    "fps": ("number", 1, 120), "steps": ("whole", 1, 150), "cfg": ("number", 0, 100), "sampler": ("text", None, None),
    "scheduler": ("text", None, None), "checkpoint": ("text", None, None), "vae": ("text", None, None),
}  # fmt: skip
#: What config.yaml must not put in the place of the graph's own value.
_KEPT = frozenset({"width", "height", "frames", "fps", "steps", "cfg", "sampler", "scheduler", "checkpoint", "vae"})


def draft(name: str, data: bytes, notes: Sequence[str] = ()) -> str:
    """
    Return a manifest for a graph in API format, named as its file; raise Rejected with what keeps it from one.

    `notes` are sentences on where the graph comes from, for whoever corrects it.
    """
    task = name.replace("_", "-")
    if name in _TAKEN:
        title = f"No workflow of yours can be called {name}."
        raise Rejected(Problem("adult_workflow", title, "Rename the file; whatever it makes is screened."))
    if not _NAME.match(name) or task in RESERVED_FOLDERS:
        better = re.sub(r"[^a-z0-9_-]+", "_", name.lower()).strip("_-")[:60] or "my_workflow"
        better = f"my_{better}" if better.replace("_", "-") in RESERVED_FOLDERS else better
        fix = f"Rename the file, for example {better}.json."
        raise Rejected(Problem("bad_name", f"{name} can't be a workflow's name: it names a folder too.", fix))
    graph = graphs.parse(data)
    found = find(graph)
    return "\n".join(_lines(name, task, graph, found, notes)) + "\n"


def _lines(name: str, task: str, graph: Graph, found: Findings, notes: Sequence[str]) -> Iterator[str]:
    yield f"# Drafted by Reeldrop from {name}.json, by its nodes and links: look it over, and correct what is wrong."
    yield from (f"# Converted: {_remark(note)}" for note in notes)
    yield "# Each entry says which input of which node gets a job's value. The format: docs/workflows.md."
    yield f"# Drop files into inbox/{task}/, or name another task here, for example task: text-to-video."
    if needing := identity_nodes({node: graph[node] for node in found.needed}):
        shown = _remark(", ".join(f"{node} ({class_type})" for node, class_type in list(needing.items())[:5]))
        yield f"# Its jobs need consent: true, for the nodes {shown} carry somebody's identity, or may."
    yield "schema: 1"
    yield f"title: {_text(name.replace('_', ' ').replace('-', ' ').capitalize())}"
    if found.media:
        yield from ("", "media:")
        for role, (node, key, kind) in found.media.items():
            yield f"  {role}: {{kind: {kind}, node: {_text(node)}, input: {_text(key)}}}"
    if found.fields:
        yield from ("", "parameters:")
        yield from (f"  {field}: {_parameter(field, found)}" for field in _KINDS if field in found.fields)
    yield from (f"# Left out: {_remark(note)}" for note in found.notes)
    yield from ("", f"output: {{node: {_text(found.output)}}}")
    if video := next((role for role, (_, _, kind) in found.media.items() if kind == "video"), None):
        yield "# If the result is as large, as fast and as long as that video, let it be checked so:"
        yield f"# output: {{node: {_text(found.output)}, follow: {video}}}"
    yield from _ladder(found)
    yield from _needs(graph, found)


def _parameter(field: str, found: Findings) -> str:
    places, value = found.fields[field]
    kind, low, high = _KINDS[field]
    step, base = found.rules.get(field, (1, 0))
    parts = [f"type: {kind}"]
    if field == "prompt" and not found.media:
        parts.append("required: true")
    if low is not None and high is not None:
        # What stands in the graph is always allowed.
        parts += [
            f"minimum: {_number(min(low, value))}",
            f"maximum: {_number(high if field == 'seed' else max(high, value))}",
        ]
    if step > 1 and (value - base) % step == 0:
        parts += [f"multiple_of: {step}"] + ([f"base: {base}"] if base else [])
    if field in _KEPT:
        parts.append(f"default: {_text(value) if isinstance(value, str) else _number(value)}")
    targets = [f"{{node: {_text(node)}, input: {_text(key)}}}" for node, key in places]
    parts.append(f"to: {targets[0] if len(targets) == 1 else '[' + ', '.join(targets) + ']'}")
    return "{" + ", ".join(parts) + "}"


def _ladder(found: Findings) -> Iterator[str]:
    steps = []
    if {"width", "height"} <= found.fields.keys():
        steps.append("  - {width: 0.75, height: 0.75}")
    if "frames" in found.fields:
        steps.append("  - {frames: 0.5}")
    if steps:
        yield from ("", "# What becomes smaller, step by step, where the server runs out of memory.", "ladder:", *steps)


def _needs(graph: Graph, found: Findings) -> Iterator[str]:
    packs: dict[tuple[str, str], list[str]] = {}
    for node in graph.values():
        if (pack := pack_of(node["class_type"])) is not None:
            classes = packs.setdefault((pack.name, pack.url), [])
            classes += [node["class_type"]] if node["class_type"] not in classes else []
    models = [tuple(entry.split("/", 1)) for entry in models_of(graph) if "/" in entry]
    if not packs and not models:
        return
    yield from ("", "needs:")
    if packs:
        yield "  nodes:"
        for (name, url), classes in packs.items():
            yield f"    - {{pack: {_text(name)}, url: {_text(url)}, classes: {_list(classes)}}}"
    if models:
        yield "  models:"
        for folder, file in models:
            field = next((each for each in ("checkpoint", "vae") if found.fields.get(each, ([], ""))[1] == file), None)
            named = f", parameter: {field}" if field else ""
            yield f"    - {{folder: {_text(folder)}, file: {_text(file)}{named}}}"


def _remark(text: str) -> str:
    """Return somebody's words so that they stay in the line of their comment."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _text(value: Any) -> str:
    """Return a text in double quotes, which means the same in YAML as in JSON."""
    return json.dumps(str(value), ensure_ascii=False)

"""A graph against what a server has: every problem at once, before anything is sent.

The server itself names only the first missing node, and newer ones let wrong values pass that fail hours later. What we
don't know is let through: node packs bring types and checks of their own, and a false alarm is worse than a late one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from service.comfy.declared import inputs_for
from service.comfy.folders import folder_of, looks_like_a_model
from service.comfy.links import check_links, reached_from
from service.comfy.options import Spec, spec_of
from service.comfy.packs import core_of, pack_of
from service.errors import Problem
from service.node_classes import HARMLESS, IDENTITY

_LONGEST_LIST = 8


def check(
    graph: Mapping[str, Any],
    object_info: Mapping[str, Any],
    *,
    uploads: Collection[str] = (),
    sources: Mapping[str, str] = MappingProxyType({}),
    embedded: bool = False,
) -> tuple[Problem, ...]:
    """Given a graph and GET /object_info, return every missing node class, missing model and bad value, in node order.

    Of a value, `field` is its node and input, as in "12.sampler_name". Codes: node_missing, model_missing,
    bad_value. Inputs that take uploaded files aren't checked against the server's list, nor is any value among
    `uploads`, the references of this job's own files. `sources` says in a sentence where to get models, by
    "folder/name".
    The embedded engine (`embedded`) can't be given more nodes: what it lacks is one problem, whose cure is a ComfyUI.
    """
    problems: list[Problem] = []
    outputs = [str(node_id) for node_id, node in graph.items() if _is_output(node, object_info)]
    # The server never runs what no output asks for, so only a wrong class matters there.
    needed = reached_from(outputs, graph) if outputs else set(graph)
    for node_id, node in graph.items():
        problems += _check_node(str(node_id), node, object_info, uploads if node_id in needed else None, sources)
    if embedded and (lacking := _lacking(graph, object_info)):
        problems.append(_not_drawn(list(lacking)))
    else:
        problems += missing_nodes(graph, object_info)
    problems += check_links(graph, object_info)
    if not problems and not outputs:
        problems.append(_bad("The workflow saves nothing.", "Add a node that saves, for example Save Video."))
    return tuple(dict.fromkeys(problems))


def _is_output(node: Any, object_info: Mapping[str, Any]) -> bool:
    info = object_info.get(str(node.get("class_type"))) if isinstance(node, Mapping) else None
    return isinstance(info, Mapping) and bool(info.get("output_node"))


def _check_node(
    node_id: str,
    node: Any,
    object_info: Mapping[str, Any],
    uploads: Collection[str] | None,
    sources: Mapping[str, str],
) -> Iterator[Problem]:
    class_type = node.get("class_type") if isinstance(node, Mapping) else None
    if not isinstance(class_type, str) or not isinstance(node.get("inputs"), Mapping):
        yield _bad(f"Node {node_id} of the workflow is no node.", "Export the workflow again, in API format.")
        return
    info = object_info.get(class_type)
    if isinstance(info, Mapping) and uploads is not None:
        for found in _check_inputs(f"node {node_id} ({class_type})", class_type, node["inputs"], info, uploads):
            source = sources.get(found.detail) if found.code == "model_missing" else None
            fix = f"{found.fix} {source}" if source else found.fix
            yield replace(found, fix=fix, field=f"{node_id}.{found.field}")


def _check_inputs(
    at: str, class_type: str, given: Mapping[str, Any], info: Mapping[str, Any], uploads: Collection[str]
) -> Iterator[Problem]:
    for name, raw, required in inputs_for(info, given):
        value = given.get(name)
        if name in given and not (isinstance(value, str) and value in uploads):
            for found in _check_value(at, class_type, name, value, spec_of(class_type, name, raw)):
                yield replace(found, field=name)
        elif required and name not in given:
            missing = _bad(f"At {at} the input {name} is missing.", "Connect it or give it a value.")
            yield replace(missing, field=name)


def _check_value(at: str, class_type: str, name: str, value: Any, spec: Spec | None) -> Iterator[Problem]:
    if spec is None or isinstance(value, list | Mapping):
        return
    if spec.options is not None:
        if value not in spec.options:
            yield _not_in_list(at, class_type, name, value, spec.options)
        return
    wrong = _wrong_kind(value, spec.kind)
    if wrong:
        yield _bad(f"At {at} {name} must be {wrong}, not {value!r}.", "Correct the job's value or the workflow.")
    elif spec.minimum is not None and value < spec.minimum:
        yield _bad(f"At {at} {name} is {value}, less than {spec.minimum}.", f"Write {spec.minimum} or more.")
    elif spec.maximum is not None and value > spec.maximum:
        yield _bad(f"At {at} {name} is {value}, more than {spec.maximum}.", f"Write {spec.maximum} or less.")


def _wrong_kind(value: Any, kind: str) -> str | None:
    """Return what the value should have been; the server would bend "64" and 64.7 into 64 without a word."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "INT" and not (number and value == value // 1):
        return "a whole number"
    if kind == "FLOAT" and not (number and abs(value) != float("inf") and value == value):  # noqa: PLR0124  NaN
        return "a number"
    if kind == "BOOLEAN" and not isinstance(value, bool):
        return "true or false"
    return "a text" if kind == "STRING" and not isinstance(value, str) else None


def _not_in_list(at: str, class_type: str, name: str, value: Any, options: Sequence[Any]) -> Problem:
    if not looks_like_a_model(class_type, name, value):
        return _bad(f"At {at} {name} can't be {value!r}.", _choices(value, options))
    folder = folder_of(class_type, name)
    where = f"ComfyUI's models/{folder}/ folder" if folder else "the folder where that node looks for its models"
    nearest = _nearest(value, options)
    return Problem(
        "model_missing",
        f"The server lacks the model {value}, which {at} needs.",
        f"Put it into {where}{f', or name {nearest}, which is there' if nearest else ''}.",
        f"{folder}/{value}" if folder else str(value),
    )


def _nearest(value: Any, options: Sequence[Any]) -> str | None:
    """Return the option that was probably meant: another folder or another slash counts less than another name."""
    texts = [option for option in options if isinstance(option, str)]
    wanted = str(value).replace("\\", "/")
    for same in (str.lower, lambda text: text.rpartition("/")[2].lower()):
        for text in texts:
            if same(text.replace("\\", "/")) == same(wanted):
                return text
    # Endings are alike anyway, so only the stems count.
    by_stem = {_stem(text): text for text in texts}
    return next((by_stem[stem] for stem in get_close_matches(_stem(wanted), by_stem, n=1, cutoff=0.6)), None)


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem.lower()


def _choices(value: Any, options: Sequence[Any]) -> str:
    nearest = _nearest(value, options)
    if nearest is not None:
        return f"Did you mean {nearest}?"
    if not options:
        return "The server has nothing to choose from there."
    shown = ", ".join(str(option) for option in options[:_LONGEST_LIST])
    return f"Choose one of {shown}{' and others' if len(options) > _LONGEST_LIST else ''}."


def missing_nodes(graph: Mapping[str, Any], object_info: Mapping[str, Any]) -> Iterator[Problem]:
    """Return a problem for each class that the server lacks, with every node that is of it."""
    return (_node_missing(class_type, nodes) for class_type, nodes in _lacking(graph, object_info).items())


def _lacking(graph: Mapping[str, Any], object_info: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return each class that the server lacks, with every node that is of it."""
    lacking: dict[str, list[str]] = {}
    for node_id, node in graph.items():
        class_type = node.get("class_type") if isinstance(node, Mapping) else None
        if not isinstance(class_type, str) or not isinstance(node.get("inputs"), Mapping):
            continue
        if not isinstance(object_info.get(class_type), Mapping):
            lacking.setdefault(class_type, []).append(_named(str(node_id), node, class_type))
    return lacking


def _named(node_id: str, node: Mapping[str, Any], class_type: str) -> str:
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return f"{node_id} ‘{title[:60]}’" if isinstance(title, str) and title not in ("", class_type) else node_id


def _node_missing(class_type: str, nodes: Sequence[str]) -> Problem:
    shown = ", ".join(nodes[:_LONGEST_LIST])
    title = f"The server lacks the node {class_type} (node{'s' if len(nodes) > 1 else ''} {shown} of the workflow)."
    pack, core = pack_of(class_type), core_of(class_type)
    if pack is not None:
        fix = f"Install the node pack {pack.name} ({pack.url}) and restart ComfyUI."
    elif core is not None:
        fix = f"Update ComfyUI to {core} or newer, which has it."
    elif class_type in HARMLESS or class_type in IDENTITY:
        fix = "It is one of ComfyUI's own nodes: update ComfyUI, or, in place of the preview engine, use a ComfyUI."
    else:
        fix = "Install the node pack that brings it, or update ComfyUI, and restart it."
    return Problem("node_missing", title, fix)


def _not_drawn(classes: Sequence[str]) -> Problem:
    more = len(classes) - _LONGEST_LIST
    shown = ", ".join(classes[:_LONGEST_LIST]) + (f" and {more} others" if more > 0 else "")
    title = f"The preview engine can't run this workflow: it has no {shown}."
    packs = dict.fromkeys(pack for pack in map(pack_of, classes) if pack is not None)
    named = ", ".join(f"{pack.name} ({pack.url})" for pack in packs)
    installed = f" that has the node pack{'s' if len(packs) > 1 else ''} {named}" if packs else ""
    fix = f"It draws by rules and runs no AI model: name a ComfyUI{installed} under backends in config.yaml."
    return Problem("node_missing", title, fix)


def _bad(title: str, fix: str) -> Problem:
    return Problem("bad_value", title, fix)

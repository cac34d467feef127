"""The rules of responsible use that are decided from the graph that will run, not from what a manifest claims."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import Problem
from service.node_classes import (
    AS_LINKED,
    GENERATORS,
    HARMLESS,
    IDENTITY,
    LOADER_FILE,
    LOADER_INPUTS,
    MEDIA_TYPES,
    PASSING,
    REFUSED,
)

#: A server reference that could name something else than an upload of ours.
_ELSEWHERE = re.compile(r"^\s*(?:[/\\~]|[A-Za-z]:|[\w+.-]+://|file:)|(?:^|[/\\])\.\.(?:[/\\]|$)|\[output\]\s*$")
_ANNOTATED = re.compile(r"\[(?:input|temp)\]\s*$")
_EVERYTHING = tuple(sorted(MEDIA_TYPES))


@dataclass(frozen=True)
class _Node:
    """One node of a graph, as far as the rules ask about it."""

    key: str
    class_type: str
    inputs: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"node {self.key[:80]!r} ({self.class_type[:80]})"


def check_graph(
    graph: Mapping[str, Any],
    role_files: Collection[str],
    outputs_of: Mapping[str, Sequence[str]] | None = None,
    *,
    consent: bool = False,
    unseen: bool = False,
) -> tuple[Problem, ...]:
    """Return every reason why this graph may not run; an empty tuple means that it may.

    `graph` is a ComfyUI graph in API format, `role_files` the server references of the job's media exactly as they
    stand in the graph ("reeldrop/x/cat.png [temp]"), `outputs_of` the output types by class that the server told; it
    speaks only for classes on neither list and can only make the answer stricter for the others. `consent` says that
    the job itself has it, without which nothing runs that transfers an identity. `unseen` says that a server
    may tell more later: what hangs on classes that nobody knows isn't judged, and must be before it runs. Every node
    counts, also one that nothing is connected to. Raises nothing: a graph that is none is a problem like the others.
    """
    if not isinstance(graph, Mapping) or not graph:
        return (_malformed("The graph has no nodes."),)
    told = outputs_of or {}
    nodes = {str(key): _Node(str(key), *_parts(value)) for key, value in graph.items()}
    later = {key for key, node in nodes.items() if _hangs_on_unknown(node, nodes, told)} if unseen else set()
    problems = [
        problem for node in nodes.values() for problem in _check_node(node, nodes, role_files, told, node.key in later)
    ]
    transferring = [] if consent else [node for node in nodes.values() if _transfers_identity(node)]
    return (*([_consent_missing(transferring)] if transferring else []), *problems)


def identity_nodes(graph: Mapping[str, Any]) -> dict[str, str]:
    """Return the nodes for which a graph needs consent, by id with their class: on the list, or on neither."""
    nodes = [_Node(str(key), *_parts(value)) for key, value in graph.items()]
    return {node.key: node.class_type for node in nodes if _transfers_identity(node)}


def outputs_of(object_info: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the output types by class from a server's object_info, as `check_graph` takes them."""
    return {name: entry.get("output") or () for name, entry in object_info.items() if isinstance(entry, Mapping)}


def _parts(value: Any) -> tuple[str, Mapping[str, Any]]:
    value = value if isinstance(value, Mapping) else {}
    class_type, inputs = value.get("class_type"), value.get("inputs", {})
    return (class_type if isinstance(class_type, str) else ""), (inputs if isinstance(inputs, Mapping) else {})


def _check_node(
    node: _Node,
    nodes: Mapping[str, _Node],
    role_files: Collection[str],
    told: Mapping[str, Sequence[str]],
    later: bool,  # noqa: FBT001
) -> Iterator[Problem]:
    if not node.class_type:
        yield _malformed(f"Node {node.key[:80]!r} of the graph has no class_type.")
        return
    if node.class_type in REFUSED:
        yield _refused(node)
        return
    if node.class_type not in HARMLESS:
        yield from _foreign_files(node)
    if node.class_type in LOADER_FILE:
        yield from _listed_loader(node, role_files)
    elif not later:
        yield from _check_unlisted(node, nodes, told)


def _check_unlisted(node: _Node, nodes: Mapping[str, _Node], told: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    if (
        node.class_type not in GENERATORS
        and not _only_hands_on(node, told)
        and _media((*_outputs(node.class_type, told), *told.get(node.class_type, ())))
        and not any(_carries_media(value, nodes, told) for value in node.inputs.values())
    ):
        yield Problem(
            code="loader_refused",
            title=f"The workflow's {node.label} gives out a picture or video that comes from none of the job's files.",
            fix="Link a picture, mask, video or latent into it, or take the node out of the workflow.",
        )


def _only_hands_on(node: _Node, told: Mapping[str, Sequence[str]]) -> bool:
    """Say whether nothing comes out of a node but what is linked into it; a server that tells otherwise is believed."""
    return node.class_type in PASSING and tuple(told.get(node.class_type, (AS_LINKED,))) == (AS_LINKED,)


def _hangs_on_unknown(node: _Node, nodes: Mapping[str, _Node], told: Mapping[str, Sequence[str]]) -> bool:
    """Say whether what a node gives out, or what comes into it, is of a class that no server has told of yet."""
    lists = (HARMLESS, IDENTITY, told)
    found, waiting = {node.key}, [node]
    while waiting:
        each = waiting.pop()
        if not any(each.class_type in known for known in lists):
            return True
        if each is node or each.class_type in PASSING:
            keys = {value[0] for value in each.inputs.values() if _is_link(value) and value[0] in nodes} - found
            found |= keys
            waiting += [nodes[key] for key in keys]
    return False


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _listed_loader(node: _Node, role_files: Collection[str]) -> Iterator[Problem]:
    file_input = LOADER_FILE[node.class_type]
    reference = node.inputs.get(file_input)
    if not (isinstance(reference, str) and reference in role_files and _is_upload(reference)):
        yield Problem(
            code="loader_refused",
            title=f"The workflow's {node.label} loads a file that isn't one of the job's own.",
            fix=f"Let the manifest bind its input {file_input!r} to one of the job's media roles.",
            detail="" if not isinstance(reference, str) else f"it names {reference[:80]!r}",
        )
    for name in node.inputs:
        if name != file_input and name not in LOADER_INPUTS[node.class_type]:
            yield Problem(
                code="loader_refused",
                title=f"The workflow's {node.label} has an input {str(name)[:80]!r} that this class doesn't know.",
                fix="Take that input out of the workflow, or export the workflow again from ComfyUI.",
            )


def _is_upload(reference: str) -> bool:
    """An upload of ours is relative, climbs nowhere and is never read from the server's results."""
    return reference.isprintable() and "\\" not in reference and not _ELSEWHERE.search(reference)


def _carries_media(
    value: Any, nodes: Mapping[str, _Node], told: Mapping[str, Sequence[str]], past: frozenset[str] = frozenset()
) -> bool:
    """Say whether an input is a link to an output of one of the media types, `past` nodes that only hand things on."""
    match value:
        case [str(key), int(slot)] if not isinstance(slot, bool) and key in nodes:
            if nodes[key].class_type in PASSING:
                further = nodes[key].inputs.values() if slot == 0 and key not in past else ()
                return any(_carries_media(each, nodes, told, past | {key}) for each in further)
            outputs = _outputs(nodes[key].class_type, told, unknown=())
            return 0 <= slot < len(outputs) and outputs[slot] in MEDIA_TYPES
        case _:
            return False


def _outputs(class_type: str, told: Mapping[str, Sequence[str]], unknown: Sequence[str] = _EVERYTHING) -> Sequence[str]:
    """Return a class's output types; what nobody knows is assumed to be `unknown`.

    A newer server may give a listed class more outputs behind those that we know: its save nodes hand pictures on.
    """
    ours = HARMLESS.get(class_type, IDENTITY.get(class_type))
    theirs = tuple(told.get(class_type, unknown if ours is None else ours))
    return theirs if ours is None or theirs[: len(ours)] == ours else ours


def _media(outputs: Sequence[str]) -> frozenset[str]:
    # "*" is a link type that takes the shape of whatever it is plugged into, and a comma stands between several.
    kinds = {kind for output in outputs for kind in str(output).split(",")}
    return frozenset(kind for kind in kinds if kind in MEDIA_TYPES or kind in ("*", AS_LINKED))


def _foreign_files(node: _Node) -> Iterator[Problem]:
    for name, value in node.inputs.items():
        if any(_ELSEWHERE.search(text) or _ANNOTATED.search(text) for text in _texts(value)):
            yield Problem(
                code="loader_refused",
                title=f"The workflow's {node.label} names a file or address of its own in {str(name)[:80]!r}.",
                fix="Take it out of the workflow: a job only reads its own media.",
            )


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list() | tuple():
            for item in value:
                yield from _texts(item)
        case Mapping():
            for item in value.values():
                yield from _texts(item)


def _transfers_identity(node: _Node) -> bool:
    return bool(node.class_type) and node.class_type not in HARMLESS and node.class_type not in REFUSED


def _consent_missing(nodes: Sequence[_Node]) -> Problem:
    first = next((node for node in nodes if node.class_type in IDENTITY), nodes[0])
    reason = (
        "carries a person's identity from one picture into another"
        if first.class_type in IDENTITY
        else "isn't known to be harmless, so it counts as carrying a person's identity"
    )
    others = f" ({len(nodes) - 1} more nodes count so too)" if len(nodes) > 1 else ""
    return Problem(
        code="consent_missing",
        title=f"consent is missing: the workflow's {first.label} {reason}{others}.",
        fix="If everyone shown has agreed, write consent: true into the job file itself.",
        field="consent",
    )


def _refused(node: _Node) -> Problem:
    return Problem(
        code="loader_refused",
        title=f"The workflow's {node.label} is never run: {REFUSED[node.class_type]}.",
        fix="Load the job's media with LoadImage, LoadVideo or VHS_LoadVideo instead.",
    )


def _malformed(title: str) -> Problem:
    return Problem(code="bad_graph", title=title, fix="Export the workflow again from ComfyUI with 'Export (API)'.")

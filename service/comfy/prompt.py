"""What POST /prompt is sent: well-formed or not at all, for some servers wedge for good on what isn't."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

#: Sent with every prompt: VideoHelperSuite shall keep neither a first-frame picture nor the silent twin of a video that
#: has sound, and newer servers shall send previews though they were started without. What isn't known is ignored.
#: `workflow` is an object because the job list of ComfyUI 0.8 and newer answers 500 for ever after anything else.
EXTRA_DATA: Mapping[str, Any] = {
    "extra_pnginfo": {"workflow": {"extra": {"VHS_MetadataImage": False, "VHS_KeepIntermediate": False}}},
    "preview_method": "auto",
}


def body_of(prompt_id: str, graph: Mapping[str, Any], client_id: str, extra_data: Mapping[str, Any]) -> bytes:
    """Return the body of POST /prompt as JSON; raise ValueError if anything in it is malformed."""
    if not isinstance(prompt_id, str) or str(uuid.UUID(prompt_id)) != prompt_id:
        raise ValueError(f"a prompt id is a lower-case UUID with hyphens, not {prompt_id!r}")
    # A list here ends the server's process.
    if not isinstance(client_id, str) or not client_id:
        raise ValueError("a client id is a text that isn't empty")
    if not isinstance(extra_data, Mapping):
        raise ValueError("extra_data is an object")
    _check_pnginfo(extra_data)
    check_form(graph)
    said = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id, "extra_data": dict(extra_data)}
    # NaN and Infinity are no JSON, yet the server would take them as numbers.
    return json.dumps(said, allow_nan=False).encode()


def _check_pnginfo(extra_data: Mapping[str, Any]) -> None:
    pnginfo = extra_data.get("extra_pnginfo", {})
    if not isinstance(pnginfo, Mapping) or not isinstance(pnginfo.get("workflow", {}), Mapping):
        raise ValueError("extra_pnginfo is an object, and so is its workflow")


def check_form(graph: Mapping[str, Any]) -> None:
    """Raise ValueError if the graph's form would wedge a server or make it answer 500: a bug of ours, not a mistake."""
    if not graph:
        raise ValueError("a graph has at least one node")
    for node_id, node in graph.items():
        if not isinstance(node_id, str) or not isinstance(node, Mapping):
            raise ValueError(f"node {node_id!r} is no object under a text id")
        if not isinstance(node.get("class_type"), str) or not isinstance(node.get("inputs"), Mapping):
            raise ValueError(f"node {node_id!r} needs a class_type and inputs")
        if not isinstance(node.get("_meta", {}), Mapping):
            raise ValueError(f"node {node_id!r} has a _meta that is no object")
        _check_links(node_id, node["inputs"].values(), graph)


def _check_links(node_id: str, values: Iterable[Any], graph: Mapping[str, Any]) -> None:
    for value in values:
        if not isinstance(value, list | tuple):
            continue
        if len(value) != 2 or not isinstance(value[0], str) or type(value[1]) is not int or value[0] not in graph:
            raise ValueError(f"node {node_id!r} has a link to nowhere: {value!r}")

"""What one WebSocket frame of the server says, for any prompt.

Theory of operation: a frame is text (JSON with `type` and `data`) or binary (a big-endian event number, then an
image). Both layouts are the same from ComfyUI 0.3.64 to 0.33.0, but new servers may say new things, node packs send
frames of their own under known numbers, and a frame may be anything at all. So whatever is not understood is None,
never an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_EVENT_PICTURE = 1
_EVENT_PICTURE_WITH_METADATA = 4
_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
#: VideoHelperSuite puts a frame index and a node id before its JPEG, under ComfyUI's own event number: 24 bytes as
#: recorded. So the picture is looked for in the first few bytes.
_LONGEST_PREFIX_BYTES = 64


@dataclass(frozen=True)
class Began:
    """The server has begun to work on this prompt."""

    prompt_id: str


@dataclass(frozen=True)
class Cached:
    """These nodes need no work: the server still holds what they gave last time."""

    prompt_id: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Executing:
    """This node runs now; None means that the prompt is over, however it ended.

    Without a prompt id (after a reconnect) it is a hint about whatever prompt runs.
    """

    prompt_id: str | None
    node: str | None


@dataclass(frozen=True)
class NodeSteps:
    """How far one node is: value of maximum steps."""

    node: str
    value: float
    maximum: float
    finished: bool


@dataclass(frozen=True)
class Steps:
    """How far some nodes of this prompt are."""

    prompt_id: str
    nodes: tuple[NodeSteps, ...]


@dataclass(frozen=True)
class Executed:
    """This output node has given its result."""

    prompt_id: str
    node: str


@dataclass(frozen=True)
class Ended:
    """The server says that the prompt is over; only its history says how."""

    prompt_id: str


@dataclass(frozen=True)
class Picture:
    """A preview: the bytes of a JPEG or PNG; old layouts don't say for which prompt."""

    prompt_id: str | None
    data: bytes


Said = Began | Cached | Executing | Steps | Executed | Ended | Picture


def read(frame: str | bytes) -> Said | None:
    """Return what a frame says, or None for all that we don't know or can't read."""
    if isinstance(frame, bytes):
        return _read_binary(frame)
    try:
        said = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    data = said.get("data")
    return _read_text(said.get("type"), data) if isinstance(data, dict) else None


def _read_text(kind: Any, data: Mapping[str, Any]) -> Said | None:
    prompt_id = data.get("prompt_id")
    if kind == "executing":
        return _read_executing(data, prompt_id)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return reader(prompt_id, data) if reader and isinstance(prompt_id, str) else None


def _read_executing(data: Mapping[str, Any], prompt_id: Any) -> Executing | None:
    node = data.get("node")
    if "node" not in data or not isinstance(node, str | None) or not isinstance(prompt_id, str | None):
        return None
    return Executing(prompt_id, node)


def _read_cached(prompt_id: str, data: Mapping[str, Any]) -> Cached:
    nodes = data.get("nodes")
    return Cached(prompt_id, tuple(node for node in nodes if isinstance(node, str)) if isinstance(nodes, list) else ())


def _read_progress(prompt_id: str, data: Mapping[str, Any]) -> Steps | None:
    steps = _steps(data.get("node"), data)
    return Steps(prompt_id, (steps,)) if steps else None


def _read_executed(prompt_id: str, data: Mapping[str, Any]) -> Executed | None:
    node = data.get("node")
    return Executed(prompt_id, node) if isinstance(node, str) else None


_READERS: dict[str, Callable[[str, Mapping[str, Any]], Said | None]] = {
    "execution_start": lambda prompt_id, _: Began(prompt_id),
    "execution_cached": _read_cached,
    "progress": _read_progress,
    "progress_state": lambda prompt_id, data: Steps(prompt_id, _all_steps(data.get("nodes"))),
    "executed": _read_executed,
    "execution_success": lambda prompt_id, _: Ended(prompt_id),
    "execution_error": lambda prompt_id, _: Ended(prompt_id),
    "execution_interrupted": lambda prompt_id, _: Ended(prompt_id),
}


def _steps(node: Any, data: Any) -> NodeSteps | None:
    if not isinstance(node, str) or not isinstance(data, dict):
        return None
    value, maximum = _number(data.get("value")), _number(data.get("max"))
    if value is None or maximum is None:
        return None
    return NodeSteps(node, value, maximum, finished=data.get("state") == "finished")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _all_steps(nodes: Any) -> tuple[NodeSteps, ...]:
    if not isinstance(nodes, dict):
        return ()
    found = []
    for node, state in nodes.items():
        # Nodes that a node makes while it runs have ids of their own; display_node_id is the one that the graph has.
        shown = state.get("display_node_id", node) if isinstance(state, dict) else node
        steps = _steps(shown, state)
        if steps and shown != node:
            steps = NodeSteps(steps.node, steps.value, steps.maximum, finished=False)
        if steps:
            found.append(steps)
    return tuple(found)


def _read_binary(frame: bytes) -> Picture | None:
    event = int.from_bytes(frame[:4], "big") if len(frame) > 8 else 0
    if event == _EVENT_PICTURE:
        return _picture(None, frame[8:])
    if event == _EVENT_PICTURE_WITH_METADATA:
        end = 8 + int.from_bytes(frame[4:8], "big")
        return _picture(_prompt_of(frame[8:end]), frame[end:])
    return None


def _prompt_of(metadata: bytes) -> str | None:
    try:
        said = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    prompt_id = said.get("prompt_id") if isinstance(said, dict) else None
    return prompt_id if isinstance(prompt_id, str) else None


def _picture(prompt_id: str | None, data: bytes) -> Picture | None:
    start = 0 if data.startswith(_PNG) else data.find(_JPEG, 0, _LONGEST_PREFIX_BYTES)
    return Picture(prompt_id, data[start:]) if start >= 0 else None

"""What earlier prompts left: results by signature, kept only while the newest prompt could use them."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.engine.order import is_link


@dataclass
class Entry:
    """One node's result: its output values, what history shows of it, and the folder of its scratch files."""

    values: tuple[Any, ...]
    ui: dict[str, Any] | None
    meta: dict[str, Any]
    scratch: Path


class Cache:
    """Results by signature. Only signatures of the newest prompt live; an alternating pair of graphs finds nothing."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._signatures: dict[str, str] = {}

    def begin(self, signatures: Mapping[str, str]) -> None:
        """Take a new prompt's signatures by node id and forget what none of them names."""
        self._signatures = dict(signatures)
        live = set(signatures.values())
        for signature in [known for known in self._entries if known not in live]:
            self._forget(signature)

    def get(self, node_id: str) -> Entry | None:
        """Return the present prompt's entry for this node, if there is one."""
        return self._entries.get(self._signatures.get(node_id, ""))

    def put(self, node_id: str, entry: Entry) -> None:
        """Keep a node's result."""
        self._entries[self._signatures[node_id]] = entry

    def clear(self) -> None:
        """Forget everything."""
        for signature in list(self._entries):
            self._forget(signature)

    def _forget(self, signature: str) -> None:
        shutil.rmtree(self._entries.pop(signature).scratch, ignore_errors=True)


def signatures(
    prompt: Mapping[str, Any], fingerprint: Callable[[str], Any], names_its_node: Callable[[str], bool]
) -> dict[str, str]:
    """Return each node's signature: its class, its literals, its fingerprint and the signatures above it.

    `fingerprint(node_id)` is the class's own answer, NaN for "never the same"; `names_its_node(node_id)` tells
    whether the class gets its node's id, which then counts. Cycles and links to nowhere give a signature used once.
    """
    made: dict[str, str] = {}
    for start in prompt:
        path = [start]
        while path:
            node_id = path[-1]
            above = [value[0] for value in prompt[node_id]["inputs"].values() if is_link(value)]
            missing = [other for other in above if other in prompt and other not in made]
            if missing and missing[0] not in path:
                path.append(missing[0])
                continue
            path.pop()
            if node_id not in made:
                made[node_id] = _signature(node_id, prompt[node_id], made, fingerprint, names_its_node)
    return made


def _signature(
    node_id: str,
    node: Mapping[str, Any],
    made: Mapping[str, str],
    fingerprint: Callable[[str], Any],
    names_its_node: Callable[[str], bool],
) -> str:
    parts: list[Any] = [node["class_type"], node_id if names_its_node(node_id) else None]
    parts.append(_stable(fingerprint(node_id)))
    for name in sorted(node["inputs"]):
        value = node["inputs"][name]
        if is_link(value):
            parts.append([name, "link", made.get(value[0]) or uuid.uuid4().hex, value[1]])
        else:
            parts.append([name, "value", _stable(value)])
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _stable(value: Any) -> Any:
    """Return the value, or something that never comes again for NaN, which equals nothing."""
    if isinstance(value, float) and value != value:  # noqa: PLR0124 — NaN is the one value unlike itself
        return uuid.uuid4().hex
    return value

"""Which node pack brings a class, by the map in packs.json; a class that no pack has may need a newer ComfyUI."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pack:
    """A node pack: its name, and where it is."""

    name: str
    url: str


def pack_of(class_type: str) -> Pack | None:
    """Return the pack that brings this class, by its whole name or how it starts; None where we don't know one."""
    by_class, by_start = _packs()
    return by_class.get(class_type) or next((pack for start, pack in by_start if class_type.startswith(start)), None)


def core_of(class_type: str) -> str | None:
    """Return the oldest ComfyUI that has this class of its own, where we know that older ones lack it."""
    version: str | None = _map()["core"].get(class_type)
    return version


@cache
def _map() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("packs.json").read_text(encoding="utf-8"))
    return content


@cache
def _packs() -> tuple[dict[str, Pack], list[tuple[str, Pack]]]:
    by_class: dict[str, Pack] = {}
    by_start: list[tuple[str, Pack]] = []
    for entry in _map()["packs"]:
        pack = Pack(entry["pack"], entry["url"])
        by_class.update(dict.fromkeys(entry["classes"], pack))
        by_start += [(start, pack) for start in entry["starts"]]
    return by_class, by_start

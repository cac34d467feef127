"""PAUSE files: which task folders hold one now, asked without looking through the inbox."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from service.drops import control_of


def pauses_in(folder: Path) -> list[Path]:
    """Return each PAUSE file of a folder, forgiven endings included; a folder that isn't there has none."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  by names alone: thousands of drops may lie there
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (folder / name for name in names if name[:5].lower() == "pause" and _is_pause(name))
    return sorted(path for path in found if not path.is_dir())


def paused_in(inbox: Path, tasks: Collection[str]) -> list[str]:
    """Return the tasks whose folder holds a PAUSE, "" for the inbox itself; raises OSError where none can tell."""
    return [task for task in ("", *tasks) if pauses_in(inbox / task if task else inbox)]


def _is_pause(name: str) -> bool:
    order = control_of(name)
    return order is not None and order.kind == "pause"

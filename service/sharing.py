"""A ComfyUI that shares our models folder: its extra_model_paths.yaml, and links; nothing is replaced."""

from __future__ import annotations

import os
from pathlib import Path

from service.disk import Disk
from service.errors import Problem, Rejected, Unavailable
from service.model_links import LINKED, merged

PATHS_FILE = "extra_model_paths.yaml"
_LONGEST_BYTES = 1 << 20


def refuse_unless_comfyui(folder: Path) -> None:
    """Raise Rejected for a folder that isn't ComfyUI's own."""
    if not ((folder / "main.py").is_file() and (folder / "folder_paths.py").is_file()):
        fix = "Name the folder that holds ComfyUI's main.py."
        raise Rejected(Problem("not_comfyui", f"{folder} is no ComfyUI.", fix))


def write_paths(comfyui: Path, ours: str) -> bool:
    """Put our part into a ComfyUI's extra_model_paths.yaml and return whether anything changed.

    Raise Rejected where the file isn't ours to change, Unavailable where it can't be read or written.
    """
    path = comfyui / PATHS_FILE
    try:
        there = path.read_bytes()[:_LONGEST_BYTES].decode("utf-8") if path.exists() else ""
        wanted = merged(there, ours)
        if wanted == there:
            return False
        Disk().write_durable(path, wanted.encode())
    except (OSError, UnicodeDecodeError) as trouble:
        why = getattr(trouble, "strerror", None) or "it isn't UTF-8"
        fix = "Correct it by hand: the command without --write prints what it must hold."
        raise Unavailable("not_writable", f"{path} can't be changed: {why}.", fix) from trouble
    return True


def make_links(comfyui: Path, models_dir: Path) -> list[dict[str, str]]:
    """
    Link the folders that some packs read in ComfyUI's own models folder to ours; return what became of each.

    `state` is linked, already, in_the_way (something else lies there and stays) or not_made (with the reason).
    """
    own = comfyui / "models"
    return [_link(own / folder, models_dir / folder) for folder in LINKED]


def _link(there: Path, ours: Path) -> dict[str, str]:
    told = {"link": str(there), "to": str(ours)}
    if there.exists() and ours.exists() and there.samefile(ours):
        return {**told, "state": "already"}
    if os.path.lexists(there):
        return {**told, "state": "in_the_way"}
    try:
        ours.mkdir(parents=True, exist_ok=True)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(ours, target_is_directory=True)
    except OSError as trouble:
        return {**told, "state": "not_made", "why": trouble.strerror or str(trouble)}
    return {**told, "state": "linked"}

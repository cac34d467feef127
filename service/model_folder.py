"""The models folder as it lies on the disk: which files are in it; nothing is read of them but names and sizes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from service import model_list
from service.errors import Problem, Rejected
from service.model_list import Model

#: Parts of a download, and the lock of a pull: hidden names that ComfyUI doesn't list.
PART_ENDING = ".part"
#: Whoever has more files than this below models/ is told how many were looked at.
MOST_FILES = 100_000
#: ComfyUI's own categories are two or three folders deep; a loop of links must end somewhere.
_DEEPEST = 12


@dataclass(frozen=True)
class Found:
    """One file below the models folder: its size, and when it was changed."""

    size: int
    modified_ns: int


@dataclass(frozen=True)
class Shelf:
    """What lies there, by "folder/name"; `whole` is False where there was more than could be looked at."""

    files: dict[str, Found]
    whole: bool = True


def read_list(models_dir: Path) -> tuple[Model, ...]:
    """Return what models.yaml lists; raise Rejected with every mistake, or where the list isn't there."""
    path = models_dir / "models.yaml"
    try:
        return model_list.models(path.read_bytes())
    except FileNotFoundError:
        fix = "Copy the one that comes with Reeldrop there, or correct models_dir in config.yaml."
        raise Rejected(Problem("models_list_missing", f"There is no {path}.", fix)) from None
    except OSError as trouble:
        title = f"{path} can't be read: {trouble.strerror or trouble}."
        raise Rejected(Problem("unreadable", title, "Correct its rights.")) from None


def look(models_dir: Path, *, most: int = MOST_FILES) -> Shelf:
    """
    Return the files below the folders of the models folder; hidden ones and those beside models.yaml are left out.

    Links are followed, as ComfyUI does, each folder once. A folder that can't be read counts as empty.
    """
    files: dict[str, Found] = {}
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[Path, str, int]] = [(models_dir, "", 0)]
    while waiting:
        folder, prefix, depth = waiting.pop()
        for entry in _entries(folder):
            found = _stat(entry)
            if found is None or entry.name.startswith("."):
                continue
            if entry.is_dir():
                key = (found.st_dev, found.st_ino)
                if key not in seen and depth < _DEEPEST:
                    seen.add(key)
                    waiting.append((Path(entry.path), f"{prefix}{entry.name}/", depth + 1))
            elif prefix and entry.is_file():
                if len(files) >= most:
                    return Shelf(files, whole=False)
                files[f"{prefix}{entry.name}"] = Found(found.st_size, found.st_mtime_ns)
    return Shelf(files)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listed:
            return sorted(listed, key=lambda entry: entry.name)
    except OSError:
        return []


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None

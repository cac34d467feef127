"""The outbox: results, status files and previews, each whole or not at all; a result is never replaced."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from service.disk import Disk, draft_of
from service.naming import fold

#: What a result may end with, ours or not: a file of this ending and a job's name takes that name.
RESULT_SUFFIXES = (".mp4", ".webm", ".mov", ".mkv", ".gif", ".webp", ".png", ".jpg", ".jpeg", ".avi", ".m4v")
_OURS = (".status.json", ".preview.jpg", ".sheet.jpg")


class Outbox:
    """
    One outbox folder; paths are relative POSIX strings such as "text-to-video/harbour.mp4".

    Trouble with the disk or share is raised as OSError and leaves no file under a final name.
    """

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root
        self._disk = disk or Disk()
        # Two threads may show the same job; both write by way of one draft.
        self._lock = threading.Lock()

    def publish(self, source: Path, relative: str) -> Path:
        """
        Put a copy of a finished file into the outbox and return its path; the source stays.

        Raises FileExistsError if anything is there already. What an earlier try left half copied goes first.
        """
        target = self._path(relative)
        self._disk.make_folders(target.parent)
        self.sweep(relative)
        self._disk.copy(source, target, target.with_name(f".{target.name}.{uuid4().hex[:12]}.part"))
        return target

    def sweep(self, relative: str) -> None:
        """Remove what an earlier try to publish under this name left half copied; a published file stays."""
        for draft in _drafts(self._path(relative)):
            self._disk.unlink(draft)

    def write_status(self, relative: str, document: Mapping[str, Any], durable: bool = True) -> None:  # noqa: FBT001, FBT002
        """Replace a status file with this document; state changes are written durably, progress needs not."""
        self._write(relative, _encode(document), durable=durable)

    def write_statuses(self, documents: Sequence[tuple[str, Mapping[str, Any]]], *, durable: bool = True) -> None:
        """Replace many status files; after an error some of them may be written."""
        files = [(self._path(relative), _encode(document)) for relative, document in documents]
        with self._lock:
            for folder in {path.parent for path, _ in files}:
                self._disk.make_folders(folder)
            if durable:
                self._disk.write_durable_all(files)
            else:
                for path, data in files:
                    self._disk.write(path, data)

    def write_preview(self, relative: str, jpeg: bytes) -> None:
        """Replace a preview with these bytes."""
        self._write(relative, jpeg, durable=False)

    def write_sheet(self, relative: str, jpeg: bytes) -> None:
        """Replace a batch's sheet with these bytes, durably."""
        self._write(relative, jpeg, durable=True)

    def remove(self, relative: str) -> None:
        """Remove a status file, preview or sheet of ours, if it is there; raises ValueError for any other file."""
        if not relative.endswith(_OURS):
            raise ValueError(f"{relative} is not ours to remove")
        path = self._path(relative)
        with self._lock:
            self._disk.unlink(path)
            # A crash while it was written has left this.
            self._disk.unlink(draft_of(path))

    def taken(self, folder: str, name: str, suffixes: Iterable[str] = RESULT_SUFFIXES) -> bool:
        """Tell whether a file of this name and one of these endings lies in a folder, by any case or Unicode form."""
        return fold(name) in self.result_names(folder, suffixes)

    def result_names(self, folder: str, suffixes: Iterable[str] = RESULT_SUFFIXES) -> frozenset[str]:
        """Return the folded names, without their endings, of the files in a folder with one of these endings."""
        endings = tuple(suffixes)
        found: set[str] = set()
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._path(folder)) as entries:
            for entry in entries:
                # Most files here are status files: telling them apart must not cost a folding each.
                if not entry.name.endswith(_OURS):
                    name = fold(entry.name)
                    found |= {name.removesuffix(ending) for ending in endings if name.endswith(ending)}
        return frozenset(found)

    def _write(self, relative: str, data: bytes, *, durable: bool) -> None:
        path = self._path(relative)
        with self._lock:
            self._disk.make_folders(path.parent)
            (self._disk.write_durable if durable else self._disk.write)(path, data)

    def _path(self, relative: str) -> Path:
        parts = PurePosixPath(relative)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts:
            raise ValueError(f"{relative!r} is not a path inside the outbox")
        return self.root / parts


#: Made once: json.dumps makes an encoder anew for each value where anything is asked of it.
_to_json = json.JSONEncoder(ensure_ascii=False).encode


def _encode(document: Mapping[str, Any]) -> bytes:
    # One key a line, to be read by people; a line each is what the encoder in C makes, many times faster than a tree.
    lines = ",\n".join([f'  "{key}": {_to_json(value)}' for key, value in document.items()])
    # A name that is no UTF-8 becomes the escape that JSON has for it.
    return f"{{\n{lines}\n}}\n".encode("utf-8", "backslashreplace")


def _drafts(target: Path) -> list[Path]:
    beginning = f".{target.name}."
    return [path for path in target.parent.iterdir() if path.name.startswith(beginning) and path.name.endswith(".part")]

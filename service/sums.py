"""The SHA-256 of large files, remembered with size and time of change: a second look needs no second reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from service.disk import Disk

_CHUNK_BYTES = 1 << 22


class Sums:
    """Sums by path, kept in one file of the state folder; a broken one is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[int | str]] = {}
        with suppress(OSError, ValueError):
            read = json.loads(path.read_bytes())
            self._known = {key: entry for key, entry in dict(read).items() if _is_entry(entry)}

    def known(self, file: Path) -> str | None:
        """Return the sum of a file that is as it was when it was read, or None; raises OSError."""
        entry = self._known.get(str(file.resolve()))
        facts = file.stat()
        return str(entry[2]) if entry is not None and entry[:2] == [facts.st_size, facts.st_mtime_ns] else None

    def of(self, file: Path, told: Callable[[int], None] = lambda _read: None) -> str:
        """Return a file's sum, reading it where it isn't known; `told` hears of the bytes read; raises OSError."""
        known = self.known(file)
        if known is not None:
            return known
        before = file.stat()
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK_BYTES):
                digest.update(chunk)
                told(len(chunk))
        self.remember(file, digest.hexdigest(), (before.st_size, before.st_mtime_ns))
        return digest.hexdigest()

    def remember(self, file: Path, digest: str, facts: tuple[int, int] | None = None) -> None:
        """Keep a sum that was computed while the file had this size and time of change; raises OSError."""
        now = file.stat()
        size, modified_ns = facts or (now.st_size, now.st_mtime_ns)
        if (size, modified_ns) == (now.st_size, now.st_mtime_ns):
            self._known[str(file.resolve())] = [size, modified_ns, digest]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            Disk().write(self._path, json.dumps(self._known, indent=0).encode())


def _is_entry(entry: object) -> bool:
    return isinstance(entry, list) and [type(part) for part in entry] == [int, int, str]

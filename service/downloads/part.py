"""A download that isn't whole yet: the bytes so far in a hidden file, and beside it what they belong to."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from service.disk import Disk
from service.model_folder import PART_ENDING


class Part:
    """
    The part of one target, `.NAME.part` beside it, with its sidecar `.NAME.part.json`.

    It goes on only where its sidecar says that it came from the same address; everything raises OSError.
    """

    def __init__(self, target: Path, url: str) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}{PART_ENDING}")
        self._sidecar = target.with_name(f".{target.name}{PART_ENDING}.json")
        self._url = url
        #: The mark by which the server knows its file again, in the words of If-Range.
        self.mark: str | None = None
        self.had = self._read()

    def _read(self) -> int:
        with suppress(OSError, ValueError):
            known = json.loads(self._sidecar.read_bytes())
            if isinstance(known, dict) and known.get("url") == self._url and not self.path.is_symlink():
                mark = known.get("mark")
                self.mark = mark if isinstance(mark, str) and mark.isprintable() and mark.isascii() else None
                return self.path.stat().st_size
        return 0

    def begin(self, at: int, mark: str | None) -> IO[bytes]:
        """Open it to be written on from a place, 0 to start over, after noting what it will belong to."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        if at == 0:
            # The old bytes must not be taken for those of the new mark, whatever breaks in between.
            self.path.unlink(missing_ok=True)
        self.mark, self.had = mark, at
        note: dict[str, Any] = {"url": self._url, "mark": mark}
        Disk().write(self._sidecar, json.dumps(note).encode())
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.fdopen(os.open(self.path, flags, 0o644), "wb", buffering=0)
        opened.truncate(at)
        opened.seek(at)
        return opened

    def drop(self) -> None:
        """Remove it, for it is not what was wanted."""
        self.path.unlink(missing_ok=True)
        self._sidecar.unlink(missing_ok=True)
        self.had, self.mark = 0, None

    def become_whole(self) -> None:
        """Give it its name, durably; raises FileExistsError and stays where something lies under that name."""
        disk = Disk()
        disk.fsync_folder(self.path)
        disk.rename_new(self.path, self.target)
        disk.fsync_folder(self.target.parent)
        self._sidecar.unlink(missing_ok=True)

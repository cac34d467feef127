"""Named media: pictures and videos that a job file names are never drops of their own while they lie there."""

from __future__ import annotations

from collections.abc import Mapping

from service.settling import FileFacts
from service.store import Store

#: What was gone for so long is forgotten; a share may be away for a while, and people move files out and back.
_FORGOTTEN_AFTER_S = 3600.0


class NamedMedia:
    """Remembers across lives by path, size and time; a new file of an old name is another one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[int, int]] | None = None
        self._missing_since_s: dict[str, float] = {}

    def name(self, path: str, size: int, mtime_ns: int) -> None:
        """Remember one file."""
        self._store.name_media(path, size, mtime_ns)
        self._all()[path] = (size, mtime_ns)

    def present(self, files: Mapping[str, FileFacts], now_s: float) -> set[str]:
        """Return the listed files that were named, and forget the others after an hour on the caller's clock."""
        known = self._all()
        there = {path for path, named in known.items() if path in files and _named_as(files[path]) == named}
        since_s = self._missing_since_s
        self._missing_since_s = {path: since_s.get(path, now_s) for path in known.keys() - there}
        gone = [path for path, missing_s in self._missing_since_s.items() if now_s - missing_s > _FORGOTTEN_AFTER_S]
        if gone:
            self._store.forget_media(gone)
            for path in gone:
                del known[path], self._missing_since_s[path]
        return there

    def _all(self) -> dict[str, tuple[int, int]]:
        if self._known is None:
            self._known = self._store.named_media()
        return self._known


def _named_as(facts: FileFacts) -> tuple[int, int]:
    return facts.size, facts.mtime_ns

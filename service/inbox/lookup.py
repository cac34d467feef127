"""Where does a file lie that a job names? In the job's own folder, in inbox/media, or in a read-only media folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from service.drops import awake
from service.inbox.look import facts_of
from service.naming import fold
from service.settling import FileFacts

_SHARED = "media"
#: So many folders are remembered by the spelling of what is in them.
_FOLDERS = 16


class Lookup:
    """
    Finds files by the names that jobs have for them; a key is an inbox-relative path, or a whole one elsewhere.

    No part of a path may be a link. Where no file has the very name, one alike but for case or Unicode form is taken.
    """

    def __init__(self, inbox: Path, roots: Sequence[Path]) -> None:
        self._inbox = inbox
        self._roots = [str(root) for root in roots]
        self._spellings: dict[str, tuple[int, dict[str, list[str]]]] = {}

    def find(self, home: str, name: str) -> str | None:
        """Return the key of a named file, searched in `home` (inbox-relative), inbox/media, and the media folders."""
        # Of a job that rests the files that it doesn't own lie where it was dropped.
        for folder in dict.fromkeys((home, awake(home), _SHARED, *self._roots)):
            if (found := self._below(folder, name)) is not None:
                return found
        return None

    def facts(self, key: str) -> FileFacts | None:
        """Return the facts of a key's file, or None where it is gone or can't be asked now."""
        with suppress(OSError):
            return facts_of(self._inbox / key)
        return None

    def media_changed_ns(self) -> int:
        """Return when something last came to or went from inbox/media itself, by the file system's clock."""
        with suppress(OSError):
            return (self._inbox / _SHARED).stat().st_mtime_ns
        return 0

    def _below(self, folder: str, name: str) -> str | None:
        *inner, last = name.split("/")
        for part in inner:
            found = self._entry(folder, part)
            if found is None or not self._is_folder(found):
                return None
            folder = found
        found = self._entry(folder, last)
        # A link or pipe is found too: that it can't be taken is to be said, not that it isn't there.
        return None if found is None or self._is_folder(found) else found

    def _entry(self, folder: str, name: str) -> str | None:
        exact = f"{folder}/{name}"
        if os.path.lexists(self._inbox / exact):
            return exact
        alike = self._spelled(folder).get(fold(name), [])
        return f"{folder}/{alike[0]}" if len(alike) == 1 else None

    def _spelled(self, folder: str) -> dict[str, list[str]]:
        path = self._inbox / folder
        try:
            changed_ns = path.stat().st_mtime_ns
            known = self._spellings.get(folder)
            if known is None or known[0] != changed_ns:
                names: dict[str, list[str]] = {}
                for entry in path.iterdir():
                    names.setdefault(fold(entry.name), []).append(entry.name)
                known = (changed_ns, names)
                if len(self._spellings) >= _FOLDERS:
                    self._spellings.clear()
                self._spellings[folder] = known
        except OSError:
            return {}
        return known[1]

    def _is_folder(self, key: str) -> bool:
        with suppress(OSError):
            return stat.S_ISDIR((self._inbox / key).lstat().st_mode)
        return False

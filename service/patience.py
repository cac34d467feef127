"""Patience: when each file and each folder last changed, on our own clock; how long to wait counts from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from service.settling import FileFacts


class Patience:
    """Follows one inbox from look to look; moments are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._files: Mapping[str, FileFacts] = {}
        self._changed_s: dict[str, float] = {}
        self._folder_changed_s: dict[str, float] = {}

    def note(self, files: Mapping[str, FileFacts], now_s: float) -> None:
        """Compare a listing with the one before."""
        for path in self._files.keys() | files.keys():
            if self._files.get(path) != files.get(path):
                self._changed_s[path] = self._folder_changed_s[folder_of(path)] = now_s
        self._changed_s = {path: changed_s for path, changed_s in self._changed_s.items() if path in files}
        self._files = files

    def still_s(self, paths: Iterable[str], since_s: float, now_s: float) -> float:
        """Return for how long none of these files has changed, counted from `since_s` at the earliest."""
        return now_s - max(since_s, *(self._changed_s.get(path, since_s) for path in paths))

    def folder_still_s(self, path: str, now_s: float) -> float:
        """Return for how long nothing has changed in the folder of a file."""
        return now_s - self._folder_changed_s.get(folder_of(path), now_s)


def folder_of(path: str) -> str:
    """Return the folder of an inbox-relative path."""
    return path.rpartition("/")[0]

"""Stillness: which files are whole, by the quiet time of their place, and by open writers where they are seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from service.config_keys import Watch
from service.inbox.look import has_writer
from service.inbox.roots import kind_of
from service.settling import FileFacts, Settling


class Stillness:
    """Follows one inbox from look to look; time is the caller's monotonic clock, in seconds."""

    def __init__(self, inbox: Path, watch: Watch) -> None:
        self._inbox = inbox
        self._watch = watch
        self._settling = Settling()
        self._share = kind_of(inbox) == "share" or watch.mode == "polling"
        self._visible: dict[str, tuple[int, bool]] = {}
        self._files: Mapping[str, FileFacts] = {}

    def observe(self, now_s: float, files: Mapping[str, FileFacts]) -> frozenset[str]:
        """Return the paths that are whole at this look."""
        self._files = files
        self._visible = {path: known for path, known in self._visible.items() if path in files}
        return self._settling.observe(now_s, files, self.quiet_s, self._busy)

    def next_due_s(self, now_s: float) -> float | None:
        """Return in how many seconds the next file may be whole, or None."""
        return self._settling.next_due_s(now_s)

    def quiet_s(self, path: str) -> float:
        """Return how long a listed file must be unchanged before it can be whole."""
        if self._share:
            return self._watch.quiet_seconds_share
        return self._watch.quiet_seconds_local if self._writers_visible(path) else self._watch.quiet_seconds

    def _writers_visible(self, path: str) -> bool:
        facts = self._files[path]
        known = self._visible.get(path)
        if known is None or known[0] != facts.inode:
            known = (facts.inode, has_writer(self._inbox / path) is not None)
            self._visible[path] = known
        return known[1]

    def _busy(self, path: str) -> bool:
        return has_writer(self._inbox / path) is True

"""Stillness: which files are whole, by the quiet time of their place, and by open writers where they are seen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from service.config_keys import Watch
from service.drops import media_kind
from service.errors import Problem
from service.inbox.gaps import has_gaps
from service.inbox.look import has_writer
from service.inbox.roots import Place, kind_of
from service.settling import FileFacts, Settling

#: Where no writer can be seen, what seems to be filled in still must be quiet for so many times as long.
_GAPS_TIMES = 6


class Stillness:
    """
    Follows one inbox from look to look; time is the caller's monotonic clock, in seconds.

    Each call costs what it is told of and what is due, however many files lie still.
    """

    def __init__(
        self,
        inbox: Path,
        watch: Watch,
        *,
        place: Place | None = None,
        has_writer: Callable[[Path, Place], bool | None] = has_writer,
        has_gaps: Callable[[Path], bool] = has_gaps,
    ) -> None:
        self._inbox = inbox
        self._watch = watch
        self._has_writer = has_writer
        self._has_gaps = has_gaps
        self._settling = Settling()
        self._kind_of = (lambda _folder: place) if place else kind_of
        #: What kind of place each folder is that was asked about in this judgement; the mount table is slow to read.
        self._places: dict[Path, Place] = {}
        place = place or kind_of(inbox)
        self._share = place == "share" or watch.mode == "polling"
        self._local = place == "local"
        #: Whether an open writer of a file that is still settling would be seen.
        self._visible: dict[str, bool] = {}
        #: What has settled with parts that seem to be unwritten yet.
        self._gapped: set[str] = set()
        #: What the operator should know, once a file was met whose writers only a right that we lack would show.
        self.unseen: Problem | None = None

    def note(self, now_s: float, changed: Mapping[str, FileFacts], gone: Iterable[str] = ()) -> None:
        """Take in what a look found new or changed, and the paths that are no longer there."""
        gone = list(gone)
        self._settling.note(now_s, changed, gone)
        for path in (*changed, *gone):
            # Whose file it is may have changed too.
            self._forget(path)

    def judge(self, now_s: float) -> set[str]:
        """Return the paths that became whole since the last judgement."""
        self._places.clear()
        found = self._settling.judge(now_s, self.quiet_s, self._is_busy)
        for path in found:
            self._forget(path)
        return found

    def observe(self, now_s: float, files: Mapping[str, FileFacts]) -> frozenset[str]:
        """Return the paths of a complete listing that are whole at this look; what it doesn't have is forgotten."""
        known = self._settling.facts_of
        changed = {path: facts for path, facts in files.items() if known(path) != facts}
        self.note(now_s, changed, self._settling.paths() - files.keys())
        self.judge(now_s)
        return self._settling.whole()

    def is_whole(self, path: str) -> bool:
        """Tell whether a file was whole at the last judgement and hasn't changed since."""
        return self._settling.is_whole(path)

    def next_due_s(self, now_s: float) -> float | None:
        """Return in how many seconds the next file may be whole, or None."""
        return self._settling.next_due_s(now_s)

    def still_s(self, path: str, now_s: float) -> float | None:
        """Return for how long a file has been unchanged; None for a path that isn't there."""
        return self._settling.still_s(path, now_s)

    def quiet_s(self, path: str) -> float:
        """Return how long a file must be unchanged before it can be whole."""
        if self._share or self._may_be_placeholder(path):
            quiet_s = self._watch.quiet_seconds_share
        elif self._writers_visible(path):
            quiet_s = self._watch.quiet_seconds_local
        else:
            quiet_s = self._watch.quiet_seconds
        return quiet_s * (_GAPS_TIMES if path in self._gapped else 1)

    def _may_be_placeholder(self, path: str) -> bool:
        """Tell whether a file is what a browser puts in the place of a job file until it has it; media need an end."""
        facts = self._settling.facts_of(path)
        return facts is not None and not facts.size and media_kind(path) is None

    def _forget(self, path: str) -> None:
        self._visible.pop(path, None)
        self._gapped.discard(path)

    def _writers_visible(self, path: str) -> bool:
        if path not in self._visible:
            self._visible[path] = self._ask(path) is not None
            if self._local and not self._visible[path]:
                self._tell_of_strangers(path)
        return self._visible[path]

    def _is_busy(self, path: str) -> bool:
        written = self._ask(path)
        if written is not None:
            return written
        if self._visible.get(path):
            # The short quiet time was right only for as long as a writer would have been seen.
            self._visible[path] = False
            return True
        if path not in self._gapped and self._has_gaps(self._inbox / path):
            self._gapped.add(path)
            return True
        return False

    def _ask(self, path: str) -> bool | None:
        """Tell whether somebody has a file open for writing; None where that can't be seen."""
        whole = self._inbox / path
        if (folder := whole.parent) not in self._places:
            self._places[folder] = self._kind_of(folder)
        return self._has_writer(whole, self._places[folder])

    def _tell_of_strangers(self, path: str) -> None:
        if self.unseen is None and self._is_a_strangers(path):
            self.unseen = Problem(
                "writers_unseen",
                "Writers of files that other users own can't be seen here, so such files wait "
                f"{self._watch.quiet_seconds:g} s without change before they start.",
                "Grant the daemon CAP_LEASE (systemd: AmbientCapabilities=CAP_LEASE), or let files be dropped as its "
                "own user; a copy that pauses for longer than that may otherwise be taken before its end.",
            )

    def _is_a_strangers(self, path: str) -> bool:
        with suppress(OSError):
            return os.lstat(self._inbox / path).st_uid != os.geteuid()
        return False

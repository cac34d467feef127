"""Looks over time: what is whole, what waits, when to look next. Our own clock counts, never a file's age."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["file", "folder", "symlink", "other"]

#: A file that stays busy is looked at again after a tenth of the time that it has been still, at most this much later.
_MOST_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class FileFacts:
    """
    What one look found of one file, without following links; two are equal when nobody touched the file between them.

    Device, links and kind take no part: a share that comes back has another device number; the inode tells the rest.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int = field(compare=False)
    links: int = field(compare=False)
    kind: Kind = field(compare=False)

    def same_content(self, other: FileFacts) -> bool:
        """Tell whether the bytes are still the same; a rename changes ctime alone."""
        mine, theirs = (self.size, self.mtime_ns, self.inode), (other.size, other.mtime_ns, other.inode)
        return mine == theirs and self.kind == other.kind


@dataclass(slots=True)
class _Seen:
    """One file's story; moments on our clock."""

    facts: FileFacts
    #: Since when these facts have stood.
    still_since_s: float
    #: The same, or the last moment at which somebody was found at work on it.
    free_since_s: float
    due_s: float = 0.0
    patience_s: float = 0.0
    whole: bool = False


class Settling:
    """
    Tells from repeated listings which files are whole: unchanged and free for as long as asked.

    Paths are POSIX relative strings (os.fsdecode); moments are seconds of one monotonic clock, given by the caller.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def observe(
        self,
        now_s: float,
        listing: Mapping[str, FileFacts],
        quiet_s: Callable[[str], float],
        busy: Callable[[str], bool] = lambda _path: False,
    ) -> frozenset[str]:
        """
        Return the paths of this listing that are whole; only plain files ever are.

        `busy` is asked once a file has been quiet (an open writer, a missing end); a busy file must be quiet anew. What
        is whole stays so, without being asked about again, until its facts change. What is not listed is forgotten.
        """
        self._seen = {path: self._follow(path, facts, now_s) for path, facts in listing.items()}
        for path, seen in self._seen.items():
            if not seen.whole and seen.facts.kind == "file":
                _judge(seen, path, now_s, quiet_s(path), busy)
        return frozenset(path for path, seen in self._seen.items() if seen.whole)

    def next_due_s(self, now_s: float) -> float | None:
        """Return how many seconds from now the next look can find another file whole; None if none is settling."""
        dues = [seen.due_s for seen in self._seen.values() if not seen.whole and seen.facts.kind == "file"]
        return max(0.0, min(dues) - now_s) if dues else None

    def still_s(self, path: str, now_s: float) -> float | None:
        """Return for how long a listed file has been unchanged; None for a path that the last listing didn't have."""
        seen = self._seen.get(path)
        return None if seen is None else now_s - seen.still_since_s

    def _follow(self, path: str, facts: FileFacts, now_s: float) -> _Seen:
        seen = self._seen.get(path)
        if seen is not None and seen.facts == facts:
            return seen
        return _Seen(facts, still_since_s=now_s, free_since_s=now_s)


def _judge(seen: _Seen, path: str, now_s: float, quiet_s: float, busy: Callable[[str], bool]) -> None:
    if now_s - seen.free_since_s >= quiet_s:
        seen.whole = not busy(path)
        if not seen.whole:
            seen.free_since_s = now_s
            seen.patience_s = min(_MOST_PATIENCE_S, (now_s - seen.still_since_s) / 10)
    seen.due_s = seen.free_since_s + max(quiet_s, seen.patience_s)

"""Looks over time: what is whole, what waits, when to look next. Our own clock counts, never a file's age."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["file", "folder", "symlink", "other"]

#: A file that stays busy is looked at again after a tenth of the time that it has been still, at most this much later.
_MOST_PATIENCE_S = 10.0
#: Sums of floats lose a little; whoever is so close to due is asked whether it is.
_SLACK_S = 1e-6


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
class _Story:
    """One file's story; moments on our clock."""

    facts: FileFacts
    #: Since when these facts have stood.
    still_since_s: float
    #: The same, or the last moment at which somebody was found at work on it.
    free_since_s: float
    #: When it is worth a look again.
    due_s: float = 0.0
    is_whole: bool = False
    #: Its place in the queue, None for none.
    queued_s: float | None = None


class Settling:
    """
    Tells from what changes between looks which files are whole: unchanged and free for as long as asked.

    Only plain files ever are. What is whole stays so, without being asked about again, until its facts change. Paths
    are POSIX relative strings (os.fsdecode); moments are seconds of one monotonic clock, given by the caller. Each call
    costs what it is told of and what is due, however much lies still.
    """

    def __init__(self) -> None:
        self._stories: dict[str, _Story] = {}
        #: Changed since the last judgement.
        self._changed: dict[str, _Story] = {}
        #: Quiet once, but somebody was at work on them.
        self._busy: dict[str, _Story] = {}
        #: What settles, by when it is due. The place of a file that changed or went is put right when its turn comes.
        self._queue: list[tuple[float, int, str, _Story]] = []
        self._number = 0

    def note(self, now_s: float, changed: Mapping[str, FileFacts], gone: Iterable[str] = ()) -> None:
        """Take in what a look found new or changed, and the paths that are gone; the same again is nothing."""
        for path in gone:
            self._stories.pop(path, None)
            self._changed.pop(path, None)
            self._busy.pop(path, None)
        for path, facts in changed.items():
            story = self._stories.get(path)
            if story is None:
                story = self._stories[path] = _Story(facts, now_s, now_s)
            elif story.facts == facts:
                continue
            else:
                story.facts, story.still_since_s, story.free_since_s, story.is_whole = facts, now_s, now_s, False
            self._busy.pop(path, None)
            self._changed[path] = story

    def judge(
        self, now_s: float, quiet_s: Callable[[str], float], busy: Callable[[str], bool] = lambda _path: False
    ) -> set[str]:
        """
        Return the paths that became whole since the last judgement.

        `busy` is asked once a file has been quiet (an open writer, a missing end); a busy file must be quiet anew.
        """
        found: set[str] = set()
        for path, story in self._take_due(now_s):
            quiet = quiet_s(path)
            if now_s - story.free_since_s < quiet:
                if path in self._busy:
                    story.due_s = max(story.due_s, story.free_since_s + quiet)
                else:
                    self._wait(path, story, story.free_since_s + quiet)
            elif busy(path):
                story.free_since_s = now_s
                story.due_s = now_s + max(quiet, min(_MOST_PATIENCE_S, (now_s - story.still_since_s) / 10))
                self._busy[path] = story
            else:
                story.is_whole = True
                self._busy.pop(path, None)
                found.add(path)
        return found

    def observe(
        self,
        now_s: float,
        listing: Mapping[str, FileFacts],
        quiet_s: Callable[[str], float],
        busy: Callable[[str], bool] = lambda _path: False,
    ) -> frozenset[str]:
        """Return the paths of a complete listing that are whole; what it doesn't have is forgotten."""
        self.note(now_s, listing, self._stories.keys() - listing.keys())
        self.judge(now_s, quiet_s, busy)
        return self.whole()

    def is_whole(self, path: str) -> bool:
        """Tell whether a file was whole at the last judgement and hasn't changed since."""
        story = self._stories.get(path)
        return story is not None and story.is_whole

    def whole(self) -> frozenset[str]:
        """Return every file that is whole; costs as much as there are files."""
        return frozenset(path for path, story in self._stories.items() if story.is_whole)

    def paths(self) -> KeysView[str]:
        """Return every path that is there."""
        return self._stories.keys()

    def facts_of(self, path: str) -> FileFacts | None:
        """Return the newest facts of a file, or None for a path that isn't there."""
        story = self._stories.get(path)
        return None if story is None else story.facts

    def next_due_s(self, now_s: float) -> float | None:
        """Return how many seconds from now the next look can find another file whole; None if none is settling."""
        if self._changed:
            return 0.0
        self._put_right()
        dues = [story.due_s for story in self._busy.values()]
        dues += [self._queue[0][0]] if self._queue else []
        return max(0.0, min(dues) - now_s) if dues else None

    def still_s(self, path: str, now_s: float) -> float | None:
        """Return for how long a file has been unchanged; None for a path that isn't there."""
        story = self._stories.get(path)
        return None if story is None else now_s - story.still_since_s

    def _take_due(self, now_s: float) -> Iterator[tuple[str, _Story]]:
        """Yield what changed, what was busy, and what has been quiet for as long as was asked, each once."""
        due = self._changed | self._busy
        self._changed = {}
        while self._queue and self._queue[0][0] <= now_s + _SLACK_S:
            due_s, _, path, story = heapq.heappop(self._queue)
            if story.queued_s != due_s:
                continue
            story.queued_s = None
            if self._stories.get(path) is story and not story.is_whole:
                due[path] = story
        yield from ((path, story) for path, story in due.items() if story.facts.kind == "file")

    def _wait(self, path: str, story: _Story, due_s: float) -> None:
        story.due_s = due_s
        # A file that was empty, or whose writers were not seen, may be due sooner than it was.
        if story.queued_s is None or due_s < story.queued_s:
            story.queued_s = due_s
            self._number += 1
            heapq.heappush(self._queue, (due_s, self._number, path, story))
        if len(self._queue) > 2 * len(self._stories) + 1000:
            # Files that came and went by the thousand within one quiet time.
            self._queue = [
                (due_s, number, path, story)
                for due_s, number, path, story in self._queue
                if self._stories.get(path) is story and story.queued_s == due_s
            ]
            heapq.heapify(self._queue)

    def _put_right(self) -> None:
        """Let the queue begin with the file that is due first."""
        while self._queue:
            due_s, _, path, story = self._queue[0]
            if story.queued_s != due_s:
                heapq.heappop(self._queue)
            elif self._stories.get(path) is not story or story.is_whole or path in self._busy:
                heapq.heappop(self._queue)
                story.queued_s = None
            elif story.due_s > due_s:
                self._number += 1
                story.queued_s = story.due_s
                heapq.heapreplace(self._queue, (story.due_s, self._number, path, story))
            else:
                return

"""Named media: files that jobs name without owning them; in a task's folder they are never drops of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection

from service.inbox.lookup import Lookup
from service.settling import FileFacts
from service.store import Store

#: What was gone for so long is forgotten; a share may be away for a while, and people move files out and back.
_FORGOTTEN_AFTER_S = 3600.0

Facts = Callable[[str], FileFacts | None]


class NamedMedia:
    """
    Who names what: waiting job files, and, remembered across lives by path, size and time, those that were claimed.

    `listed` gives the facts of what lies in task folders; files elsewhere are asked for at each look, while named.
    """

    def __init__(self, store: Store, lookup: Lookup, listed: Facts) -> None:
        self._store = store
        self._lookup = lookup
        self._listed = listed
        self._names: dict[str, frozenset[str]] = {}
        self._namers: dict[str, set[str]] = defaultdict(set)
        self._elsewhere: dict[str, FileFacts | None] = {}
        self._known: dict[str, tuple[int, int]] | None = None
        self._missing_since_s: dict[str, float] = {}

    def facts(self, key: str) -> FileFacts | None:
        """Return the newest facts of a file, in a task folder or named elsewhere; None where it isn't there."""
        return self._listed(key) or self._elsewhere.get(key)

    def name(self, deciding: str, keys: Collection[str]) -> dict[str, FileFacts]:
        """Note what a waiting drop names, in place of what it named before; return what is new to us elsewhere."""
        self.forget(deciding)
        new: dict[str, FileFacts] = {}
        if keys:
            self._names[deciding] = frozenset(keys)
        for key in keys:
            self._namers[key].add(deciding)
            if key not in self._elsewhere and self._listed(key) is None:
                facts = self._elsewhere[key] = self._lookup.facts(key)
                if facts is not None:
                    new[key] = facts
        return new

    def forget(self, deciding: str) -> None:
        """Let go of a drop that is claimed or gone."""
        for key in self._names.pop(deciding, ()):
            self._namers[key].discard(deciding)
            if not self._namers[key]:
                del self._namers[key]
                self._elsewhere.pop(key, None)

    def namers(self, key: str) -> Collection[str]:
        """Return the waiting drops that name a file."""
        return self._namers.get(key, ())

    def refresh(self) -> tuple[dict[str, FileFacts], set[str]]:
        """Ask for every file that is named elsewhere; return those that changed, and those that are gone."""
        changed: dict[str, FileFacts] = {}
        gone: set[str] = set()
        for key, known in self._elsewhere.items():
            facts = self._lookup.facts(key)
            if facts is None and known is not None:
                gone.add(key)
            elif facts is not None and facts != known:
                changed[key] = facts
            self._elsewhere[key] = facts
        return changed, gone

    # what claimed jobs named -----------------------------------------------------------------------------------------

    def remember(self, key: str, facts: FileFacts) -> None:
        """Remember a file that a claimed job names; a new file of an old name is another one."""
        self._store.name_media(key, facts.size, facts.mtime_ns)
        self._all()[key] = _named_as(facts)

    def is_named(self, path: str) -> bool:
        """Tell whether a job names a file of a task folder, or did so while it was the same file."""
        facts = self._listed(path)
        return path in self._namers or (facts is not None and self._all().get(path) == _named_as(facts))

    def tidy(self, now_s: float) -> None:
        """Forget what has been gone for an hour on the caller's clock."""
        known = self._all()
        missing = {path for path in known if self.facts(path) is None}
        since_s = self._missing_since_s
        self._missing_since_s = {path: since_s.get(path, now_s) for path in missing}
        gone = [path for path, missing_s in self._missing_since_s.items() if now_s - missing_s > _FORGOTTEN_AFTER_S]
        if gone:
            self._store.forget_media(gone)
            for path in gone:
                del known[path], self._missing_since_s[path]

    def _all(self) -> dict[str, tuple[int, int]]:
        if self._known is None:
            self._known = self._store.named_media()
        return self._known


def _named_as(facts: FileFacts) -> tuple[int, int]:
    return facts.size, facts.mtime_ns

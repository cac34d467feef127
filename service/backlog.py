"""A backlog: what can't be done now and is tried again later, each after growing gaps of its own."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

#: What is held is tried again after these, the last one over and over.
_BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
Item = TypeVar("Item")


class Backlog(Generic[Item]):
    """Items by name, each with the time on the caller's clock at which it is due; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Item]] = {}
        self._tries: dict[str, int] = {}
        self._since_s: dict[str, float] = {}

    def hold(self, name: str, item: Item, now_s: float) -> None:
        """Keep an item until it is due again; the gap grows with each time that it is held."""
        with self._lock:
            tries = self._tries[name] = self._tries.get(name, 0) + 1
            self._held[name] = (now_s + _BACKOFF_S[min(tries, len(_BACKOFF_S)) - 1], item)

    def take(self, name: str) -> Item | None:
        """Take an item out before it is due; None where it isn't held."""
        with self._lock:
            held = self._held.pop(name, None)
        return None if held is None else held[1]

    def due(self, now_s: float) -> list[Item]:
        """Take out what is due."""
        with self._lock:
            names = [name for name, (due_s, _) in self._held.items() if due_s <= now_s]
            return [self._held.pop(name)[1] for name in names]

    def due_s(self) -> float | None:
        """Return when the next item is due, None where nothing is held."""
        with self._lock:
            return min((due_s for due_s, _ in self._held.values()), default=None)

    def was_held(self, name: str) -> bool:
        """Return whether an item was ever held, until it is forgotten."""
        with self._lock:
            return name in self._tries

    def refused_for_s(self, name: str, now_s: float) -> float:
        """Note that its server refuses connections, and return for how long it has."""
        with self._lock:
            return now_s - self._since_s.setdefault(name, now_s)

    def is_refused(self, name: str) -> bool:
        """Return whether its server was ever found refusing connections, until it is forgotten."""
        with self._lock:
            return name in self._since_s

    def forget(self, name: str) -> None:
        """Forget how often an item was held and since when its server refuses."""
        with self._lock:
            self._tries.pop(name, None)
            self._since_s.pop(name, None)

"""An agenda: what is to be looked at again, and when."""

from __future__ import annotations

import heapq


class Agenda:
    """Moments by name, in seconds of one monotonic clock; a later word for the same name replaces the earlier one."""

    def __init__(self) -> None:
        self._due_s: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []

    def set(self, name: str, due_s: float) -> None:
        """Look at this name again at this moment."""
        self._due_s[name] = due_s
        heapq.heappush(self._queue, (due_s, name))

    def drop(self, name: str) -> None:
        """Forget a name."""
        self._due_s.pop(name, None)

    def take(self, now_s: float) -> list[str]:
        """Return what is due, in order, and forget it."""
        due = []
        while self._queue and self._queue[0][0] <= now_s:
            due_s, name = heapq.heappop(self._queue)
            if self._due_s.get(name) == due_s:
                del self._due_s[name]
                due.append(name)
        return due

    def next_s(self, now_s: float) -> float | None:
        """Return in how many seconds the next name is due, or None."""
        while self._queue and self._due_s.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return max(0.0, self._queue[0][0] - now_s) if self._queue else None

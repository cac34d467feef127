"""Attention: which drops are to be considered next, each task's folder in its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from service.drops import Candidate, task_of


class Attention:
    """Deciding files that have come up, by task, in order; `candidate` gives the drop that one stands for."""

    def __init__(self, candidate: Callable[[str], Candidate | None]) -> None:
        self._candidate = candidate
        self._waiting: dict[str, dict[str, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def call(self, paths: Iterable[str]) -> None:
        """Let these drops be considered; one that is called already keeps its place."""
        for path in paths:
            self._waiting.setdefault(task_of(path), {})[path] = None

    def forget(self, path: str) -> None:
        """Let a drop not be considered any more: it is claimed."""
        waiting = self._waiting.get(task_of(path), {})
        waiting.pop(path, None)
        if not waiting:
            self._waiting.pop(task_of(path), None)

    def tasks(self) -> list[str]:
        """Return the tasks of which drops are waiting."""
        return list(self._waiting)

    def take(self, task: str, most: int) -> list[Candidate]:
        """Return the next drops of a task; media alone only once no job file is left that could name it."""
        waiting = self._waiting.get(task, {})
        media: dict[str, Candidate] = {}
        taken: dict[str, Candidate] = {}
        for path in list(waiting):
            if len(taken) == most:
                break
            candidate = self._candidate(path)
            if candidate is None:
                del waiting[path]
            elif candidate.kind == "media":
                if len(media) < most:
                    media[path] = candidate
            else:
                taken[path] = candidate
        taken = taken or media
        for path in taken:
            del waiting[path]
        if not waiting:
            self._waiting.pop(task, None)
        return list(taken.values())

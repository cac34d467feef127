"""A timetable: when the jobs of each task folder may be sent, by the windows of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from service.declaration import nearest
from service.errors import Problem
from service.windows import Window, next_change, next_opening, window_of


class Timetable:
    """Windows that hold for everything, and those of single tasks, which stand in their place."""

    def __init__(
        self, windows: Iterable[str], task_windows: Mapping[str, Iterable[str]], now: Callable[[], datetime]
    ) -> None:
        """`now` returns an aware time in the zone in which windows are meant."""
        self._for_all = tuple(map(window_of, windows))
        self._of_task = {task: tuple(map(window_of, texts)) for task, texts in task_windows.items()}
        self._now = now

    def opening(self, task: str) -> datetime | None:
        """Return when jobs of a task may be sent again; None where they may be now."""
        return next_opening(self._windows(task), self._now())

    def change(self, task: str) -> datetime | None:
        """Return when the windows of a task open or close next; None where they never do."""
        return next_change(self._windows(task), self._now())

    def closed(self, tasks: Iterable[str]) -> dict[str, datetime]:
        """Return those of these tasks that are outside their windows, each with when it opens."""
        if not (self._for_all or self._of_task):
            return {}
        return {task: opening for task in sorted(tasks) if (opening := self.opening(task)) is not None}

    def unknown(self, tasks: Collection[str]) -> Problem | None:
        """Return what is wrong where windows are written for a task that isn't there: they would hold for nothing."""
        strange = sorted(self._of_task.keys() - set(tasks))
        if not strange:
            return None
        near = nearest(strange[0], list(tasks))
        fix = f"Did you mean {near}?" if near else f"The tasks are: {', '.join(sorted(tasks))}."
        return Problem("unknown_task", f"task_windows in config.yaml names {strange[0]}, which is no task.", fix)

    def _windows(self, task: str) -> Sequence[Window]:
        return self._of_task.get(task, self._for_all)

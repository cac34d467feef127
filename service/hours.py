"""Hours: which task folders are outside their time windows now; their queued jobs stay with us and say until when."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from service.errors import Problem
from service.job import Hold
from service.register import SHARED_HOLD_FILES, Register
from service.store import utc_now
from service.timetable import Timetable

TASK_OUTSIDE_WINDOW = "task_outside_window"


class Hours:
    """Keeps the jobs of closed tasks from being sent; `moved` is told when a task opens. Any thread may ask."""

    def __init__(
        self, timetable: Timetable, register: Register, tasks: Collection[str], moved: Callable[[], None]
    ) -> None:
        self._register = register
        self._store = register.store
        self._moved = moved
        self._timetable = timetable
        self._tasks = frozenset(tasks)
        self._closed = timetable.closed(self._tasks)
        #: What was closed when it was last said; an earlier life may have said anything.
        self._said: dict[str, datetime] | None = None

    @property
    def closed_tasks(self) -> frozenset[str]:
        """The task folders of which nothing is sent now, as of the newest `tell`."""
        return frozenset(self._closed)

    def follow(self, timetable: Timetable, tasks: Collection[str]) -> None:
        """Go by these windows and tasks from now on."""
        self._timetable, self._tasks = timetable, frozenset(tasks)

    def notices(self) -> dict[str, Problem | None]:
        """Return what the operator should know of the windows, by code; None where there is nothing."""
        return {"unknown_task": self._timetable.unknown(self._tasks)}

    def tell(self) -> None:
        """Look at the clock, and say it on the next queued jobs of each closed task; to be called every second."""
        was, self._closed = self._closed, self._timetable.closed(self._tasks)
        if self._said != self._closed:
            for job_id, task in self._store.held_for(TASK_OUTSIDE_WINDOW):
                # Where its windows are others now, it says so in other words.
                self._register.hold(job_id, self._hold(task))
            self._said = self._closed
        for task in self._store.queued_tasks() if self._closed else ():
            if (hold := self._hold(task)) is not None:
                for job_id in self._store.queued_unheld(task, SHARED_HOLD_FILES):
                    self._register.hold(job_id, hold)
        if was.keys() - self._closed.keys():
            self._moved()

    def _hold(self, task: str) -> Hold | None:
        opening = self._closed.get(task)
        if opening is None:
            return None
        title = f"The task {task} is outside its time window until {opening:%Y-%m-%d %H:%M}."
        return Hold(TASK_OUTSIDE_WINDOW, title, "It goes on by itself then; config.yaml has its windows.", utc_now())

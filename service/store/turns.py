"""Whose turn it is, as rows: the next queued jobs of each kind are found without reading the others."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from itertools import islice

from service.cohorts import Name, names_of
from service.migrations import COHORT
from service.schedule import LOOK_AHEAD, Turn, in_order
from service.store.connection import Connection

#: SQLite is told a partial index by the very words of its condition.
QUEUED = "state = 'queued' AND kind = 'job'"
#: Their results lie in the quarantine, free to be published: no backend has a part in that.
RELEASED = "(SELECT job FROM quarantine WHERE released_at IS NOT NULL)"
TURN = """SELECT id, task, priority, number, models, passed, coalesce(workflow, '') AS workflow,
    coalesce(queued_at, '') AS queued_at FROM jobs"""
#: Each task folder that has queued jobs: one step in the index for each, however many jobs it has.
_TASKS = f"""WITH RECURSIVE tasks (task) AS (
    SELECT min(task) FROM jobs WHERE {QUEUED}
    UNION ALL SELECT (SELECT min(task) FROM jobs WHERE {QUEUED} AND jobs.task > tasks.task) FROM tasks
              WHERE tasks.task IS NOT NULL) """
#: Each cohort of a task folder, the same way.
_COHORTS = f"""WITH RECURSIVE cohorts (cohort) AS (
    SELECT min({COHORT}) FROM jobs WHERE {QUEUED} AND task = :task
    UNION ALL SELECT (SELECT min({COHORT}) FROM jobs WHERE {QUEUED} AND task = :task AND {COHORT} > cohorts.cohort)
              FROM cohorts WHERE cohorts.cohort IS NOT NULL)
    SELECT cohort FROM cohorts WHERE cohort IS NOT NULL"""
_FREE = f"cancel = 0 AND aside = 0 AND id NOT IN {RELEASED}"
_OF_TASK = f"{TURN} WHERE {QUEUED} AND task = ? AND {_FREE} ORDER BY priority DESC, number LIMIT ?"
_OF_COHORT = f"""{TURN} WHERE {QUEUED} AND task = ? AND {COHORT} = ? AND {_FREE}
                 AND priority <= ? AND (priority < ? OR number > ?) ORDER BY priority DESC, number LIMIT ?"""
#: So many jobs of one kind are read at once; where none of the first of them fits, none is taken to.
_AT_ONCE = 8
_HOLDS = f"""SELECT id, json_extract(hold, '$.code') AS code FROM jobs WHERE {QUEUED} AND task = ? AND {COHORT} = ?
             ORDER BY priority DESC, number"""


class Turns(Connection):
    """Questions about the order of the queue; each costs a few steps in an index for each kind of job that there is."""

    def queued_tasks(self) -> list[str]:
        """Return the task folders that have queued jobs."""
        return [row["task"] for row in self._rows(_TASKS + "SELECT task FROM tasks WHERE task IS NOT NULL")]

    def last_started(self, tasks: Collection[str]) -> dict[str, str]:
        """Return when the newest start of a job of each of these task folders was; none for one that never had any."""
        found = {}
        for task in tasks:
            rows = self._rows("SELECT max(started_at) AS at FROM jobs WHERE task = ? AND kind = 'job'", (task,))
            if rows[0]["at"]:
                found[task] = rows[0]["at"]
        return found

    def candidates(
        self, tasks: Collection[str], limit: int = LOOK_AHEAD, fits: Callable[[Turn], bool] | None = None
    ) -> list[Turn]:
        """
        Return the next `limit` jobs of these task folders in order, of those that `fits` takes, if it is given.

        Jobs of one workflow on the same models are looked at together: where none of the first of them fits, none of
        them does. Left out are groups that are held, jobs whose cancelling is under way, and what is released.
        """
        held, last_started = self._held_names(), self.last_started(tasks)
        found = [turn for task in tasks for turn in self._next_of(task, limit, held, fits or (lambda _: True))]
        return list(islice(in_order(found, last_started), limit))

    def all_turns(self, paused: Collection[str] = ()) -> list[Turn]:
        """Return every queued job that comes up by itself: of no paused task ("": all) and no held group, not aside."""
        if "" in paused:
            return []
        held = self._held_names()
        turns = map(turn_of, self._rows(f"{TURN} WHERE {QUEUED} AND cancel = 0 AND aside = 0"))
        free = (turn for turn in turns if turn.task not in paused)
        return [turn for turn in free if held.isdisjoint(names_of(turn.workflow, turn.models))]

    def queued_of(self, group: Name, without: str, limit: int) -> list[str]:
        """Return those of a group's next `limit` queued jobs of each task that are not on hold for a code."""
        found: list[str] = []
        for task in self.queued_tasks():
            for (cohort,) in self._rows(_COHORTS, {"task": task}):
                if group in _names_in(cohort):
                    rows = self._rows(f"{_HOLDS} LIMIT ?", (task, cohort, limit))
                    found += [row["id"] for row in rows if row["code"] != without]
        return found

    def passed_over(self, job_ids: Collection[str]) -> None:
        """Count that another job was preferred to each of these."""
        if job_ids:
            with self.transaction():
                self._connection.executemany(
                    "UPDATE jobs SET passed = passed + 1 WHERE id = ?", [(each,) for each in job_ids]
                )

    def _next_of(self, task: str, limit: int, held: set[Name], fits: Callable[[Turn], bool]) -> list[Turn]:
        """Return the next jobs of a task folder: mostly just those, seldom kind by kind past those that don't fit."""
        first = [turn_of(row) for row in self._rows(_OF_TASK, (task, limit))]
        taken = [turn for turn in first if held.isdisjoint(names_of(turn.workflow, turn.models)) and fits(turn)]
        if len(taken) == len(first) or len(first) < limit:
            return taken
        cohorts = [row["cohort"] for row in self._rows(_COHORTS, {"task": task})]
        free = (cohort for cohort in cohorts if not held or held.isdisjoint(_names_in(cohort)))
        kinds = (self._of_cohort(task, cohort, fits) for cohort in free)
        return list(islice(heapq.merge(*kinds, key=lambda turn: (-turn.priority, turn.number)), limit))

    def _of_cohort(self, task: str, cohort: str, fits: Callable[[Turn], bool]) -> Iterator[Turn]:
        """Yield the jobs of one kind that fit, in order; none where the first few don't."""
        fitted, last = False, (1000, 0)
        while rows := self._rows(_OF_COHORT, (task, cohort, last[0], *last, _AT_ONCE)):
            turns = [turn_of(row) for row in rows]
            for turn in filter(fits, turns):
                fitted = True
                yield turn
            if not fitted or len(rows) < _AT_ONCE:
                return
            last = turns[-1].priority, turns[-1].number

    def _held_names(self) -> set[Name]:
        rows = self._rows("SELECT kind, name FROM cohorts WHERE held_since IS NOT NULL")
        return {(row["kind"], row["name"]) for row in rows}


def _names_in(cohort: str) -> list[Name]:
    workflow, _, models = cohort.partition("\n")
    return names_of(workflow, json.loads(models))


def turn_of(row: sqlite3.Row) -> Turn:
    """Return the turn that a row holds."""
    task, models = row["task"], _models_in(row["models"])
    return Turn(
        row["id"], task, row["priority"], row["number"], models, row["passed"], row["workflow"], row["queued_at"]
    )


@lru_cache(1000)
def _models_in(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))

"""The queue: which jobs are in which state, in the order in which they come up. Nothing here loads all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from service.job import Job, State
from service.migrations import folded
from service.naming import clean
from service.rows import job_of
from service.schedule import Turn, in_order
from service.store.jobs import SELECT, Jobs
from service.store.turns import QUEUED, RELEASED, TURN, Turns, turn_of

_LIVE = "state IN ('waiting', 'queued', 'running')"
#: What is released and queued; found by its few entries in the quarantine, never by the whole queue.
_TO_PUBLISH = f"+state = 'queued' AND id IN {RELEASED}"
#: Holds that say what keeps this very job; what keeps all of them must not be said over that.
_OF_ITS_OWN = "('paused', 'same_failures', 'tags_missing', 'task_outside_window')"


class Queue(Jobs, Turns):
    """Questions about many jobs at once."""

    def in_states(self, *states: State, limit: int = -1) -> list[Job]:
        """Return jobs (not batches) in any of these states, the higher priority first, then as they came."""
        marks = ", ".join("?" * len(states))
        where = f"WHERE kind = 'job' AND state IN ({marks}) ORDER BY priority DESC, number LIMIT ?"
        return [job_of(row) for row in self._rows(SELECT + where, (*states, limit))]

    def newest(self, limit: int) -> list[Job]:
        """Return the newest rows of any state, the newest first."""
        return [job_of(row) for row in self._rows(SELECT + "ORDER BY number DESC LIMIT ?", (limit,))]

    def counts(self) -> dict[str, int]:
        """Return how many jobs (not batches) are in each state."""
        rows = self._rows("SELECT state, count(*) AS jobs FROM jobs WHERE kind = 'job' GROUP BY state")
        return {row["state"]: row["jobs"] for row in rows}

    # whose turn it is ------------------------------------------------------------------------------------------------

    def holds(self) -> dict[tuple[str, str, str], int]:
        """Return why live jobs don't go on, as (code, title, fix), with how many have that reason."""
        rows = self._rows(
            """SELECT hold ->> 'code' AS code, hold ->> 'title' AS title, hold ->> 'fix' AS fix, count(*) AS jobs
               FROM jobs WHERE kind = 'job' AND state IN ('waiting', 'queued', 'running') AND hold IS NOT NULL
               GROUP BY 1, 2, 3"""
        )
        return {(row["code"], row["title"], row["fix"]): row["jobs"] for row in rows}

    def next_queued(self, limit: int) -> list[Job]:
        """Return so many queued jobs, the next ones first, but for what is paused, set aside or fails alike."""
        found = []
        tasks = self.queued_tasks()
        statement = f"""{TURN} WHERE {QUEUED} AND task = ? AND aside = 0
                        AND coalesce(json_extract(hold, '$.code'), '') NOT IN {_OF_ITS_OWN}
                        ORDER BY priority DESC, number LIMIT ?"""
        for task in tasks:
            found += [turn_of(row) for row in self._rows(statement, (task, limit))]
        order = islice(in_order(found, self.last_started(tasks)), limit)
        return [job for turn in order if (job := self.get(turn.id)) is not None]

    def places(self, paused: Collection[str] = ()) -> dict[str, int]:
        """Return each queued job's place where models don't matter, from 1; what is paused or held has none."""
        turns = self.all_turns(paused)
        started = self.last_started({turn.task for turn in turns})
        return {turn.id: place for place, turn in enumerate(in_order(turns, started), start=1)}

    def running_on(self, backend: str) -> list[str]:
        """Return the ids of the jobs that run on a backend, the first one first; what is released runs on none."""
        statement = f"""SELECT id FROM jobs WHERE {_LIVE} AND state = 'running' AND kind = 'job' AND backend = ?
                        AND id NOT IN {RELEASED} ORDER BY number"""
        return [row["id"] for row in self._rows(statement, (backend,))]

    # what can go on --------------------------------------------------------------------------------------------------

    def is_live(self, text: str) -> bool:
        """Return whether this is the id of a live job, or of a drop that has one."""
        statement = f"""SELECT 1 FROM jobs WHERE id = ? AND {_LIVE}
                        UNION ALL SELECT 1 FROM jobs WHERE "drop" = ? AND +{_LIVE} LIMIT 1"""
        return bool(self._rows(statement, (text, text)))

    def can_go_on(self, paused: Collection[str]) -> bool:
        """Return whether any job runs, is queued, or waits without a hold; but for those of paused tasks ("": all)."""
        # Nobody writes meanwhile: between two questions a job could go from queued to running, and be in neither.
        with self._lock:
            return self._any_goes_on(paused)

    def _any_goes_on(self, paused: Collection[str]) -> bool:
        if self._rows(f"SELECT 1 FROM jobs WHERE {_LIVE} AND state = 'running' AND kind = 'job' LIMIT 1"):
            return True
        if "" in paused:
            return False
        marks = ", ".join("?" * len(paused))
        free = f"kind = 'job' AND task NOT IN ({marks})"
        statement = f"""SELECT 1 FROM jobs WHERE {_LIVE} AND state = 'queued' AND cancel = 1
                        UNION ALL SELECT 1 FROM jobs WHERE {_TO_PUBLISH} AND {free}
                        UNION ALL SELECT 1 FROM jobs WHERE {_LIVE} AND state = 'waiting' AND hold IS NULL AND {free}
                        LIMIT 1"""
        return bool(self._rows(statement, (*paused, *paused))) or bool(self._heads(paused))

    def is_stuck(self, paused: Collection[str]) -> bool:
        """Return whether there are live jobs, and somebody else must act before any of them goes on."""
        live = f"SELECT 1 FROM jobs WHERE {_LIVE} AND kind = 'job'"
        if not self._rows(f"{live} LIMIT 1"):
            return False
        if self._rows(f"{live} AND state = 'running' AND hold IS NULL LIMIT 1"):
            return False
        if "" in paused:
            return True
        unpaused = f"AND task NOT IN ({', '.join('?' * len(paused))})"
        waiting = f"{live} AND state = 'waiting' AND hold IS NULL {unpaused}"
        published = f"SELECT 1 FROM jobs WHERE {_TO_PUBLISH} {unpaused}"
        if self._rows(f"{waiting} UNION ALL {published} LIMIT 1", (*paused, *paused)):
            return False
        return all(job is None or job.hold is not None for job in (self.get(turn.id) for turn in self._heads(paused)))

    def _heads(self, paused: Collection[str]) -> list[Turn]:
        """Return the first job of each task folder that is neither paused nor held for its group's failures."""
        free = (task for task in self.queued_tasks() if task not in paused)
        return [turn for task in free for turn in self.candidates([task], 1)]

    # pause and cancel ------------------------------------------------------------------------------------------------

    def queued_without(self, code: str, task: str, limit: int) -> list[str]:
        """Return those of a task's next `limit` queued jobs that are not on hold for this."""
        statement = f"""SELECT id, json_extract(hold, '$.code') AS code FROM jobs WHERE {QUEUED} AND task = ?
                        ORDER BY priority DESC, number LIMIT ?"""
        return [row["id"] for row in self._rows(statement, (task, limit)) if row["code"] != code]

    def queued_unheld(self, task: str, limit: int) -> list[str]:
        """Return those of a task's next `limit` queued jobs that nothing of their own keeps."""
        statement = f"""SELECT id, json_extract(hold, '$.code') IN {_OF_ITS_OWN} AS own FROM jobs
                        WHERE {QUEUED} AND task = ? ORDER BY priority DESC, number LIMIT ?"""
        return [row["id"] for row in self._rows(statement, (task, limit)) if not row["own"]]

    def held_for(self, code: str) -> list[tuple[str, str]]:
        """Return id and task of each queued job that is on hold for this."""
        statement = f"""SELECT id, task FROM jobs WHERE {QUEUED} AND hold IS NOT NULL
                        AND json_extract(hold, '$.code') = ?"""
        return [(row["id"], row["task"]) for row in self._rows(statement, (code,))]

    def prioritise(self, job_ids: Sequence[str], priority: int) -> int:
        """Give jobs another priority and return how many had another one before."""
        changed = 0
        with self.transaction():
            for job_id in job_ids:
                statement = "UPDATE jobs SET priority = ? WHERE id = ? AND priority != ?"
                if self._connection.execute(statement, (priority, job_id, priority)).rowcount:
                    self.log("priority", job=job_id, detail=str(priority))
                    changed += 1
        return changed

    def asked_to_cancel(self, job_id: str) -> bool:
        """Return whether somebody asked to cancel a job."""
        return bool(self._rows("SELECT 1 FROM jobs WHERE id = ? AND cancel = 1", (job_id,)))

    def cancelling(self) -> list[Job]:
        """Return the live rows, batches too, that somebody asked to cancel."""
        return [job_of(row) for row in self._rows(f"{SELECT}WHERE cancel = 1 AND {_LIVE}")]

    def ask_to_cancel(self, job_ids: Sequence[str]) -> None:
        """Remember durably that somebody asked to cancel these jobs."""
        with self.transaction():
            self._connection.executemany("UPDATE jobs SET cancel = 1 WHERE id = ?", [(each,) for each in job_ids])
            for job_id in job_ids:
                self.log("cancel", job=job_id)

    def queued_to_cancel(self, limit: int) -> list[str]:
        """Return the ids of so many queued jobs that somebody asked to cancel, as they came."""
        statement = f"""SELECT id FROM jobs WHERE cancel = 1 AND {_LIVE} AND state = 'queued' AND kind = 'job'
                        ORDER BY number LIMIT ?"""
        return [row["id"] for row in self._rows(statement, (limit,))]

    def running_to_cancel(self) -> list[str]:
        """Return the ids of the running jobs that somebody asked to cancel."""
        statement = f"SELECT id FROM jobs WHERE cancel = 1 AND {_LIVE} AND state = 'running' AND kind = 'job'"
        return [row["id"] for row in self._rows(statement)]

    def batches_to_cancel(self) -> list[str]:
        """Return the live jobs of batches that somebody asked to cancel while each was one waiting drop."""
        statement = f"""SELECT jobs.id FROM jobs JOIN jobs AS asked ON asked.id = jobs.batch
                        WHERE asked.cancel = 1 AND asked.{_LIVE} AND asked.kind = 'batch'
                        AND jobs.cancel = 0 AND +jobs.{_LIVE}"""
        return [row["id"] for row in self._rows(statement)]

    def live_named(self, task: str, grouping: str, name: str) -> list[str]:
        """
        Return the live jobs of one folder that go by a name, as they came.

        It may be a job's outbox name or id, a batch's (all its jobs), the dropped NAME, or a drop's id.
        """
        statement = f"""SELECT id FROM jobs WHERE kind = 'job' AND +{_LIVE} AND +task = :task AND +grouping = :grouping
            AND number IN (
                SELECT number FROM jobs WHERE folded = :folded
                UNION SELECT number FROM jobs WHERE id = :text
                UNION SELECT number FROM jobs WHERE "drop" IN (
                    SELECT "drop" FROM jobs WHERE folded = :folded AND kind = 'batch'
                    UNION SELECT "drop" FROM jobs WHERE id = :text AND kind = 'batch'
                    UNION SELECT id FROM drops WHERE id = :text
                    UNION SELECT id FROM drops WHERE task = :task AND grouping = :grouping AND returned_to IS NULL
                          AND name = :name COLLATE NOCASE))
            ORDER BY number"""
        cleaned = clean(name)
        values = {"task": task, "grouping": grouping, "name": cleaned, "text": clean(name.lower())}
        rows = self._rows(statement, {**values, "folded": folded(task, grouping, cleaned)})
        return [row["id"] for row in rows]

    def live_names(self) -> list[dict[str, str]]:
        """Return each live job's id, drop, batch, task, grouping, name, state, batch_name, and drop_name as dropped."""
        rows = self._rows(
            f"""SELECT jobs.id, jobs."drop", jobs.batch, jobs.task, jobs.grouping, jobs.name, jobs.state,
                       batches.name AS batch_name, drops.name AS drop_name
                FROM jobs JOIN drops ON drops.id = jobs."drop" LEFT JOIN jobs AS batches ON batches.id = jobs.batch
                WHERE jobs.kind = 'job' AND jobs.{_LIVE} ORDER BY jobs.number"""
        )
        return [{key: row[key] or "" for key in row.keys()} for row in rows]  # noqa: SIM118  a row's own iterator gives values

    def live_folders(self) -> set[tuple[str, str]]:
        """Return task and grouping of every folder that has live jobs."""
        rows = self._rows(f"SELECT DISTINCT task, grouping FROM jobs WHERE {_LIVE}")
        return {(row["task"], row["grouping"]) for row in rows}

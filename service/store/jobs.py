"""Jobs as rows: added, changed, moved along the one table of moves; and what is to be rendered for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from service.job import MOVES, Job, Render, State
from service.migrations import folded
from service.rows import COLUMNS, job_of, json_text, parts_text, render_of, row_of, stored
from service.store.connection import Connection

#: Named once here, so that no caller can put text into a statement.
SELECT = "SELECT " + ", ".join(f'"{column}"' for column in COLUMNS) + " FROM jobs "
_ADDED = tuple(column for column in COLUMNS if column != "number")
_ADD = f"""INSERT INTO jobs (folded, {", ".join(f'"{column}"' for column in _ADDED)})
           VALUES (?, {", ".join("?" * len(_ADDED))})"""
#: SQLite takes so many values in one statement everywhere.
_VALUES_AT_ONCE = 500


class ForbiddenMove(Exception):
    """The table of moves forbids this; the caller has missed that the job moved meanwhile."""


class Jobs(Connection):
    """Single jobs, their names and their plans."""

    def add(self, job: Job) -> None:
        """Add a job's row as it is; its number is given here."""
        row = row_of(job)
        values = (folded(job.task, job.grouping, job.name), *(row[column] for column in _ADDED))
        with self.transaction():
            self._connection.execute(_ADD, values)

    def get(self, job_id: str) -> Job | None:
        """Return one job, or None."""
        rows = self._rows(SELECT + "WHERE id = ?", (job_id,))
        return job_of(rows[0]) if rows else None

    def of_result(self, sha256: str) -> Job | None:
        """Return the newest job with a result of these bytes, or None."""
        rows = self._rows(SELECT + "WHERE result = ? ORDER BY number DESC LIMIT 1", (sha256,))
        return job_of(rows[0]) if rows else None

    def first_of_drops(self, drop_ids: Sequence[str]) -> dict[str, Job]:
        """Return the first row of each of these drops: what stands for the whole of it."""
        marks = ", ".join("?" * len(drop_ids))
        first = f'SELECT min(number) FROM jobs WHERE "drop" IN ({marks}) GROUP BY "drop"'
        rows = self._rows(SELECT + f"WHERE number IN ({first})", drop_ids)
        return {row["drop"]: job_of(row) for row in rows}

    def of_drop(self, drop_id: str) -> list[Job]:
        """Return the drop's jobs in the order written, its batch row first where it has one."""
        return [job_of(row) for row in self._rows(SELECT + 'WHERE "drop" = ? ORDER BY number', (drop_id,))]

    def consent_given(self, workflow: str, inputs: Sequence[Mapping[str, str]]) -> dict[str, Any] | None:
        """Return the newest consent to this workflow for exactly these inputs (role and SHA-256 count), or None."""
        wanted = [(each["role"], each["sha256"]) for each in inputs]
        statement = "SELECT consent FROM jobs WHERE workflow = ? AND consent IS NOT NULL ORDER BY number DESC"
        for row in self._rows(statement, (workflow,)):
            consent: dict[str, Any] = json.loads(row["consent"])
            if [(each["role"], each["sha256"]) for each in consent["inputs"]] == wanted:
                return consent
        return None

    def holds_name(self, task: str, grouping: str, names: Sequence[str], but: str) -> bool:
        """Return whether another drop's live job, or batch with a live or done job, clashes with one of these names."""
        for start in range(0, len(names), _VALUES_AT_ONCE):
            some = names[start : start + _VALUES_AT_ONCE]
            marks = ", ".join("?" * len(some))
            rows = self._rows(
                f"""SELECT 1 FROM jobs WHERE folded IN ({marks}) AND "drop" != ? AND (
                    state IN ('waiting', 'queued', 'running') OR same_as IS NOT NULL OR (kind = 'batch' AND EXISTS (
                    SELECT 1 FROM jobs AS one WHERE one.batch = jobs.id AND one.state = 'done'))) LIMIT 1""",
                (*(folded(task, grouping, name) for name in some), but),
            )
            if rows:
                return True
        return False

    def change(self, job_id: str, **changes: Any) -> Job:
        """Save new values of a job without moving it."""
        assert "state" not in changes, "states change through move() alone"
        with self.transaction():
            return self._update(self._present(job_id), changes)

    def move(self, job_id: str, to: State, **changes: Any) -> Job:
        """Move a job and save what comes with it; raises ForbiddenMove where the table says no."""
        with self.transaction():
            job = self._present(job_id)
            if to not in MOVES[job.state]:
                raise ForbiddenMove(f"{job.name}: {job.state} can't become {to}")
            stamp = {State.QUEUED: "queued_at", State.RUNNING: "started_at"}.get(to, "finished_at")
            moved = self._update(job, {"hold": None, stamp: self._now(), **changes, "state": to})
            self.log(str(to), drop=job.drop, job=job.id, detail=(changes.get("error") or {}).get("title", ""))
            return moved

    def _leave_name(self, job: Job, name: str) -> None:
        left = (f"{job.folder}/{job.name}", folded(job.task, job.grouping, job.name))
        self._connection.execute("INSERT OR IGNORE INTO leftovers VALUES (?, ?)", left)
        values = (folded(job.task, job.grouping, name), job.id)
        self._connection.execute("UPDATE jobs SET folded = ? WHERE id = ?", values)

    def leftovers(self) -> list[str]:
        """Return the former outbox names (folder and NAME) whose status files may still lie there, unless taken."""
        rows = self._rows(
            """SELECT path FROM leftovers WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.folded = leftovers.folded
               AND path = task || '/' || CASE grouping WHEN '' THEN '' ELSE grouping || '/' END || name)"""
        )
        return [row["path"] for row in rows]

    def forget_leftover(self, path: str) -> None:
        """Forget a former name: its status file is gone."""
        with self.transaction():
            self._connection.execute("DELETE FROM leftovers WHERE path = ?", (path,))

    def _present(self, job_id: str) -> Job:
        job = self.get(job_id)
        assert job is not None, f"no job {job_id}"
        return job

    def _update(self, job: Job, changes: dict[str, Any]) -> Job:
        """Save what differs of a job and return it so; what was just read isn't read again."""
        if changes.get("name", job.name) != job.name:
            self._leave_name(job, changes["name"])
        changes = {"updated_at": self._now(), **changes}
        assert changes.keys() <= set(COLUMNS), changes.keys()
        assignments = ", ".join(f'"{column}" = ?' for column in changes)
        values = [stored(column, value) for column, value in changes.items()]
        self._connection.execute(f"UPDATE jobs SET {assignments} WHERE id = ?", (*values, job.id))
        return replace(job, **changes)

    # renders ---------------------------------------------------------------------------------------------------------

    def plan(self, render: Render) -> None:
        """Save what a backend is to run for a job, replacing an earlier plan (a retry has a new prompt id)."""
        values = (
            render.job,
            render.prompt_id,
            json_text(render.graph),
            render.output_node,
            json_text(vars(render.expected)),
            json_text(render.weights),
            json_text(render.uploads),
            render.interpolation,
            parts_text(render.parts),
        )
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO renders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def render(self, job_id: str) -> Render | None:
        """Return the plan of a job, or None where it never was queued."""
        rows = self._rows("SELECT * FROM renders WHERE job = ?", (job_id,))
        return render_of(rows[0]) if rows else None

"""SQLite: the queue and the log. One writer, each transaction whole, every move checked against the one table."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from service.job import MOVES, Drop, Job, Render, State
from service.migrations import MIGRATIONS, folded
from service.rows import COLUMNS, drop_of, job_of, path_of, render_of, row_of, sound, stored, text_of

#: Named once here, so that no caller can put text into a statement.
_SELECT = "SELECT " + ", ".join(f'"{column}"' for column in COLUMNS) + " FROM jobs "
_BUSY_TIMEOUT_MS = 5000


def utc_now() -> str:
    """Return now as the project writes it: UTC, milliseconds, Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ForbiddenMove(Exception):
    """The table of moves forbids this; the caller has missed that the job moved meanwhile."""


class Store:
    """The queue and the log in one SQLite file.

    Threads share one connection behind a lock that is held for a whole transaction: with one connection a thread's
    rollback could otherwise discard what another believes committed.
    """

    def __init__(self, path: Path, *, now: Callable[[], str] = utc_now, read_only: bool = False) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._depth = 0
        if read_only:
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._database = Database(self._connection)
        self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        if not read_only:
            self._prepare()

    def _prepare(self) -> None:
        for pragma, wanted in (("journal_mode = WAL", "wal"), ("synchronous = FULL", 2), ("foreign_keys = ON", 1)):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
            name = pragma.split(" ", 1)[0]
            found = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != wanted:
                raise sqlite3.OperationalError(f"PRAGMA {name} is {found}, not {wanted}")
        MIGRATIONS.apply(self._database)

    def close(self) -> None:
        """Close the connection; what was committed stays."""
        with self._lock:
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside one durable step; nested uses join the outer one."""
        with self._lock:
            if self._depth:
                yield
                return
            # Immediate: a deferred transaction that reads first fails with BUSY_SNAPSHOT at once, time-out or not.
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    # drops -----------------------------------------------------------------------------------------------------------

    def see(self, drop: Drop, job: Job) -> Job:
        """Record a drop from its first sight, with the waiting job that stands for it."""
        with self.transaction():
            self._connection.execute(
                "INSERT INTO drops (id, task, grouping, name, kind, members, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (drop.id, drop.task, drop.grouping, drop.name, drop.kind, json.dumps(drop.members), job.seen_at),
            )
            self.add(job)
            self.log("seen", drop=drop.id, job=job.id, detail=", ".join(drop.members))
        return job

    def drop(self, drop_id: str) -> Drop | None:
        """Return one drop, or None where it was never seen."""
        rows = self._rows("SELECT * FROM drops WHERE id = ?", (drop_id,))
        return drop_of(rows[0]) if rows else None

    def waiting_drops(self) -> list[Drop]:
        """Return every drop that was seen and neither claimed nor returned."""
        return [drop_of(row) for row in self._rows("SELECT * FROM drops WHERE claimed = 0 AND returned_to IS NULL")]

    def claimed_drops(self) -> list[Drop]:
        """Return every drop whose files are in a claim folder."""
        return [drop_of(row) for row in self._rows("SELECT * FROM drops WHERE claimed = 1 AND returned_to IS NULL")]

    def mark_drop(self, drop_id: str, **changes: Any) -> None:
        """Save where a drop's files are (`claimed`, `returned_to`) or what it is made of (`members`, `kind`)."""
        if "members" in changes:
            changes["members"] = json.dumps(changes["members"])
        if changes.get("returned_to"):
            changes["returned_to"] = text_of(changes["returned_to"])
        assert changes.keys() <= {"claimed", "returned_to", "members", "kind"}
        assignments = ", ".join(f"{column} = ?" for column in changes)
        with self.transaction():
            self._connection.execute(f"UPDATE drops SET {assignments} WHERE id = ?", (*changes.values(), drop_id))

    # jobs ------------------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Add a job's row as it is; its number is given here."""
        row = {column: value for column, value in row_of(job).items() if column != "number"}
        row["folded"] = folded(job.task, job.grouping, job.name)
        names = ", ".join(f'"{column}"' for column in row)
        marks = ", ".join("?" * len(row))
        with self.transaction():
            self._connection.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", tuple(row.values()))

    def get(self, job_id: str) -> Job | None:
        """Return one job, or None."""
        rows = self._rows(_SELECT + "WHERE id = ?", (job_id,))
        return job_of(rows[0]) if rows else None

    def of_drop(self, drop_id: str) -> list[Job]:
        """Return the drop's jobs in the order written, its batch row first where it has one."""
        return [job_of(row) for row in self._rows(_SELECT + 'WHERE "drop" = ? ORDER BY number', (drop_id,))]

    def in_states(self, *states: State, limit: int = -1) -> list[Job]:
        """Return jobs (not batches) in any of these states, in the order in which they come up."""
        marks = ", ".join("?" * len(states))
        where = f"WHERE kind = 'job' AND state IN ({marks}) ORDER BY priority DESC, number LIMIT ?"
        return [job_of(row) for row in self._rows(_SELECT + where, (*states, limit))]

    def newest(self, limit: int) -> list[Job]:
        """Return the newest rows of any state, the newest first."""
        return [job_of(row) for row in self._rows(_SELECT + "ORDER BY number DESC LIMIT ?", (limit,))]

    def counts(self) -> dict[str, int]:
        """Return how many jobs (not batches) are in each state."""
        rows = self._rows("SELECT state, count(*) AS jobs FROM jobs WHERE kind = 'job' GROUP BY state")
        return {row["state"]: row["jobs"] for row in rows}

    def holds_name(self, task: str, grouping: str, names: Sequence[str], but: str) -> bool:
        """Return whether another drop's live job, or batch with a live or done job, clashes with one of these names."""
        marks = ", ".join("?" * len(names))
        rows = self._rows(
            f"""SELECT 1 FROM jobs WHERE folded IN ({marks}) AND "drop" != ?
                AND (state IN ('waiting', 'queued', 'running') OR (kind = 'batch' AND EXISTS (
                     SELECT 1 FROM jobs AS one WHERE one.batch = jobs.id AND one.state = 'done'))) LIMIT 1""",
            (*(folded(task, grouping, name) for name in names), but),
        )
        return bool(rows)

    def change(self, job_id: str, **changes: Any) -> Job:
        """Save new values of a job without moving it."""
        assert "state" not in changes, "states change through move() alone"
        with self.transaction():
            if "name" in changes:
                self._leave_name(self._present(job_id), changes["name"])
            self._update(job_id, changes)
            return self._present(job_id)

    def move(self, job_id: str, to: State, **changes: Any) -> Job:
        """Move a job and save what comes with it; raises ForbiddenMove where the table says no."""
        with self.transaction():
            job = self._present(job_id)
            if to not in MOVES[job.state]:
                raise ForbiddenMove(f"{job.name}: {job.state} can't become {to}")
            stamp = {State.QUEUED: "queued_at", State.RUNNING: "started_at"}.get(to, "finished_at")
            self._update(job_id, {"hold": None, stamp: self._now(), **changes, "state": to})
            self.log(str(to), drop=job.drop, job=job.id, detail=(changes.get("error") or {}).get("title", ""))
            return self._present(job_id)

    def queue(self, waiting: Job, jobs: Sequence[Job]) -> None:
        """Turn a drop's waiting row into its queued job, or into a batch of several that are added below it."""
        common = {name: getattr(waiting, name) for name in ("workflow", "chosen", "inputs", "graph_hash", "seed")}
        with self.transaction():
            if len(jobs) == 1:
                self.move(waiting.id, State.QUEUED, **common, settings=jobs[0].settings, adjusted=jobs[0].adjusted)
                return
            self.move(waiting.id, State.QUEUED, **common, kind="batch")
            for job in jobs:
                self.add(job)

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

    def _update(self, job_id: str, changes: dict[str, Any]) -> None:
        changes = {"updated_at": self._now(), **changes}
        assert changes.keys() <= set(COLUMNS), changes.keys()
        assignments = ", ".join(f'"{column}" = ?' for column in changes)
        values = [stored(column, value) for column, value in changes.items()]
        self._connection.execute(f"UPDATE jobs SET {assignments} WHERE id = ?", (*values, job_id))

    # renders ---------------------------------------------------------------------------------------------------------

    def plan(self, render: Render) -> None:
        """Save what a backend is to run for a job, replacing an earlier plan (a retry has a new prompt id)."""
        values = (
            render.job,
            render.prompt_id,
            json.dumps(render.graph),
            render.output_node,
            json.dumps(asdict(render.expected)),
            json.dumps(render.weights),
            json.dumps(render.uploads),
        )
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO renders VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def render(self, job_id: str) -> Render | None:
        """Return the plan of a job, or None where it never was queued."""
        rows = self._rows("SELECT * FROM renders WHERE job = ?", (job_id,))
        return render_of(rows[0]) if rows else None

    # the rest --------------------------------------------------------------------------------------------------------

    def log(self, event: str, *, drop: str | None = None, job: str | None = None, detail: str = "") -> None:
        """Add a line to the log that people query."""
        with self.transaction():
            self._connection.execute(
                'INSERT INTO events (at, "drop", job, event, detail) VALUES (?, ?, ?, ?, ?)',
                (self._now(), drop, job, event, sound(detail)),
            )

    def marker(self, root: str) -> str | None:
        """Return the marker that this database knows for a root folder, or None at the first meeting."""
        rows = self._rows("SELECT marker FROM roots WHERE path = ?", (root,))
        return str(rows[0]["marker"]) if rows else None

    def remember_marker(self, root: str, marker: str) -> None:
        """Save a root's marker: from now on its absence means offline, not empty."""
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO roots (path, marker) VALUES (?, ?)", (root, marker))

    def name_media(self, path: str, size: int, mtime_ns: int) -> None:
        """Remember that a job file named this media file, so that it never becomes a drop of its own."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO named_media VALUES (?, ?, ?)", (text_of(path), size, mtime_ns)
            )

    def forget_media(self, paths: Collection[str]) -> None:
        """Forget media files that are no longer there."""
        with self.transaction():
            self._connection.executemany("DELETE FROM named_media WHERE path = ?", [(text_of(path),) for path in paths])

    def named_media(self) -> dict[str, tuple[int, int]]:
        """Return every media file that a job file has named: path → (bytes, mtime in ns)."""
        return {
            path_of(row["path"]): (row["bytes"], row["mtime_ns"]) for row in self._rows("SELECT * FROM named_media")
        }

"""Jobs that belong together: taken up, counted and judged at once, never row by row."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.job import MOVES, Job, State
from service.parts import anew
from service.rows import job_of
from service.store.jobs import SELECT, ForbiddenMove, Jobs

_LIVE = "('waiting', 'queued', 'running')"
#: What a batch's status file lists first: what went wrong, then what is at work.
_TELLING = """CASE state WHEN 'failed' THEN 0 WHEN 'cancelled' THEN 1 WHEN 'rejected' THEN 1 WHEN 'running' THEN 2
              ELSE 3 END"""

#: What a job says of the attempt that it is at; the next one begins without.
_OF_AN_ATTEMPT = (
    "hold", "progress", "stage", "eta_seconds", "backend", "engine", "server_deaths", "outputs", "warnings", "error",
    "cancel", "started_at", "finished_at",
)  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """How far a batch's jobs are: how many in each state, and their progress added up (what has ended counts 1)."""

    states: dict[State, int]
    progress: float

    @property
    def total(self) -> int:
        """How many jobs the batch has."""
        return sum(self.states.values())


class Batches(Jobs):
    """Questions about, and changes of, the jobs of one drop together."""

    def queue(self, waiting: Job, jobs: Sequence[Job]) -> Job:
        """
        Put a waiting row's job, or the batch that it becomes with its jobs behind it, in its place.

        `waiting` is the row as it was read; what differs of it is saved, and returned. Raises ForbiddenMove where the
        row isn't waiting any more, or somebody asked to cancel it.
        """
        first, rest = jobs[0], jobs[1:]
        with self.transaction():
            found = self._rows("SELECT state, cancel FROM jobs WHERE id = ?", (waiting.id,))
            if not found or found[0]["state"] != State.WAITING or found[0]["cancel"]:
                raise ForbiddenMove(f"{waiting.name} doesn't wait any more")
            changes = {name: value for name, value in vars(first).items() if value != getattr(waiting, name)}
            queued = self._update(waiting, changes | {"hold": None, "state": first.state})
            self.log(str(first.state), drop=first.drop, job=first.id)
            for job in rest:
                self.add(job)
                if job.state is not State.QUEUED:
                    self.log(str(job.state), drop=job.drop, job=job.id)
            return queued

    def batch_sums(self, batch_id: str) -> Sums:
        """Return how far the jobs of a batch are, by one look at an index."""
        rows = self._rows(
            f"""SELECT state, count(*) AS jobs, sum(CASE WHEN state IN {_LIVE} THEN progress ELSE 1.0 END) AS progress
                FROM jobs WHERE batch = ? GROUP BY state""",
            (batch_id,),
        )
        states = {State(row["state"]): int(row["jobs"]) for row in rows}
        return Sums(states, sum(float(row["progress"]) for row in rows))

    def batch_list(self, batch_id: str, limit: int) -> list[tuple[str, State]]:
        """Return name and state of a batch's most telling jobs, in the order written: those that went wrong first."""
        rows = self._rows(
            f"""SELECT name, state FROM jobs WHERE number IN (
                SELECT number FROM jobs WHERE batch = ? ORDER BY {_TELLING}, number LIMIT ?) ORDER BY number""",
            (batch_id, limit),
        )
        return [(str(row["name"]), State(row["state"])) for row in rows]

    def jobs_of_batch(self, batch_id: str, limit: int) -> list[Job]:
        """Return the first jobs of a batch, in the order written."""
        return [
            job_of(row) for row in self._rows(SELECT + "WHERE batch = ? ORDER BY number LIMIT ?", (batch_id, limit))
        ]

    def owed_sheets(self) -> list[str]:
        """Return the batches that have ended and have no sheet yet."""
        return [str(row["batch"]) for row in self._rows("SELECT batch FROM owed_sheets ORDER BY rowid", ())]

    def settle_sheet(self, batch_id: str) -> None:
        """Note that a batch has its sheet, or can't have one."""
        with self.transaction():
            self._connection.execute("DELETE FROM owed_sheets WHERE batch = ?", (batch_id,))

    def is_over(self, drop_id: str) -> bool:
        """Return whether a drop has jobs and every one of them has ended."""
        rows = self._rows(
            f"""SELECT EXISTS (SELECT 1 FROM jobs WHERE "drop" = ? AND kind = 'job') AND NOT EXISTS (
                SELECT 1 FROM jobs WHERE "drop" = ? AND kind = 'job' AND state IN {_LIVE})""",
            (drop_id, drop_id),
        )
        return bool(rows[0][0])

    def not_done(self, drop_id: str, limit: int) -> tuple[list[Job], int, int]:
        """Return the first jobs of a drop that aren't done, how many these are in all, and how many jobs it has."""
        where = """WHERE "drop" = ? AND kind = 'job' """
        counted = self._rows(f"SELECT count(*), sum(state != 'done') FROM jobs {where}", (drop_id,))[0]
        rows = self._rows(SELECT + where + "AND state != 'done' ORDER BY number LIMIT ?", (drop_id, limit))
        return [job_of(row) for row in rows], int(counted[1] or 0), int(counted[0])

    def same(self, fingerprint: str, limit: int = 3) -> list[Job]:
        """Return the newest done jobs of this fingerprint that have a result of their own."""
        where = "WHERE fingerprint = ? AND state = 'done' AND same_as IS NULL ORDER BY number DESC LIMIT ?"
        return [job_of(row) for row in self._rows(SELECT + where, (fingerprint, limit))]

    # again -----------------------------------------------------------------------------------------------------------

    def named(self, target: str) -> list[Job]:
        """Return the rows that an id or an outbox name (with its folder or without) can mean, the newest first."""
        folder, _, name = target.rpartition("/")
        rows = self._rows(SELECT + "WHERE id = ? OR name = ? ORDER BY number DESC", (target, name or target))
        jobs = [job_of(row) for row in rows]
        return [job for job in jobs if job.id == target or folder in ("", job.folder)]

    def of_drops_named(self, target: str) -> list[Job]:
        """Return the first row of each drop of a name (with its folder or without), the newest first."""
        folder, _, name = target.rpartition("/")
        where = """WHERE number IN (SELECT min(jobs.number) FROM jobs JOIN drops ON drops.id = jobs."drop"
                   WHERE drops.name = ? GROUP BY drops.id) ORDER BY number DESC"""
        return [job for job in map(job_of, self._rows(SELECT + where, (name,))) if folder in ("", job.folder)]

    def requeue(self, job_id: str, prompt_id: str | None, **changes: Any) -> Job:
        """
        Put a failed or cancelled job back into the queue, as its next attempt and under a new prompt id.

        A batch has no plan, so no prompt id. Raises ForbiddenMove for any other state.
        """
        with self.transaction():
            job = self._present(job_id)
            if State.QUEUED not in MOVES[job.state]:
                raise ForbiddenMove(f"{job.name}: {job.state} can't become queued")
            fresh = Job(job.id, job.drop, job.kind, job.batch, job.task, job.grouping, job.name, job.state, "", "")
            values = {name: getattr(fresh, name) for name in _OF_AN_ATTEMPT}
            values |= {"queued_at": self._now(), "attempt": job.attempt + 1, "state": State.QUEUED}
            queued = self._update(job, values | changes)
            if prompt_id is not None:
                self._renew(queued, prompt_id)
            self.log("queued", drop=job.drop, job=job.id, detail=f"attempt {queued.attempt}")
            return queued

    def _renew(self, job: Job, prompt_id: str) -> None:
        """Give a plan another prompt id and output name: a server may answer an equal graph from its cache alone."""
        render = self.render(job.id)
        if render is None:
            return
        inputs = render.graph.get(render.output_node, {}).get("inputs", {})
        for name, value in inputs.items():
            if isinstance(value, str) and re.fullmatch(rf"reeldrop/{re.escape(job.id)}(-\d+)?", value):
                inputs[name] = f"reeldrop/{job.id}-{job.attempt}"
        self.plan(anew(render, prompt_id))

    def replace_uploads(self, job_id: str, uploads: Sequence[dict[str, str]]) -> None:
        """Save what a job uploads now: its media was made ready again."""
        with self.transaction():
            values = (json.dumps(list(uploads)), job_id)
            self._connection.execute("UPDATE renders SET uploads = ? WHERE job = ?", values)

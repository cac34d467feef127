"""The quarantine as rows: what is kept, why, and who let it go."""

from __future__ import annotations

from dataclasses import asdict, fields

from service.job import Job, Quarantined, State
from service.rows import job_of
from service.store.connection import Connection
from service.store.jobs import SELECT
from service.store.turns import RELEASED

_COLUMNS = tuple(each.name for each in fields(Quarantined))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM quarantine "


class Quarantine(Connection):
    """Results that only the operator sees; one for each job at most."""

    def quarantine(self, entry: Quarantined) -> None:
        """Save that a result is kept, in place of an earlier one of its job."""
        with self.transaction():
            values = tuple(asdict(entry).values())
            marks = ", ".join("?" * len(values))
            self._connection.execute(
                f"INSERT OR REPLACE INTO quarantine ({', '.join(_COLUMNS)}) VALUES ({marks})", values
            )
            self.log("quarantined", job=entry.job, detail=f"score {entry.score:.2f}, frame {entry.frame}")

    def quarantined(self, job_id: str) -> Quarantined | None:
        """Return what is kept of a job, or None."""
        rows = self._rows(_SELECT + "WHERE job = ?", (job_id,))
        return Quarantined(**dict(rows[0])) if rows else None

    def quarantine_list(self) -> list[Quarantined]:
        """Return everything that is kept, the oldest first."""
        return [Quarantined(**dict(row)) for row in self._rows(_SELECT + "ORDER BY at, job")]

    def released(self, *states: State) -> list[Job]:
        """Return the jobs in any of these states whose result somebody lets go, the oldest first."""
        marks = ", ".join("?" * len(states))
        where = f"WHERE id IN {RELEASED} AND +state IN ({marks}) ORDER BY number"
        return [job_of(row) for row in self._rows(SELECT + where, states)]

    def release(self, job_id: str, who: str, why: str) -> None:
        """Save that somebody lets a result go, and why."""
        with self.transaction():
            statement = "UPDATE quarantine SET released_at = ?, released_by = ?, why = ? WHERE job = ?"
            self._connection.execute(statement, (self._now(), who, why, job_id))
            self.log("released", job=job_id, detail=f"by {who}: {why}")

    def unrelease(self, job_id: str) -> None:
        """Take a release back that could not be carried out."""
        with self.transaction():
            statement = "UPDATE quarantine SET released_at = NULL, released_by = NULL, why = NULL WHERE job = ?"
            self._connection.execute(statement, (job_id,))
            self.log("release undone", job=job_id)

    def unquarantine(self, job_id: str) -> None:
        """Forget what was kept of a job."""
        with self.transaction():
            self._connection.execute("DELETE FROM quarantine WHERE job = ?", (job_id,))

    def is_result_of(self, workflow: str, sha256: str) -> bool:
        """Say whether a file is what some job of a workflow has made here."""
        # By the sum alone: a workflow may have thousands of results, a sum has few.
        statement = "SELECT 1 FROM jobs WHERE result = ? AND +workflow = ? LIMIT 1"
        return bool(self._rows(statement, (sha256, workflow)))

"""What is remembered of jobs that come again: in which words, since when, what began last, and whose files they are."""

from __future__ import annotations

from datetime import UTC, datetime

from service.recurrence import Memory
from service.store.connection import Connection


class Recurrences(Connection):
    """One row for each drop that comes again, and one for each time that began."""

    def recurrence(self, drop_id: str) -> Memory | None:
        """Return what is remembered of a drop, or None."""
        rows = self._rows('SELECT * FROM recurrences WHERE "drop" = ?', (drop_id,))
        if not rows:
            return None
        return Memory(rows[0]["every"], _read(rows[0]["since"]), _read(rows[0]["fired"]) if rows[0]["fired"] else None)

    def remember_recurrence(self, drop_id: str, memory: Memory) -> None:
        """Save what is to be remembered of a drop."""
        fired = _text(memory.fired) if memory.fired else None
        with self.transaction():
            self._connection.execute(
                """INSERT INTO recurrences ("drop", every, since, fired) VALUES (?, ?, ?, ?)
                   ON CONFLICT ("drop") DO UPDATE SET every = excluded.every, since = excluded.since,
                   fired = excluded.fired""",
                (drop_id, memory.every, _text(memory.since), fired),
            )

    def begin_run(self, run: str, drop_id: str, owner: str) -> None:
        """Remember that a drop is of another one that comes again, and whose its job file is: ours are copies."""
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (run, drop_id, owner))

    def owner_of_run(self, run: str) -> str | None:
        """Return whose the job file was that a drop is a copy of; None where it is none."""
        rows = self._rows("SELECT owner FROM runs WHERE run = ?", (run,))
        return rows[0]["owner"] if rows else None

    def live_run(self, drop_id: str) -> str | None:
        """Return the outbox name of a live job that an earlier time of a drop began, or None."""
        statement = """SELECT jobs.name FROM runs JOIN jobs ON jobs."drop" = runs.run WHERE runs."drop" = ?
                       AND jobs.state IN ('waiting', 'queued', 'running') ORDER BY jobs.number LIMIT 1"""
        rows = self._rows(statement, (drop_id,))
        return rows[0]["name"] if rows else None

    def forget_recurrences(self) -> None:
        """Forget the drops that rest no more."""
        gone = 'NOT EXISTS (SELECT 1 FROM drops WHERE drops.id = {0}."drop" AND returned_to IS NULL)'
        with self.transaction():
            self._connection.execute(f"DELETE FROM recurrences WHERE {gone.format('recurrences')}")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text)

"""The queue: which jobs are in which state, in the order in which they come up."""

from __future__ import annotations

from service.job import Job, State
from service.rows import job_of
from service.store.jobs import SELECT, Jobs


class Queue(Jobs):
    """Questions about many jobs at once."""

    def in_states(self, *states: State, limit: int = -1) -> list[Job]:
        """Return jobs (not batches) in any of these states, in the order in which they come up."""
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

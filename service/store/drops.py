"""Drops as rows: what was seen, where its files are now, and how it went back."""

from __future__ import annotations

import json
from typing import Any

from service.job import Drop, Job
from service.rows import drop_of, text_of
from service.store.queue import Queue


class Drops(Queue):
    """Drops and the rows that stand for them."""

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
        """Save where a drop's files are (`claimed`, `returned_to`, `record`) or what it is of (`members`, `kind`)."""
        if "members" in changes:
            changes["members"] = json.dumps(changes["members"])
        if changes.get("record") is not None:
            changes["record"] = json.dumps(changes["record"])
        if changes.get("returned_to"):
            changes["returned_to"] = text_of(changes["returned_to"])
        assert changes.keys() <= {"claimed", "returned_to", "members", "kind", "record"}
        assignments = ", ".join(f"{column} = ?" for column in changes)
        with self.transaction():
            self._connection.execute(f"UPDATE drops SET {assignments} WHERE id = ?", (*changes.values(), drop_id))

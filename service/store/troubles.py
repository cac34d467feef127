"""What went wrong on servers, as rows: prompts that may still run where nobody wants them, backends barred to a job."""

from __future__ import annotations

import json

from service.store.connection import Connection


class Troubles(Connection):
    """What must not be forgotten of servers."""

    def add_stray(self, backend: str, prompt_id: str) -> None:
        """Remember a prompt that a backend may still have though its job has moved on."""
        with self.transaction():
            self._connection.execute("INSERT OR IGNORE INTO strays VALUES (?, ?)", (backend, prompt_id))

    def strays(self, backend: str) -> list[str]:
        """Return the ids of the prompts that a backend is to let go of."""
        return [row["prompt_id"] for row in self._rows("SELECT prompt_id FROM strays WHERE backend = ?", (backend,))]

    def forget_stray(self, backend: str, prompt_id: str) -> None:
        """Forget a prompt: the backend has it no more."""
        with self.transaction():
            self._connection.execute("DELETE FROM strays WHERE backend = ? AND prompt_id = ?", (backend, prompt_id))

    def barred(self, job_id: str) -> frozenset[str]:
        """Return the backends that are not to have a job again."""
        rows = self._rows("SELECT trouble FROM jobs WHERE id = ?", (job_id,))
        trouble = json.loads(rows[0]["trouble"]) if rows else {}
        return frozenset(trouble.get("barred", ()))

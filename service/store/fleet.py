"""What is known of each backend, as rows: whether it is being drained, and what its lane last said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from service.rows import sound
from service.store.connection import Connection


class Fleet(Connection):
    """Backends by name; written by their lanes, read by commands."""

    def backend_state(self, name: str) -> str:
        """Return "draining" where somebody has paused a backend, else "on"."""
        rows = self._rows("SELECT draining FROM backends WHERE name = ?", (name,))
        return "draining" if rows and rows[0]["draining"] else "on"

    def drain_backend(self, name: str, *, draining: bool) -> bool:
        """Remember that a backend takes nothing new, or takes jobs again; return whether that is news."""
        if (self.backend_state(name) == "draining") == draining:
            return False
        with self.transaction():
            self._connection.execute(
                """INSERT INTO backends (name, draining) VALUES (?, ?)
                   ON CONFLICT (name) DO UPDATE SET draining = excluded.draining""",
                (name, draining),
            )
            self.log("drain" if draining else "drain_over", detail=name)
        return True

    def note_backend(self, name: str, facts: Mapping[str, Any]) -> None:
        """
        Remember what a lane knows of its backend now; the same again writes nothing.

        Known to `status`: `answers` (bool), `why` (a sentence, where not), `engine`, `running` and `queued` (ids of our
        jobs there), `others_running` and `others_queued` (how many prompts of other people), `ready_at` and `hold`.
        """
        text = sound(json.dumps(facts, sort_keys=True, ensure_ascii=False))
        rows = self._rows("SELECT facts FROM backends WHERE name = ?", (name,))
        if rows and rows[0]["facts"] == text:
            return
        with self.transaction():
            self._connection.execute(
                """INSERT INTO backends (name, facts, updated_at) VALUES (?, ?, ?)
                   ON CONFLICT (name) DO UPDATE SET facts = excluded.facts, updated_at = excluded.updated_at""",
                (name, text, self._now()),
            )

    def backends(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each backend that ever was: its facts, and `draining` and `updated` with them."""
        rows = self._rows("SELECT * FROM backends ORDER BY name")
        return {
            row["name"]: {**json.loads(row["facts"]), "draining": bool(row["draining"]), "updated": row["updated_at"]}
            for row in rows
        }

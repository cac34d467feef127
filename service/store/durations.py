"""How long nodes took, as rows: of each node, size and backend the newest few."""

from __future__ import annotations

from collections.abc import Sequence

from service.durations import KEPT, Lap, Size
from service.rows import sound
from service.store.connection import Connection


class Durations(Connection):
    """What earlier renders took."""

    def laps(self, workflow: str) -> list[Lap]:
        """Return what is known of a workflow's nodes, the oldest first."""
        rows = self._rows("SELECT * FROM durations WHERE workflow = ? ORDER BY id", (sound(workflow),))
        return [
            Lap(row["node"], row["class"], row["backend"], Size(row["pixels"], row["steps"]), row["seconds"])
            for row in rows
        ]

    def add_laps(self, workflow: str, laps: Sequence[Lap]) -> None:
        """Remember laps; of each node, size and backend the oldest beyond the newest few go."""
        with self.transaction():
            for lap in laps:
                bucket = "p{} s{}".format(*lap.size.bucket)
                key = (sound(workflow), sound(lap.node), sound(lap.class_type), sound(lap.backend), bucket)
                self._connection.execute(
                    """INSERT INTO durations (workflow, node, class, backend, bucket, pixels, steps, seconds)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                    (*key, lap.size.pixels, lap.size.steps, lap.seconds),
                )
                same = "workflow = ? AND node = ? AND class = ? AND backend = ? AND bucket = ?"
                self._connection.execute(
                    f"""DELETE FROM durations WHERE {same} AND id <= (
                        SELECT id FROM durations WHERE {same} ORDER BY id DESC LIMIT 1 OFFSET ?)""",
                    (*key, *key, KEPT),
                )

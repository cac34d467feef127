"""What was told to whom, as rows: of each target the last line of the log that it knows, and the troubles told."""

from __future__ import annotations

import json
import sqlite3

from service.rows import sound
from service.store.connection import Connection
from service.tidings import EVENT_OF, Tiding, Trouble

_EVENTS = (*EVENT_OF, "trouble", "trouble_over")
#: No more lines of the log are read at once; an outage of weeks is counted from its newest ones.
_MOST_LINES = 20_000


class Tidings(Connection):
    """The log as an outbox: a line is written in the step that makes it true, and stays until each target has it."""

    def told_to(self, target: str) -> int:
        """Return the last line of the log that a target knows; one that is met first begins with what comes."""
        rows = self._rows("SELECT last FROM tiding_targets WHERE target = ?", (target,))
        if not rows:
            newest = int(self._rows("SELECT coalesce(max(id), 0) FROM events")[0][0])
            self.note_told(target, newest)
            return newest
        return int(rows[0]["last"])

    def note_told(self, target: str, last: int) -> None:
        """Remember that a target knows the log as far as this line."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO tiding_targets (target, last) VALUES (?, ?)", (target, last)
            )

    def tidings_after(self, last: int) -> tuple[list[Tiding], int]:
        """Return what happened after a line of the log, the oldest first, and the newest line that was looked at."""
        newest = int(self._rows("SELECT coalesce(max(id), 0) FROM events")[0][0])
        if newest <= last:
            return [], last
        marks = ", ".join("?" * len(_EVENTS))
        rows = self._rows(
            f"""SELECT events.id, events.at, event, detail, job, jobs.task, jobs.grouping, jobs.name, jobs.outputs,
                jobs.error FROM events LEFT JOIN jobs ON jobs.id = events.job
                WHERE events.id > ? AND events.id <= ? AND event IN ({marks}) ORDER BY events.id DESC LIMIT ?""",
            (last, newest, *_EVENTS, _MOST_LINES),
        )
        return [_tiding_of(row) for row in reversed(rows)], newest

    def told_troubles(self) -> dict[str, Trouble]:
        """Return the troubles that were told and aren't over, by key."""
        rows = self._rows("SELECT key, event, name, title, fix FROM troubles_told ORDER BY key")
        return {row["key"]: Trouble(row["event"], row["name"], row["title"], row["fix"]) for row in rows}

    def note_trouble(self, key: str, trouble: Trouble) -> None:
        """Write a trouble into the log, and remember it until it is over."""
        values = (key, trouble.event, sound(trouble.name), sound(trouble.title), sound(trouble.fix))
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO troubles_told VALUES (?, ?, ?, ?, ?)", values)
            self.log("trouble", detail=json.dumps(vars(trouble)))

    def note_trouble_over(self, key: str, trouble: Trouble) -> None:
        """Write into the log that a trouble is over, and forget it."""
        over = {"event": "back_again", "name": trouble.name, "title": f"It is over: {trouble.title}", "fix": ""}
        with self.transaction():
            self._connection.execute("DELETE FROM troubles_told WHERE key = ?", (key,))
            self.log("trouble_over", detail=json.dumps(over))


def _tiding_of(row: sqlite3.Row) -> Tiding:
    if row["job"] is None:
        return Tiding(id=row["id"], at=row["at"], **json.loads(row["detail"]))
    event = EVENT_OF[row["event"]]
    folder = "/".join(part for part in (row["task"], row["grouping"]) if part)
    error = json.loads(row["error"]) if row["error"] and event == "failed" else {}
    outputs = json.loads(row["outputs"] or "[]") if event == "done" else []
    result = f"{folder}/{outputs[0]['file']}" if outputs else None
    title, fix = str(error.get("title", row["detail"])), str(error.get("fix", ""))
    name = f"{folder}/{row['name']}"
    return Tiding(row["id"], event, row["at"], name, title, fix, row["job"], row["task"], result)

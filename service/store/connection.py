"""One SQLite file behind one connection: each transaction whole, none interleaved with another thread's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from service.migrations import MIGRATIONS
from service.rows import sound

_BUSY_TIMEOUT_MS = 5000


def utc_now() -> str:
    """Return now as the project writes it: UTC, milliseconds, Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Connection:
    """
    The database file, its transactions and its log.

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

    def log(self, event: str, *, drop: str | None = None, job: str | None = None, detail: str = "") -> None:
        """Add a line to the log that people query."""
        with self.transaction():
            self._connection.execute(
                'INSERT INTO events (at, "drop", job, event, detail) VALUES (?, ?, ?, ?, ?)',
                (self._now(), drop, job, event, sound(detail)),
            )

    def _rows(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

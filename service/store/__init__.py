"""SQLite: the queue and the log. One writer, each transaction whole, every move checked against the one table."""

from __future__ import annotations

from service.store.connection import utc_now
from service.store.drops import Drops
from service.store.jobs import ForbiddenMove
from service.store.memory import Memory

__all__ = ["ForbiddenMove", "Store", "utc_now"]


class Store(Drops, Memory):
    """The queue and the log in one SQLite file, shared by the daemon's threads."""

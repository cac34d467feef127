"""SQLite: the queue and the log. One writer, each transaction whole, every move checked against the one table."""

from __future__ import annotations

from service.store.batches import Batches, Sums
from service.store.connection import utc_now
from service.store.drops import Drops
from service.store.durations import Durations
from service.store.fleet import Fleet
from service.store.jobs import ForbiddenMove
from service.store.memory import Memory
from service.store.quarantine import Quarantine
from service.store.recurrences import Recurrences
from service.store.setbacks import Setbacks
from service.store.tidings import Tidings
from service.store.troubles import Troubles

__all__ = ["ForbiddenMove", "Store", "Sums", "utc_now"]


class Store(Drops, Batches, Memory, Durations, Fleet, Setbacks, Troubles, Quarantine, Recurrences, Tidings):
    """The queue and the log in one SQLite file, shared by the daemon's threads."""

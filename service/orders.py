"""Orders: PAUSE and NAME.cancel in the inbox are obeyed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from service.attention import Attention
from service.control import Control
from service.disk import Disk
from service.drops import Candidate, control_of
from service.job import State
from service.naming import fold
from service.pairing import Pairing
from service.sightings import Sightings
from service.store import Store

LOG = logging.getLogger(__name__)


class Orders:
    """What people ask by file; all of it runs on the intake thread."""

    def __init__(
        self,
        inbox: Path,
        store: Store,
        disk: Disk,
        control: Control,
        pairing: Pairing,
        sightings: Sightings,
        attention: Attention,
        is_drop: Callable[[Candidate], bool],
    ) -> None:
        self._inbox = inbox
        self._store = store
        self._disk = disk
        self._control = control
        self._pairing = pairing
        self._sightings = sightings
        self._attention = attention
        self._is_drop = is_drop

    def obey(self, now: float) -> None:
        """Obey what the newest look found; drops of the same listing are seen before an order is carried out."""
        paused = {""} if self._is_all_paused() else set()
        for path in sorted(self._pairing.orders):
            order = control_of(path)
            assert order is not None
            task, _, grouping = order.folder.partition("/")
            if order.kind == "cancel":
                self._cancel(path, task, grouping, order.name, now)
            elif not grouping:
                paused.add(task)
        before = self._control.paused_tasks
        self._control.note_pauses(paused)
        for task in before - self._control.paused_tasks:
            self._attention.call(each.members[0] for each in self._pairing.candidates() if task in ("", each.task))

    def cancelled(self) -> Iterator[Candidate]:
        """Yield each waiting drop that somebody cancelled: its claim, and what follows, ends it."""
        for row in self._store.cancelling():
            path = self._sightings.path_of(row.id) if row.state is State.WAITING else None
            candidate = self._pairing.candidate(path) if path else None
            if candidate is not None:
                yield candidate

    def _is_all_paused(self) -> bool:
        with os.scandir(self._inbox) as entries:
            return any(
                entry.name[:5].lower() == "pause" and control_of(entry.name) is not None and not entry.is_dir()
                for entry in entries
            )

    def _cancel(self, path: str, task: str, grouping: str, name: str, now: float) -> None:
        for candidate in self._pairing.of_folder(path.rpartition("/")[0]):
            if fold(candidate.name) == fold(name) and self._is_drop(candidate):
                self._sightings.see(candidate, now)
        self._control.cancel_named(task, grouping, name)
        try:
            self._disk.unlink(self._inbox / path)
        except OSError as trouble:
            LOG.warning("%s was obeyed, but can't be removed: %s", path, trouble)
        self._pairing.orders.discard(path)

"""Sightings: drops that were seen and not claimed yet; each has its row and its status file from the first look."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from service.drops import Candidate
from service.job import Drop, Job, State
from service.naming import clean, clean_folder, fold
from service.register import Register
from service.store import utc_now

LOG = logging.getLogger(__name__)
#: So many drops at most are recorded in one step; it keeps every other thread from the store.
_TOGETHER = 100


@dataclass
class Seen:
    """A drop that isn't claimed yet: its ids, its files, and since when on our own clock (s) it is made of these."""

    drop: str
    job: str
    members: tuple[str, ...]
    changed_s: float


class Sightings:
    """Remembers by the path of the deciding file; what an earlier life saw is recalled from the store."""

    def __init__(self, register: Register, new_id: Callable[[], str]) -> None:
        self._register = register
        self._store = register.store
        self._new_id = new_id
        self._seen: dict[str, Seen] = {}

    def recall(self, now_s: float) -> None:
        """Take up what an earlier life saw; the next look decides whether it is still there."""
        for drop in self._store.waiting_drops():
            jobs = self._store.of_drop(drop.id)
            if jobs and jobs[0].state is State.WAITING:
                self._seen[drop.members[0]] = Seen(drop.id, jobs[0].id, drop.members, now_s)

    def see_new(self, candidates: Iterable[Candidate], now_s: float) -> None:
        """Take up many drops at first sight: in steps of many, for a step costs more than what is in it."""
        new = [candidate for candidate in candidates if candidate.members[0] not in self._seen]
        listings: dict[str, frozenset[str]] = {}
        for some in (new[start : start + _TOGETHER] for start in range(0, len(new), _TOGETHER)):
            # A lone one, and one that can't be recorded, is left to `see`.
            if len(some) > 1:
                self._see_together(some, now_s, listings)

    def _see_together(self, candidates: Sequence[Candidate], now_s: float, listings: dict[str, frozenset[str]]) -> None:
        taken: set[str] = set()
        sights: dict[str, tuple[Drop, Job]] = {}
        for candidate in candidates:
            drop, job = self._sight(candidate, listings)
            # Names that this step gives out aren't in the store yet: the second of a name waits for its turn.
            if (name := fold(f"{job.folder}/{job.name}")) not in taken:
                taken.add(name)
                sights[candidate.members[0]] = (drop, job)
        self._register.see_all(list(sights.values()))
        for path, (drop, job) in sights.items():
            self._seen[path] = Seen(drop.id, job.id, drop.members, now_s)

    def known(self, path: str) -> Seen | None:
        """Return what is known of the drop with this deciding file, or None at first sight."""
        return self._seen.get(path)

    def see(self, candidate: Candidate, now_s: float) -> Seen:
        """Return what is known of a drop; at first sight it gets its row and its status file."""
        path = candidate.members[0]
        if path not in self._seen:
            self._seen[path] = self._record(candidate, now_s)
        seen = self._seen[path]
        if seen.members != candidate.members:
            # A file of it came or went.
            seen.members, seen.changed_s = candidate.members, now_s
        return seen

    def forget(self, candidate: Candidate) -> None:
        """Let go of a drop that is claimed."""
        self._seen.pop(candidate.members[0], None)

    def forget_vanished(self, present: set[str]) -> None:
        """Cancel every drop whose deciding file is gone, and take its status file away."""
        for path in self._seen.keys() - present:
            seen = self._seen.pop(path)
            job = self._store.get(seen.job)
            if job is None or job.state is not State.WAITING:
                continue
            try:
                # Last of all it is forgotten: after a crash before that it is shown again, and vanishes again.
                self._register.unshow(job)
            except OSError as trouble:
                LOG.debug("%s: its status file can't be taken away yet: %s", job.name, trouble)
                self._seen[path] = seen
                continue
            with self._store.transaction():
                self._store.move(job.id, State.CANCELLED)
                self._store.mark_drop(seen.drop, returned_to="vanished")

    def _record(self, candidate: Candidate, now_s: float) -> Seen:
        drop, job = self._sight(candidate, None)
        self._register.see(drop, job)
        return Seen(drop.id, job.id, candidate.members, now_s)

    def _sight(self, candidate: Candidate, listings: dict[str, frozenset[str]] | None) -> tuple[Drop, Job]:
        drop = Drop(
            self._new_id(),
            candidate.task,
            clean_folder(candidate.grouping),
            clean(candidate.name),
            candidate.kind,
            candidate.members,
        )
        at = utc_now()
        job = Job(
            id=self._new_id(),
            drop=drop.id,
            kind="job",
            batch=None,
            task=drop.task,
            grouping=drop.grouping,
            name=self._register.free_name(drop, 1, listings=listings),
            state=State.WAITING,
            seen_at=at,
            updated_at=at,
        )
        return drop, job

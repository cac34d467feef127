"""Sightings: drops that were seen and not claimed yet; each has its row and its status file from the first look."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.drops import Candidate
from service.job import Drop, Job, State
from service.naming import clean, clean_folder, fold
from service.register import Register
from service.store import utc_now

LOG = logging.getLogger(__name__)


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
        self._paths: dict[str, str] = {}

    def recall(self, now_s: float) -> list[str]:
        """Take up what an earlier life saw, and return the deciding files; the next look decides whether they exist."""
        for drop in self._store.waiting_drops():
            jobs = self._store.of_drop(drop.id)
            if jobs and jobs[0].state is State.WAITING:
                self._keep(drop.members[0], Seen(drop.id, jobs[0].id, drop.members, now_s))
        return list(self._seen)

    def known(self, path: str) -> Seen | None:
        """Return what is known of the drop with this deciding file, or None at first sight."""
        return self._seen.get(path)

    def path_of(self, job_id: str) -> str | None:
        """Return the deciding file of a waiting job, or None where it is claimed or was never seen."""
        return self._paths.get(job_id)

    def see(self, candidate: Candidate, now_s: float) -> Seen:
        """Return what is known of a drop; at first sight it gets its row and its status file."""
        if candidate.members[0] in self._seen:
            return self._follow(candidate, now_s)
        return self.see_all([candidate], now_s)[candidate.members[0]]

    def see_all(self, candidates: Iterable[Candidate], now_s: float, *, show: bool = True) -> Mapping[str, Seen]:
        """
        Return what is known of drops by their deciding files; new ones get their rows in one step, then status files.

        Who claims them at once and shows what became of them needs no files of their waiting (`show`).

        Of several new ones whose outbox names clash, only the first: the others are to be asked for again.
        """
        candidates = list(candidates)
        new = [candidate for candidate in candidates if candidate.members[0] not in self._seen]
        listings: dict[str, frozenset[str]] = {}
        taken: set[str] = set()
        sights: dict[str, tuple[Drop, Job]] = {}
        for candidate in new:
            drop, job = self._sight(candidate, listings)
            # Names that this step gives out aren't in the store yet.
            if (name := fold(f"{job.folder}/{job.name}")) not in taken:
                taken.add(name)
                sights[candidate.members[0]] = (drop, job)
        if sights:
            self._register.see_all(list(sights.values()), show=show)
        for path, (drop, job) in sights.items():
            self._keep(path, Seen(drop.id, job.id, drop.members, now_s))
        return {
            candidate.members[0]: self._follow(candidate, now_s)
            for candidate in candidates
            if candidate.members[0] in self._seen
        }

    def forget(self, path: str) -> None:
        """Let go of a drop that is claimed."""
        if seen := self._seen.pop(path, None):
            self._paths.pop(seen.job, None)

    def move(self, path: str, members: Sequence[str]) -> None:
        """Follow a drop that we have moved ourselves: its files lie elsewhere now."""
        seen = self._seen.pop(path)
        self._keep(members[0], replace(seen, members=tuple(members)))

    def vanish(self, paths: Iterable[str]) -> list[str]:
        """Cancel every drop whose deciding file is gone; return those whose status file can't be taken away yet."""
        return [path for path in paths if (seen := self._seen.get(path)) and not self._cancel(path, seen)]

    def _cancel(self, path: str, seen: Seen) -> bool:
        job = self._store.get(seen.job)
        if job is not None and job.state is State.WAITING:
            try:
                # Last of all it is forgotten: after a crash before that it is shown again, and vanishes again.
                self._register.unshow(job)
            except OSError as trouble:
                LOG.debug("%s: its status file can't be taken away yet: %s", job.name, trouble)
                return False
            with self._store.transaction():
                self._store.move(job.id, State.CANCELLED)
                self._store.mark_drop(seen.drop, returned_to="vanished")
        self.forget(path)
        return True

    def _keep(self, path: str, seen: Seen) -> None:
        self._seen[path] = seen
        self._paths[seen.job] = path

    def _follow(self, candidate: Candidate, now_s: float) -> Seen:
        seen = self._seen[candidate.members[0]]
        if seen.members != candidate.members:
            # A file of it came or went.
            seen.members, seen.changed_s = candidate.members, now_s
        return seen

    def _sight(self, candidate: Candidate, listings: dict[str, frozenset[str]]) -> tuple[Drop, Job]:
        word = "job_file" if candidate.kind in ("folder", "again") else candidate.kind
        folder = clean_folder(candidate.grouping)
        drop = Drop(self._new_id(), candidate.task, folder, clean(candidate.name), word, candidate.members)
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

"""The register: what happened to a job is saved in the store first and then shown in the outbox."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from service.foreign import without_paths
from service.job import ENDED, Drop, Hold, Job, State, batch_state
from service.naming import clean, fold, nth, numbered
from service.outbox import Outbox
from service.rows import sound
from service.status import LISTED_JOBS, document, jobs_part
from service.store import Store

LOG = logging.getLogger(__name__)
#: Status files on a local disk follow progress at most this often.
PROGRESS_INTERVAL_S = 0.5
#: More files than this aren't rewritten for a hold that all queued jobs share.
SHARED_HOLD_FILES = 100


class Register:
    """One place through which every change of a job goes, so that file and database can't disagree for long.

    The store is written first: after a crash in between, `show` at the next start brings the file up to date.
    """

    def __init__(self, store: Store, outbox: Outbox, daemon: str, monotonic: Callable[[], float]) -> None:
        self.store = store
        self._outbox = outbox
        self._daemon = daemon
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._shown_s: dict[str, float] = {}
        self._listeners: list[Callable[[Job], None]] = []
        self._unshown: set[str] = set()

    def listen(self, listener: Callable[[Job], None]) -> None:
        """Call listener with each job right after its change was saved; it must be quick and must not raise."""
        self._listeners.append(listener)

    def see_all(self, sights: Sequence[tuple[Drop, Job]], *, show: bool = True) -> None:
        """Record several drops at first sight in one step, then show each."""
        with self.store.transaction():
            for drop, job in sights:
                self.store.see(drop, job)
        # Not durably: what is lost in a power cut is shown again at the next start, from the rows.
        if show:
            self.show_all([job for _, job in sights], durable=False)

    def see(self, drop: Drop, job: Job) -> None:
        """Record a drop at first sight and show its waiting status."""
        self.store.see(drop, job)
        self.show(job)

    def move(self, job_id: str, to: State, **changes: Any) -> Job:
        """Move a job, show it, and let its batch follow; raises ForbiddenMove."""
        with self._lock:
            job = self.store.move(job_id, to, **changes)
            self._follow(job, durable=True)
        return job

    def change(self, job_id: str, **changes: Any) -> Job:
        """Save values of a job without moving it, and show it."""
        with self._lock:
            job = self.store.change(job_id, **changes)
            self._follow(job, durable=True)
        return job

    def hold(self, job_id: str, hold: Hold | None) -> None:
        """Say what keeps a job from going on, or that nothing does any more; the same hold again changes nothing."""
        hold = _for_status(hold)
        with self._lock:
            job = self.store.get(job_id)
            if job is None or _same(job.hold, hold) or job.state in ENDED:
                return
            self.change(job_id, hold=hold)
            if hold:
                self.store.log("hold", drop=job.drop, job=job.id, detail=hold.title)

    def hold_queued(self, hold: Hold | None) -> None:
        """Say the same on the next queued jobs; the others' files get it as they come up."""
        hold = _for_status(hold)
        for job in self.store.next_queued(SHARED_HOLD_FILES):
            if not _same(job.hold, hold):
                self.hold(job.id, hold)

    def progress(self, job_id: str, fraction: float, stage: str, eta_seconds: int | None) -> bool:
        """Show progress, at most twice a second and without fsync; return whether there was room for it."""
        now = self._monotonic()
        with self._lock:
            if now - self._shown_s.get(job_id, -PROGRESS_INTERVAL_S) < PROGRESS_INTERVAL_S:
                return False
            self._shown_s[job_id] = now
            job = self.store.change(job_id, progress=fraction, stage=stage, eta_seconds=eta_seconds)
            self._follow(job, durable=False)
        return True

    def rename(self, job: Job, name: str) -> Job:
        """Give a job its final outbox name; its status file goes from the old name to the new one."""
        if job.name == name:
            return job
        # Under the lock, so that nobody shows the old name again.
        with self._lock:
            renamed = self.store.change(job.id, name=name)
            self.show(renamed)
            if renamed.id not in self._unshown:
                self._sweep(f"{job.folder}/{job.name}")
        return renamed

    def sweep(self) -> None:
        """Remove status files and previews of names that jobs have left; an earlier life may have died before."""
        with self._lock:
            for path in self.store.leftovers():
                self._sweep(path)

    def _sweep(self, path: str) -> None:
        try:
            if path in self.store.leftovers():
                self._outbox.remove(f"{path}.preview.jpg")
                self._outbox.remove(f"{path}.status.json")
            self.store.forget_leftover(path)
        except OSError as trouble:
            LOG.debug("%s: its status file stays for now: %s", path, trouble)

    def free_name(
        self, drop: Drop, jobs: int, base: str | None = None, listings: dict[str, frozenset[str]] | None = None
    ) -> str:
        """
        Return the outbox name for a drop of so many jobs: its own (or base), or NAME_2 and on where it is taken.

        `listings` keeps the names of results by folder from one call to the next, for many drops at once.
        """
        name = base or clean(drop.name)

        def names_at(number: int) -> list[str]:
            whole = nth(name, number)
            return [whole] if jobs == 1 else [whole, *(numbered(whole, each) for each in range(1, jobs + 1))]

        return self.free_names(drop, names_at, listings)[0]

    def free_names(
        self,
        drop: Drop,
        names_at: Callable[[int], list[str]],
        listings: dict[str, frozenset[str]] | None = None,
    ) -> list[str]:
        """Return the first of names_at(1), names_at(2) and so on of which none is taken, nor there twice."""
        listings = {} if listings is None else listings
        if drop.folder not in listings:
            listings[drop.folder] = self._outbox.result_names(drop.folder)
        for number in count(1):
            names = names_at(number)
            folded = set(map(fold, names))
            is_free = len(folded) == len(names) and listings[drop.folder].isdisjoint(folded)
            if is_free and not self.store.holds_name(drop.task, drop.grouping, names, drop.id):
                return names
        raise AssertionError("numbers don't end")

    def record(self, act: Callable[[], Sequence[Job]]) -> None:
        """Do something to rows in one step of the store, then show the jobs (and batches) that it returns together."""
        with self._lock:
            with self.store.transaction():
                jobs = [self._counted(job.id) if job.kind == "batch" else job for job in act()]
            self.show_all(jobs)
            if self._unshown.isdisjoint(job.id for job in jobs):
                self.sweep()

    def show_all(self, jobs: Sequence[Job], *, durable: bool = True) -> None:
        """Write the status files of many jobs; what the outbox refuses `show_again` writes later."""
        files = [(_status_of(job), self._document(job)) for job in jobs]
        try:
            self._outbox.write_statuses(files, durable=durable)
        except OSError:
            # One of them, or all: each is then refused, or not, by itself.
            for job in jobs:
                self.show(job)
            return
        for job in jobs:
            self._unshown.discard(job.id)
            self._tell(job)

    def show(self, job: Job, *, durable: bool = True) -> None:
        """Write the job's status file as the store has it; where the outbox refuses, `show_again` does it later."""
        try:
            self._outbox.write_status(_status_of(job), self._document(job), durable)
        except OSError as trouble:
            # The database has it, so nothing is lost; a full or read-only outbox must not fail the job.
            LOG.log(logging.DEBUG if self._unshown else logging.WARNING, "no status file for %s: %s", job.name, trouble)
            self._unshown.add(job.id)
        else:
            self._unshown.discard(job.id)
        self._tell(job)

    def _tell(self, job: Job) -> None:
        for listener in self._listeners:
            listener(job)

    def _document(self, job: Job) -> dict[str, Any]:
        if job.kind == "job":
            return document(job, self._daemon)
        states = self.store.batch_sums(job.id).states
        jobs = jobs_part(states, self.store.batch_list(job.id, LISTED_JOBS)) if states else None
        return document(job, self._daemon, jobs)

    def show_again(self) -> None:
        """Write the status files that the outbox refused earlier."""
        for job_id in list(self._unshown):
            job = self.store.get(job_id)
            if job is not None:
                self.show(job)

    def recall(self, drop_ids: Sequence[str]) -> None:
        """Show drops as the store has them, and let their batches follow: an earlier life may have died before that."""
        jobs = [job for drop_id in drop_ids for job in self.store.of_drop(drop_id)]
        for job in jobs:
            if job.state in ENDED:
                self.unpreview(job)
        with self._lock:
            self.show_all(jobs)
            for batch_id in {job.batch for job in jobs if job.batch}:
                self._follow_batch(batch_id, durable=True)

    def unshow(self, job: Job) -> None:
        """Remove the job's status file."""
        self._outbox.remove(_status_of(job))

    def preview(self, job_id: str, jpeg: bytes) -> None:
        """Show a screened preview, if its job still runs."""
        with self._lock:
            job = self.store.get(job_id)
            if job is not None and job.state is State.RUNNING:
                self._outbox.write_preview(_preview_of(job), jpeg)

    def unpreview(self, job: Job) -> None:
        """Remove the job's preview, if there is one."""
        try:
            self._outbox.remove(_preview_of(job))
        except OSError as trouble:
            LOG.debug("%s: its preview stays: %s", job.name, trouble)

    def is_over(self, drop_id: str) -> bool:
        """Return whether every job of a drop has ended and says so in its file."""
        with self._lock:
            return self.store.is_over(drop_id)

    def _follow(self, job: Job, *, durable: bool) -> None:
        # The lock is held since the change was saved: files follow in the order of changes, and whoever has the lock
        # finds every change shown.
        if job.state in ENDED:
            self._shown_s.pop(job.id, None)
            self.unpreview(job)
        self.show(job, durable=durable)
        if job.batch:
            self._follow_batch(job.batch, durable=durable)

    def _follow_batch(self, batch_id: str, *, durable: bool) -> None:
        self.show(self._counted(batch_id), durable=durable)

    def _counted(self, batch_id: str) -> Job:
        """Bring a batch's row up to where its jobs are, and return it."""
        batch = self.store.get(batch_id)
        assert batch is not None
        sums = self.store.batch_sums(batch_id)
        ended = sum(number for state, number in sums.states.items() if state in ENDED)
        values = {"progress": sums.progress / max(1, sums.total), "stage": f"{ended} of {sums.total} ended"}
        state = batch_state(sums.states)
        if state is batch.state:
            return self.store.change(batch_id, **values)
        return self.store.move(batch_id, state, **values)


def _status_of(job: Job) -> str:
    return f"{job.folder}/{job.name}.status.json"


def _preview_of(job: Job) -> str:
    return f"{job.folder}/{job.name}.preview.jpg"


def _same(one: Hold | None, other: Hold | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.code, one.title, one.fix) == (other.code, other.title, other.fix)


def _for_status(hold: Hold | None) -> Hold | None:
    """Return a hold without absolute paths: status files travel."""
    return hold and Hold(hold.code, sound(without_paths(hold.title)), sound(without_paths(hold.fix)), hold.since)

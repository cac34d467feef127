"""The register: what happened to a job is saved in the store first and then shown in the outbox."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from service.foreign import without_paths
from service.job import ENDED, Drop, Hold, Job, State
from service.naming import clean, fold, free_name, numbered
from service.outbox import Outbox
from service.status import document
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

    def see_all(self, sights: Sequence[tuple[Drop, Job]]) -> None:
        """Record several drops at first sight in one step, then show each."""
        with self.store.transaction():
            for drop, job in sights:
                self.store.see(drop, job)
        for _, job in sights:
            self.show(job)

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
        folder = drop.folder
        listings = {} if listings is None else listings
        if folder not in listings:
            listings[folder] = self._outbox.result_names(folder)

        def is_taken(name: str) -> bool:
            names = [name] if jobs == 1 else [name, *(numbered(name, number) for number in range(1, jobs + 1))]
            if not listings[folder].isdisjoint(map(fold, names)):
                return True
            return self.store.holds_name(drop.task, drop.grouping, names, drop.id)

        return free_name(base or clean(drop.name), is_taken)

    def show(self, job: Job, *, durable: bool = True) -> None:
        """Write the job's status file as the store has it; where the outbox refuses, `show_again` does it later."""
        try:
            self._outbox.write_status(f"{job.folder}/{job.name}.status.json", document(job, self._daemon), durable)
        except OSError as trouble:
            # The database has it, so nothing is lost; a full or read-only outbox must not fail the job.
            LOG.log(logging.DEBUG if self._unshown else logging.WARNING, "no status file for %s: %s", job.name, trouble)
            self._unshown.add(job.id)
        else:
            self._unshown.discard(job.id)
        for listener in self._listeners:
            listener(job)

    def show_again(self) -> None:
        """Write the status files that the outbox refused earlier."""
        for job_id in list(self._unshown):
            job = self.store.get(job_id)
            if job is not None:
                self.show(job)

    def recall(self, drop_id: str) -> None:
        """Show a drop as the store has it, and let its batch follow: an earlier life may have died before that."""
        jobs = self.store.of_drop(drop_id)
        for job in jobs:
            if job.state in ENDED:
                self.unpreview(job)
            self.show(job)
        for batch_id in {job.batch for job in jobs if job.batch}:
            self._follow_batch(batch_id, durable=True)

    def unshow(self, job: Job) -> None:
        """Remove the job's status file."""
        self._outbox.remove(f"{job.folder}/{job.name}.status.json")

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

    def ended(self, drop_id: str) -> list[Job]:
        """Return the jobs of a drop if every one of them has ended and says so in its file, otherwise none."""
        with self._lock:
            jobs = [job for job in self.store.of_drop(drop_id) if job.kind == "job"]
            return jobs if all(job.state in ENDED for job in jobs) else []

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
        batch = self.store.get(batch_id)
        assert batch is not None
        jobs = [job for job in self.store.of_drop(batch.drop) if job.kind == "job"]
        progress = sum(1.0 if job.state in ENDED else job.progress for job in jobs) / max(1, len(jobs))
        ended = sum(job.state in ENDED for job in jobs)
        values = {"progress": progress, "stage": f"{ended} of {len(jobs)} ended"}
        state = batch_state(jobs)
        if state is batch.state:
            batch = self.store.change(batch_id, **values)
            self.show(batch, durable=durable)
        else:
            self.show(self.store.move(batch_id, state, **values))


def batch_state(jobs: Sequence[Job]) -> State:
    """Return what a batch is: done if all its jobs are, cancelled if only cancelled ones are missing, else failed."""
    states = {job.state for job in jobs}
    if states & {State.RUNNING} or (states & {State.QUEUED} and states & ENDED):
        return State.RUNNING
    if State.QUEUED in states:
        return State.QUEUED
    if State.WAITING in states:
        return State.WAITING
    if states == {State.DONE}:
        return State.DONE
    return State.CANCELLED if states <= {State.DONE, State.CANCELLED} else State.FAILED


def _preview_of(job: Job) -> str:
    return f"{job.folder}/{job.name}.preview.jpg"


def _same(one: Hold | None, other: Hold | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.code, one.title, one.fix) == (other.code, other.title, other.fix)


def _for_status(hold: Hold | None) -> Hold | None:
    """Return a hold without absolute paths: status files travel."""
    return hold and Hold(hold.code, without_paths(hold.title), without_paths(hold.fix), hold.since)

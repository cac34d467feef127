"""Resting: jobs with a time of their own lie in inbox/scheduled/ until it comes; one that comes again stays there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

from service.claiming import Admitting, Claiming
from service.consents import owner_of
from service.consideration import Later, Ready
from service.drops import Candidate
from service.ending import Ending
from service.inbox.claim import Claims
from service.inbox.copies import shelve
from service.inbox.record import Claim
from service.job import Drop, Hold, Job, State
from service.jobfile import JobFile, recurrence_of
from service.naming import clean, clean_folder, fit
from service.recurrence import Recurrence, judge, remembered, start_of
from service.register import Register
from service.sightings import Seen, Sightings
from service.store import utc_now

LOG = logging.getLogger(__name__)
#: Clocks are set and machines sleep: whatever its time, a job that rests is looked at this often.
_LOOK_S = 20.0
#: A clock that differs by more than this (s) from what has passed was set.
_LEAP_S = 2.0
SCHEDULED = "scheduled"


class Resting:
    """Says when a job that rests is due, lays drops to rest, and begins what comes again; on the intake's thread."""

    def __init__(
        self,
        register: Register,
        claims: Claims,
        sightings: Sightings,
        claiming: Claiming,
        ending: Ending,
        admission: Admitting,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._register = register
        self._store = register.store
        self._claims = claims
        self._sightings = sightings
        self._claiming = claiming
        self._ending = ending
        self._admission = admission
        self._now = now
        self._new_id = new_id
        #: How far the clock on the wall is ahead of the monotonic one, in seconds.
        self._ahead_s = 0.0
        #: Since when (s) a drop is due, by its deciding file, and which time of one that comes again.
        self._due: dict[str, tuple[float, datetime | None]] = {}
        #: Claims on their way to where they rest, whose disk was in trouble.
        self._owed: list[Claim] = []

    def begin(self) -> None:
        """Forget what is remembered of drops that rest no more."""
        self._store.forget_recurrences()

    def forget(self, path: str) -> None:
        """Let go of a drop that is gone, or that was changed."""
        self._due.pop(path, None)

    def has_leapt(self, now_s: float) -> bool:
        """Return whether the clock on the wall was set since it was last asked, or the machine has slept."""
        ahead_s = self._now().timestamp() - now_s
        leapt = abs(ahead_s - self._ahead_s) > _LEAP_S
        self._ahead_s = ahead_s
        return leapt

    def due_since_s(self, path: str) -> float | None:
        """Return since when a drop that rested is due on the caller's clock; None for one that isn't."""
        return self._due[path][0] if path in self._due else None

    # when ------------------------------------------------------------------------------------------------------------

    def look(self, candidate: Candidate, job: JobFile, now_s: float) -> Later | None:
        """Return how long a drop in inbox/scheduled/ rests, None where it is due."""
        recurrence = recurrence_of(job)
        if not recurrence:
            self.forget(candidate.members[0])
            title = f"{candidate.name} rests, but says no time."
            fix = f"Write start_at or every into it, or move it to inbox/{candidate.task}/ to start it."
            return Later(None, Hold("no_time", title, fix, utc_now()))
        due, following = self._judge(candidate, recurrence, now_s)
        if due is not None:
            self._due.setdefault(candidate.members[0], (now_s, due if recurrence.every else None))
            return None
        self.forget(candidate.members[0])
        return self._later(candidate, recurrence, following)

    def _judge(
        self, candidate: Candidate, recurrence: Recurrence, now_s: float
    ) -> tuple[datetime | None, datetime | None]:
        now = self._now()
        if recurrence.every is None:
            start = start_of(recurrence, now)
            assert start is not None
            return (start, None) if start <= now.astimezone(UTC) else (None, start)
        seen = self._sightings.see(candidate, now_s)
        known = self._store.recurrence(seen.drop)
        memory = remembered(recurrence, known, now)
        if memory != known:
            self._store.remember_recurrence(seen.drop, memory)
        verdict = judge(recurrence, memory, now)
        if verdict.due is not None and (live := self._store.live_run(seen.drop)) is not None:
            LOG.info("%s: left out at %s, for %s isn't over", candidate.name, self._said(verdict.due), live)
            self._fired(seen, verdict.due)
            return None, verdict.following
        return verdict.due, verdict.following

    def _later(self, candidate: Candidate, recurrence: Recurrence, following: datetime | None) -> Later:
        if following is None:
            return Later(_LOOK_S, Hold(SCHEDULED, "It never starts again.", "Change every in its file.", utc_now()))
        left_s = max(0.05, (following - self._now().astimezone(UTC)).total_seconds())
        how = f"It runs next at {self._said(following)} (every {recurrence.every})." if recurrence.every else ""
        title = how or f"It starts at {self._said(following)}."
        fix = f"Edit inbox/{candidate.folder or candidate.members[0]} to change that, delete it to end it."
        return Later(min(left_s, _LOOK_S), Hold(SCHEDULED, title, fix, utc_now()))

    def _said(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._now().tzinfo):%Y-%m-%d %H:%M}"

    # what is done ----------------------------------------------------------------------------------------------------

    def takes(self, ready: Ready) -> bool:
        """Return whether a drop that is ready isn't to be claimed now: it is laid to rest, or copied for one time."""
        candidate = ready.candidate
        if candidate.rests:
            return self._due.get(candidate.members[0], (0.0, None))[1] is not None
        if not ready.readings:
            return False
        recurrence = recurrence_of(ready.readings[0].job)
        start = start_of(recurrence, self._now())
        return recurrence.every is not None or (start is not None and start > self._now().astimezone(UTC))

    def take(self, ready: Ready, now_s: float) -> None:
        """Lay a drop to rest, or begin what is due of one that comes again; raises as `Claims.make` does."""
        if ready.candidate.rests:
            self._begin(ready, now_s)
        else:
            self._lay_down(ready, now_s)

    def settle(self) -> None:
        """Try again what a disk in trouble has left half way."""
        for claim in list(self._owed):
            with suppress(OSError):
                self._move_to_rest(claim)
                self._owed.remove(claim)

    def _lay_down(self, ready: Ready, now_s: float) -> None:
        seen = self._sightings.see(ready.candidate, now_s)
        wanted = self._claiming.wanted(ready, seen)
        claim = self._claims.make(wanted.drop_id, wanted.members, wanted.folder, **wanted.record, shelved=True)
        try:
            self._move_to_rest(claim)
        except OSError:
            self._owed.append(claim)
            raise

    def _move_to_rest(self, claim: Claim) -> None:
        # Saved before anything moves: whoever starts after a crash finds the drop known where it lies.
        members = shelve(claim, lambda paths: self._store.mark_drop(claim.drop_id, members=paths))
        self._sightings.move(claim.members[0].path, members)
        self._store.log("scheduled", drop=claim.drop_id, detail=members[0])
        LOG.info("%s rests in inbox/%s", claim.name, members[0])

    def _begin(self, ready: Ready, now_s: float) -> None:
        """Begin one time of a job that comes again: a claim of copies, whose id says which time it is."""
        first = ready.candidate.members[0]
        at = self._due[first][1]
        assert at is not None
        seen = self._sightings.see(ready.candidate, now_s)
        run = str(uuid5(NAMESPACE_OID, f"{seen.drop}/{at.isoformat()}"))
        # After a crash in here it is found by that id, and not begun twice.
        if self._store.drop(run) is None:
            name = fit(clean(ready.candidate.name), f"_{at.astimezone(self._now().tzinfo):%Y-%m-%d_%H%M}")
            self._store.begin_run(run, seen.drop, owner_of(self._claims.inbox / first))
            job = self._row(run, ready.candidate, name)
            wanted = self._claiming.wanted(ready, Seen(run, job.id, ready.candidate.members, now_s), name)
            record = {"outbox_name": job.name, **wanted.record, "copied": name}
            claim = self._claims.copy(run, wanted.members, wanted.folder, **record)
            self._enter(claim, job)
        self._fired(seen, at)
        self.forget(first)

    def _row(self, run: str, candidate: Candidate, name: str) -> Job:
        folder = clean_folder(candidate.grouping)
        drop = Drop(run, candidate.task, folder, name, "job_file", candidate.members)
        return Job(
            id=self._new_id(),
            drop=run,
            kind="job",
            batch=None,
            task=drop.task,
            grouping=folder,
            name=self._register.free_name(drop, 1),
            state=State.WAITING,
            seen_at=utc_now(),
            updated_at=utc_now(),
        )

    def _enter(self, claim: Claim, job: Job) -> None:
        members = tuple(member.path for member in claim.members)
        drop = Drop(claim.drop_id, job.task, job.grouping, claim.record["copied"], "job_file", members)
        with self._store.transaction():
            self._store.see(drop, job)
            self._store.mark_drop(drop.id, claimed=True)
            self._store.name_by(drop.id, list(claim.record["named"]))
        self._register.show(job)
        self._ending.keep(claim)
        self._admission.admit_all([claim])

    def _fired(self, seen: Seen, at: datetime) -> None:
        memory = self._store.recurrence(seen.drop)
        assert memory is not None
        self._store.remember_recurrence(seen.drop, replace(memory, fired=at))

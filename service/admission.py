"""Admission: a claimed drop becomes queued jobs, or goes back with every reason why not."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from service.binding import Binding, Dropping
from service.cells import bases_of, cells_of, count_of, labels_of, names_at
from service.claim_reading import ClaimReading
from service.consents import Consents
from service.crew import Crew
from service.disk_trouble import unavailable_of
from service.ending import Ending
from service.enlisting import Enlisting, Plan
from service.errors import Problem, Rejected, Unavailable, cancelled_problem, error_of, internal_problem
from service.examination import Examination, Input
from service.inbox.record import Claim
from service.job import Drop, Hold, Job, MediaKind, State
from service.naming import clean, clean_folder
from service.reading import Library, Reading
from service.register import Register
from service.sameness import Sameness
from service.store import ForbiddenMove, utc_now

LOG = logging.getLogger(__name__)


class Admission:
    """Examines, binds, guards and queues; what has no media is done at once, the rest beside the intake thread."""

    def __init__(
        self,
        library: Library,
        reading: ClaimReading,
        register: Register,
        ending: Ending,
        examination: Examination,
        pool: Crew,
        *,
        object_infos: Callable[[], Mapping[str, Mapping[str, Any]]],
        embedded: bool,
        outbox: Path,
        host: str,
        queued: Callable[[], None],
        new_id: Callable[[], str],
        new_prompt_id: Callable[[], str],
        draw_seed: Callable[[], int],
    ) -> None:
        self._library = library
        self._reading = reading
        self._register = register
        self._store = register.store
        self._ending = ending
        self._examination = examination
        self._pool = pool
        self._binding = Binding(library, object_infos, embedded=embedded)
        self._consents = Consents(register.store, host, utc_now)
        self._enlisting = Enlisting(register, Sameness(register.store, outbox))
        self._queued = queued
        self._new_id = new_id
        self._new_prompt_id = new_prompt_id
        self._draw_seed = draw_seed
        self._lock = threading.Lock()
        self._held: list[Claim] = []

    def admit(self, claim: Claim) -> None:
        """Admit a claim: drops without media on this thread, others in the pool, so that none waits for a decoder."""
        self.admit_all([claim])

    def admit_all(self, claims: Sequence[Claim]) -> None:
        """Admit many claims; those without media are queued in one step of the store and shown together."""
        for claim in claims:
            if _has_media(claim):
                self._pool.submit(self._admit, [claim])
        self._admit([claim for claim in claims if not _has_media(claim)])

    def foresee(self, task: str, grouping: str, name: str, readings: Sequence[Reading], job_id: str) -> dict[str, Any]:
        """
        Return what a claim must remember of the jobs that it will become: seed, ids, and the outbox name if it is new.

        Saved with the claim, all that is made from it after a crash is the same.
        """
        jobs = count_of(readings)
        ids = [job_id] if jobs == 1 else [self._new_id() for _ in range(jobs)]
        foreseen: dict[str, Any] = {
            "seed": self._draw_seed(),
            "jobs": [{"id": identity, "prompt_id": self._new_prompt_id()} for identity in ids],
        }
        bases = bases_of(readings)
        waiting = self._store.get(job_id) if jobs > 1 or bases[0] else None
        if waiting is not None:
            drop = Drop(waiting.drop, task, clean_folder(grouping), clean(name), "job_file", ())
            foreseen["outbox_name"] = self._register.free_names(drop, names_at(drop.name, bases))[0]
        return foreseen

    def retry_held(self) -> None:
        """Try again what could not be examined or screened for want of something of ours."""
        with self._lock:
            held, self._held = self._held, []
        self.admit_all(held)

    @property
    def held(self) -> int:
        """Return how many claims wait for something of ours before they can be examined."""
        with self._lock:
            return len(self._held)

    # one drop, or many -----------------------------------------------------------------------------------------------

    def _admit(self, claims: Sequence[Claim]) -> None:
        jobs = self._store.first_of_drops([claim.drop_id for claim in claims])
        plans = [plan for claim in claims if (plan := self._plan(claim, jobs[claim.drop_id])) is not None]
        if not plans:
            return
        try:
            left, over = self._enlisting.enlist(plans)
        except sqlite3.Error:
            # Without its database nothing more can be said of any drop.
            raise
        except Exception:  # of one among them: each is then taken by itself
            LOG.debug("several drops can't be queued together", exc_info=True)
            self._admit_each(plans)
            return
        for plan in left:
            self._settle(plan.claim)
        for plan in over:
            self._ending.close(plan.claim.drop_id)
        self._queued()

    def _admit_each(self, plans: Sequence[Plan]) -> None:
        if len(plans) == 1:
            LOG.error("%s: a fault in Reeldrop while admitting it", plans[0].job.name, exc_info=True)
            self._reject(plans[0].job, (internal_problem("taking it in"),))
            return
        for plan in plans:
            self._admit([plan.claim])

    def _settle(self, claim: Claim) -> None:
        """End what somebody cancelled while it waited, and close what an earlier life ended."""
        job = self._store.of_drop(claim.drop_id)[0]
        if job.state is State.WAITING and job.cancel:
            self._end(job, State.CANCELLED, error=error_of([cancelled_problem()]))
        else:
            self._ending.close(claim.drop_id)

    def _plan(self, claim: Claim, job: Job) -> Plan | None:
        """Return what is to be queued for a claim, or None where it was refused, held or is over."""
        if job.state is not State.WAITING or job.cancel:
            self._settle(claim)
            return None
        try:
            return self._planned(claim, job)
        except Rejected as rejected:
            self._reject(job, rejected.problems)
        except Unavailable as away:
            self._hold(claim, job, away)
        except OSError as trouble:
            LOG.warning("%s: can't be admitted now: %s", job.name, trouble)
            self._hold(claim, job, unavailable_of(trouble))
        except Exception:  # a fault of ours fails the job, never the daemon
            LOG.exception("%s: a fault in Reeldrop while admitting it", job.name)
            self._reject(job, (internal_problem("taking it in"),))
        return None

    def _hold(self, claim: Claim, job: Job, away: Unavailable) -> None:
        self._register.hold(job.id, Hold(away.code, away.title, away.fix, utc_now()))
        with self._lock:
            self._held.append(claim)

    def _reject(self, job: Job, problems: tuple[Problem, ...]) -> None:
        self._end(job, State.REJECTED, error=error_of(problems))

    def _end(self, job: Job, state: State, **changes: Any) -> None:
        try:
            self._ending.end(job.id, state, **changes)
        except ForbiddenMove as moved:
            LOG.info("%s: %s; left as it is", job.name, moved)

    def _planned(self, claim: Claim, job: Job) -> Plan:
        if claim.record["problem"]:
            raise Rejected(Problem(**claim.record["problem"]))
        readings = self._reading.read(claim)
        self._remember(claim, readings, job)
        cells = cells_of(self._binding.preferred(readings), claim.record["seed"], self._library.wildcards)
        examined: dict[tuple[str, MediaKind], Input] = {
            key: self._examination.examine(claim, role, key[0], key[1], label)
            for key, (role, label) in labels_of(cells).items()
        }
        ids = [each["id"] for each in claim.record["jobs"]]
        drop = Dropping(claim.record["task"], claim.record["name"])
        bound = self._binding.bind(cells, examined, ids, partial(self._consents.of, claim), drop)
        return Plan(claim, job, tuple(bound))

    def _remember(self, claim: Claim, readings: Sequence[Reading], job: Job) -> None:
        """Save seed, ids and name in the claim before any of it is used, unless that was done when it was made."""
        record = claim.record
        if "seed" in record and len(record.get("jobs") or ()) == count_of(readings):
            return
        foreseen = self.foresee(record["task"], record["grouping"], record["name"], readings, job.id)
        if "seed" in record:
            foreseen["seed"] = record["seed"]
        claim.save(**foreseen)


def _has_media(claim: Claim) -> bool:
    record = claim.record
    return record["kind"] == "media" or len(claim.members) > 1 or bool(record["found"])

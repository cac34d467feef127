"""Setbacks: groups of jobs that fail alike are held, and say so, until somebody has mended what they share."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from service.cohorts import held_words
from service.errors import Problem, Rejected
from service.job import Hold
from service.register import SHARED_HOLD_FILES, Register
from service.store import Store, utc_now

SAME_FAILURES = "same_failures"


class Setbacks:
    """Shows on queued jobs that their workflow or model is held, or that it no longer is."""

    def __init__(self, register: Register, unserved: Mapping[str, Hold] | None = None) -> None:
        """`unserved` has the workflows that no backend is to run, with what their jobs say."""
        self._register = register
        self._store = register.store
        self.unserved = dict(unserved or {})
        #: Whether any job may say so yet; an earlier life may have left some.
        self._is_said = True

    def show(self) -> None:
        """Say it on the next queued jobs of each held group, and no longer on those of others; safe to repeat."""
        for workflow, hold in self.unserved.items():
            for job_id in self._store.queued_of(("workflow", workflow), hold.code, SHARED_HOLD_FILES):
                self._register.hold(job_id, hold)
        held = self._store.held_groups()
        if not held and not self._is_said:
            return
        for cohort in held:
            title, fix = held_words(cohort)
            for job_id in self._store.queued_of(cohort.key, SAME_FAILURES, SHARED_HOLD_FILES):
                self._register.hold(job_id, Hold(SAME_FAILURES, title, fix, utc_now()))
        said = [self._store.get(job_id) for job_id, _ in self._store.held_for(SAME_FAILURES)]
        jobs = [job for job in said if job is not None]
        still = self._store.groups_of(jobs)
        for job in jobs:
            if job.id not in still:
                self._register.hold(job.id, None)
        self._is_said = bool(held)


def resume_group(store: Store, kind: str, name: str) -> str:
    """End the hold of a workflow or model, and return what was done; raises Rejected where it isn't held."""
    names = [cohort.name for cohort in store.held_groups() if cohort.kind == kind]
    # People name a model by its file alone.
    meant = next((each for each in names if name in (each, each.rpartition("/")[2])), name)
    if not store.release_group(kind, meant):
        near = get_close_matches(name, names, n=1)
        listed = f"Held are: {', '.join(names)}." if names else f"No {kind} is held now."
        fix = f"Did you mean {near[0]}?" if near else listed
        raise Rejected(Problem("not_held", f"The {kind} {name} is not held.", fix))
    return f"The {kind} {meant} goes on."

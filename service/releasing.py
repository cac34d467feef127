"""Releasing: a result that the operator lets go lies here already; it is published without any server, lanes apart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import suppress

from service.errors import Rejected
from service.job import Job, State
from service.publishing import Publishing
from service.quarantine import CODE, Quarantine
from service.register import Register
from service.store import ForbiddenMove

LOG = logging.getLogger(__name__)


class Releasing:
    """
    Publishes what is released, in every life until it is done.

    Lanes never take a job whose release is saved, so nobody else works on it: see `Store.candidates`.
    """

    def __init__(
        self, register: Register, publishing: Publishing, quarantine: Quarantine, returned: Callable[[], None]
    ) -> None:
        """`returned` is told when a job goes back to the lanes."""
        self._register = register
        self._store = register.store
        self._publishing = publishing
        self._quarantine = quarantine
        self._returned = returned

    def resume(self, retry: Callable[[str], object]) -> None:
        """Go on with releases that an earlier life saved and had not queued; `retry` queues a job by its id."""
        for job in self._store.released(State.FAILED):
            if (job.error or {}).get("code") != CODE:
                continue
            try:
                retry(job.id)
            except Rejected as refused:
                self._undo(job, refused)

    def _undo(self, job: Job, refused: Rejected) -> None:
        # The files of its drop are back in a claim: that retry is going on by itself.
        if refused.problems[0].code != "retried_already":
            LOG.warning("%s: its release is undone: %s", job.name, refused)
            self._store.unrelease(job.id)

    def publish(self, paused: Collection[str]) -> None:
        """
        Begin to publish what is released and queued, or was cut off in an earlier life; returns at once.

        `paused` are the tasks of which nothing goes on now ("": all). Raises Unavailable while the outbox is away.
        """
        # Asked before the states: a job that ends meanwhile must not look like one that nobody works on.
        busy = self._publishing.busy()
        for job in self._store.released(State.QUEUED, State.RUNNING):
            # One that is cancelled while it is queued is ended by whoever heard that.
            rests = job.state is State.QUEUED and (job.cancel or "" in paused or job.task in paused)
            if job.id not in busy and not rests:
                self._publish(job)

    def _publish(self, job: Job) -> None:
        if self._quarantine.released(job.id) is None and not self._publishing.published(job):
            LOG.warning("%s: what was released is gone from the quarantine, so it is rendered again", job.name)
            self._store.unquarantine(job.id)
            self._returned()
            return
        with suppress(ForbiddenMove):  # somebody cancelled it just now
            if job.state is State.QUEUED:
                entry = self._store.quarantined(job.id)
                made_by = {"engine": entry.engine, "backend": entry.backend} if entry is not None else {}
                job = self._register.move(job.id, State.RUNNING, stage="publishing", **made_by)
            render = self._store.render(job.id)
            assert render is not None, f"{job.name} was queued without a plan"
            self._publishing.publish(job, render, (), None, None)

"""Mishaps: what becomes of a job whose render a server lost, broke off or could not finish."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from service.comfy.client import Client
from service.ending import Ending
from service.errors import Problem, Unavailable, error_of
from service.fleet import Fleet
from service.job import Hold, Job, Render, State
from service.pursuit import Pursuit
from service.register import Register
from service.store import utc_now

LOG = logging.getLogger(__name__)
#: A server that dies, or stands still, so often under one job is felled by that job.
_DEATHS_JUDGED = 2
_STALLS_JUDGED = 2

#: Given a job, its plan and the number of a step from 0, return the plan with smaller settings, these settings, and
#: what was changed in words; None where there is no such step.
Shrink = Callable[[Job, Render, int], tuple[Render, dict[str, Any], list[str]] | None]


class Mishaps:
    """Judges what went wrong on a server; what time or another try can mend never fails a job."""

    def __init__(
        self,
        register: Register,
        ending: Ending,
        fleet: Fleet,
        *,
        shrink: Shrink,
        new_prompt_id: Callable[[], str],
        moved: Callable[[], None],
    ) -> None:
        """`moved` is told when a job waits for any backend again."""
        self._register = register
        self._store = register.store
        self._ending = ending
        self._fleet = fleet
        self._shrink = shrink
        self._new_prompt_id = new_prompt_id
        self._moved = moved

    # the server is gone, or forgot -----------------------------------------------------------------------------------

    def lost(self, name: str, pursuit: Pursuit) -> Job | None:
        """Given a prompt that its server forgot, return its job to be sent there again, None where that is over."""
        job = self._present(pursuit)
        if pursuit.was_running:
            # It had begun to render it and knows nothing of it now, so its process has died meanwhile.
            job = self._store.change(job.id, server_deaths=job.server_deaths + 1)
            if job.server_deaths >= _DEATHS_JUDGED:
                title = f"The server died {job.server_deaths} times while it rendered this job."
                self._set_aside(job, title)
                return None
        LOG.info("%s: the server has lost its prompt; it is sent again", job.name)
        if self._fleet.another_can_run(name, job.id):
            self.requeue(job.id, again=True)
            return None
        again = {"attempt": job.attempt + 1, "progress": 0.0} if pursuit.was_taken else {}
        return self._register.change(job.id, hold=None, stage="sending", **again)

    def move_on(self, name: str, pursuit: Pursuit, *, sure: bool) -> bool:
        """Let another backend have a job whose own is away; return False where none can. `sure`: nothing runs there."""
        job = self._present(pursuit)
        if not self._fleet.another_can_run(name, job.id):
            return False
        # A port may refuse while the process behind it lives; if it comes back with the prompt, it lets go of it.
        self._store.add_stray(name, pursuit.prompt_id)
        if not sure:
            title = f"{name} had it and stopped answering, so it was sent elsewhere; it may have been rendered twice."
            self._store.change(job.id, warnings=[*job.warnings, title])
        LOG.warning("%s: moves away from %s", job.name, name)
        self.requeue(job.id, again=pursuit.was_taken)
        return True

    def requeue(self, job_id: str, *, again: bool, **changes: Any) -> None:
        """Let any backend have a job; `again` counts an attempt, and its progress starts over."""
        job = self._store.get(job_id)
        assert job is not None
        counted = {"attempt": job.attempt + 1} if again else {}
        self._fleet.forget(job_id)
        self._register.move(job_id, State.QUEUED, progress=0.0, stage="", eta_seconds=None, **counted, **changes)
        self._moved()

    # it hung ---------------------------------------------------------------------------------------------------------

    def stalled(self, pursuit: Pursuit) -> None:
        """Given a prompt that stood still and was stopped, queue its job again; the second time set it aside."""
        job = self._present(pursuit)
        stalls = job.trouble.get("stalls", 0) + 1
        trouble = {**job.trouble, "stalls": stalls}
        if stalls >= _STALLS_JUDGED:
            job = self._store.change(job.id, trouble=trouble)
            self._set_aside(job, f"Its render stood still and had to be stopped {stalls} times.")
        else:
            self._renew(pursuit.render)
            self.requeue(job.id, again=True, trouble=trouble)

    def _set_aside(self, job: Job, title: str) -> None:
        where = f"{job.folder}/{job.name}"
        fix = f'Cancel it and ask for less, or run `reeldrop retry "{where}"` to have it tried again as it is.'
        LOG.warning("%s is set aside: %s", where, title)
        hold = Hold("set_aside", title, fix, utc_now())
        self._register.move(
            job.id, State.QUEUED, progress=0.0, stage="", eta_seconds=None, aside=True, hold=hold, server_deaths=0
        )
        self._moved()

    # it was too large ------------------------------------------------------------------------------------------------

    def errored(self, name: str, pursuit: Pursuit, problem: Problem, client: Client) -> None:
        """Fail a job whose render ended in an error; where memory ran out, try again, smaller or elsewhere, first."""
        job = self._present(pursuit)
        if problem.code == "out_of_memory" and self._try_memory(name, job, pursuit.render, client):
            return
        self._ending.end(job.id, State.FAILED, error=error_of([problem]))

    def _try_memory(self, name: str, job: Job, render: Render, client: Client) -> bool:
        """Free memory and try again, then each step of the ladder, then another backend; False: nothing is left."""
        tries = dict(job.trouble.get("memory", {}))
        step = tries[name] = tries.get(name, 0) + 1
        trouble = {**job.trouble, "memory": tries}
        changes: dict[str, Any] = {}
        if step > 1:
            smaller = self._shrink(job, render, step - 2)
            if smaller is not None:
                render, settings, adjusted = smaller
                # Its result isn't what was asked for, so it never stands for another job's.
                changes = {"settings": settings, "adjusted": [*job.adjusted, *adjusted], "fingerprint": None}
            elif self._fleet.another_can_run(name, job.id):
                trouble["barred"] = sorted({*job.trouble.get("barred", []), name})
            else:
                return False
        try:
            client.free()
        except Unavailable as trouble_there:
            LOG.debug("%s: its memory can't be freed now: %s", name, trouble_there)
        LOG.warning("%s: %s ran out of memory; try %d", job.name, name, step + 1)
        self._renew(render)
        self.requeue(job.id, again=True, trouble=trouble, **changes)
        return True

    def _renew(self, render: Render) -> None:
        """Plan under a fresh id: the server's history would answer for the old one."""
        self._store.plan(replace(render, prompt_id=self._new_prompt_id()))

    def _present(self, pursuit: Pursuit) -> Job:
        job = self._store.get(pursuit.job.id)
        assert job is not None
        return job

"""A lane: one backend, one thread; a queued job becomes a finished prompt there, whatever happens in between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from service.comfy.folders import models_of
from service.comfy.protocol import POST_DEADLINE_S, Errored, Run, Succeeded
from service.comfy.socket import Disconnected
from service.connection import Connection, Ear, Stopped
from service.disk_trouble import unavailable_of
from service.ending import Ending
from service.errors import Failed, Problem, Rejected, Unavailable, cancelled_problem, error_of, internal_problem
from service.job import Hold, Job, Render, State
from service.neighbours import Publisher, Server
from service.pursuit import STALL_S, Pursuit, Withdrawn
from service.register import Register
from service.report import Report
from service.schedule import next_of
from service.store import ForbiddenMove, utc_now

LOG = logging.getLogger(__name__)

_IDLE_PROBE_S = 30.0
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
#: An engine of ours that dies this often under one job is felled by that job.
_DEATHS_JUDGED = 2


class Lane:
    """Takes jobs one after another; every step of one may be repeated after a crash, and ends the same."""

    def __init__(
        self,
        name: str,
        server: Server,
        register: Register,
        ending: Ending,
        publisher: Publisher,
        *,
        monotonic: Callable[[], float],
        new_client_id: Callable[[], str],
        paused: Callable[[], Collection[str]] = tuple,
        stall_s: float = STALL_S,
    ) -> None:
        self.name = name
        self._server = server
        self._register = register
        self._store = register.store
        self._ending = ending
        self._publisher = publisher
        self._monotonic = monotonic
        self._new_client_id = new_client_id
        self._paused = paused
        #: A render that doesn't move for this long holds: "stalled".
        self.stall_s = stall_s
        self._ear = Ear()
        self._connection: Connection | None = None
        self._failures = 0
        #: How often in a row something of ours, not the server, kept a job from going on.
        self._waits = 0
        self._life = 0
        self._at_work: str | None = None
        #: What is known of the prompt in work, from one connection to the next.
        self._runs: dict[str, Run] = {}
        #: Newest /object_info of this backend, for preflight before a job is queued.
        self.object_info: Mapping[str, Any] | None = None
        #: Why the backend is away, or None while it answers.
        self.trouble: Unavailable | None = None

    def wake(self) -> None:
        """Say that there may be a job; never blocks."""
        self._ear.tell(None)

    def stop(self) -> None:
        """Ask the lane to end; what it was doing is found again at the next start."""
        self._ear.stop()

    def run(self) -> None:
        """Work until stopped."""
        try:
            while True:
                try:
                    self._work(self._connect())
                except Unavailable as away:
                    self._back_off(away)
        except Stopped:
            pass
        finally:
            self._disconnect()

    # the backend -----------------------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        url = self._server.url()
        if self._server.life != self._life:
            if self._life:
                self._count_death()
            self._life = self._server.life
        if self._connection and self._connection.url == url:
            self._connection.client.system_stats()
        else:
            self._disconnect()
            self._connection = Connection(url, self._new_client_id(), self._ear)
            self.object_info = self._connection.object_info
            # Holds of an earlier life as well: nobody else would take them away.
            self._register.hold_queued(None)
        if self._failures:
            LOG.info("%s answers again", self.name)
        self._failures = 0
        self.trouble = None
        return self._connection

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _back_off(self, away: Unavailable) -> None:
        # Whoever stops takes the engine of ours away too; that is no news for anybody.
        self._ear.rest(0)
        self.trouble = away
        for run in self._runs.values() if away.refused else ():
            run.refused(self._monotonic())
        # A server that comes back may be another one: what it can do is asked anew, under a client id of its own.
        self._disconnect()
        hold = Hold(away.code, away.title, away.fix, utc_now())
        self._register.hold_queued(hold)
        busy = self._publisher.busy()
        for job_id in self._store.running_on(self.name):
            if job_id in busy:
                continue
            if away.refused and self._store.asked_to_cancel(job_id):
                # Its process is gone, and with it the prompt.
                self._cancel(job_id)
            else:
                self._register.hold(job_id, hold)
        LOG.log(logging.DEBUG if self._failures else logging.WARNING, "%s: %s", self.name, away)
        wait_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        self._ear.rest(wait_s)

    # its jobs --------------------------------------------------------------------------------------------------------

    def _work(self, connection: Connection) -> None:
        job = self._left_running() or self._next_queued()
        if job is None:
            self._rest()
        elif job.state is State.RUNNING or self._may_send():
            self._judge(job, connection)

    def _left_running(self) -> Job | None:
        """Return a running job of this backend that nobody works on: its prompt may be in the server already."""
        # Asked before the states: a job that ends meanwhile must not look like one that nobody works on.
        busy = self._publisher.busy()
        left = (job_id for job_id in self._store.running_on(self.name) if job_id not in busy)
        return next((job for job_id in left if (job := self._store.get(job_id)) and job.state is State.RUNNING), None)

    def _next_queued(self) -> Job | None:
        paused = self._paused()
        tasks = [] if "" in paused else [task for task in self._store.queued_tasks() if task not in paused]
        turn = next_of(self._store.heads(tasks), self._store.last_started(tasks))
        return self._store.get(turn.id) if turn else None

    def _may_send(self) -> bool:
        """Return whether what is sent now can be screened; where not, everything that is queued holds for a while."""
        try:
            self._publisher.ready()
        except Unavailable as missing:
            # Whoever stops takes the screens away too; that is no news for anybody.
            self._ear.rest(0)
            self._register.hold_queued(Hold(missing.code, missing.title, missing.fix, utc_now()))
            LOG.log(logging.DEBUG if self._waits else logging.WARNING, "%s: %s", self.name, missing)
            self._wait()
            return False
        if self._waits:
            self._waits = 0
            self._register.hold_queued(None)
        return True

    def _wait(self) -> None:
        wait_s = _BACKOFF_S[min(self._waits, len(_BACKOFF_S) - 1)]
        self._waits += 1
        self._ear.rest(wait_s)

    def _files(self, job: Job, render: Render) -> Iterator[tuple[str, Path]]:
        # Asked before each sending, the second one after a loss too.
        self._publisher.ready()
        return self._publisher.files(job, render)

    def _rest(self) -> None:
        """Wait for a job, at most until the next probe; frames of other people's prompts are heard and dropped."""
        until_s = self._monotonic() + _IDLE_PROBE_S
        while (left_s := until_s - self._monotonic()) > 0:
            said = self._ear.listen(left_s)
            if said is None or isinstance(said, Disconnected):
                return

    def _judge(self, job: Job, connection: Connection) -> None:
        """Walk a job to its verdict; trouble has an owner, so each kind goes to its own."""
        self._at_work = job.id
        try:
            self._walk(job, connection)
        except (Stopped, Unavailable):
            raise
        except Rejected as refused:
            self._fail(job, *refused.problems)
        except Failed as failed:
            self._fail(job, failed.problem)
        except ForbiddenMove as moved:
            LOG.info("%s: %s; left as it is", job.name, moved)
        except OSError as trouble:
            # A disk or share of ours; the server has no part in it and keeps its connection.
            away = unavailable_of(trouble)
            LOG.warning("%s: %s", job.name, away)
            self._register.hold(job.id, Hold(away.code, away.title, away.fix, utc_now()))
            self._wait()
        except Exception:  # a fault of ours fails the job, never the daemon
            LOG.exception("%s: a fault in Reeldrop while rendering it", job.name)
            self._fail(job, internal_problem("rendering it"))
        self._at_work = None

    def _walk(self, job: Job, connection: Connection) -> None:
        render = self._store.render(job.id)
        assert render is not None, f"{job.name} was queued without a plan"
        sent_before = job.state is State.RUNNING
        if sent_before:
            job = self._register.change(job.id, engine=connection.engine, hold=None)
        else:
            # Saved before anything is sent: after a crash the prompt is looked for under this id.
            engine = connection.engine
            known = {"backend": self.name, "engine": engine, "models": models_of(render.graph)}
            job = self._register.move(job.id, State.RUNNING, stage="sending", **known)
        if sent_before and self._publisher.published(job):
            # An earlier life got as far as the outbox; what is left needs no server.
            self._publisher.publish(job, render, (), connection.client)
            return
        pursuit = Pursuit(
            connection,
            self._ear,
            lambda: self._files(job, render),
            Report(self._register, self._publisher.preview, job, self._monotonic, self._server.embedded),
            self._monotonic,
            self.stall_s,
            cancelled=lambda: self._store.asked_to_cancel(job.id),
        )
        verdict = pursuit.run(job, render, self._run_of(render, sent_before=sent_before), sent_before=sent_before)
        if isinstance(verdict, Withdrawn) or self._store.asked_to_cancel(job.id):
            self._cancel(job.id)
        elif isinstance(verdict, Succeeded):
            self._publisher.publish(job, render, verdict.outputs, connection.client)
        elif isinstance(verdict, Errored):
            self._fail(job, verdict.problem)
        else:
            title = "Somebody interrupted the render at ComfyUI."
            self._fail(job, Problem("interrupted", title, "Drop it again to render it."))

    def _run_of(self, render: Render, *, sent_before: bool) -> Run:
        """Return what we know of a prompt; what was heard before the connection broke counts after it too."""
        if render.prompt_id not in self._runs:
            run = Run(render.prompt_id, render.graph, render.weights, output_node=render.output_node)
            if sent_before and self._server.embedded:
                # Whoever sent it in an earlier life sent it to an engine that died with that life.
                run.posted(self._monotonic() - POST_DEADLINE_S)
                run.refused(self._monotonic())
            self._runs = {render.prompt_id: run}
        return self._runs[render.prompt_id]

    def _count_death(self) -> None:
        """The engine of ours was started anew, so it died under the job in work, if there was one."""
        for run in self._runs.values():
            run.refused(self._monotonic())
        job = self._store.get(self._at_work) if self._at_work else None
        if job is None or job.state is not State.RUNNING:
            return
        deaths = self._store.change(job.id, server_deaths=job.server_deaths + 1).server_deaths
        if deaths >= _DEATHS_JUDGED:
            title = f"The engine died {deaths} times while it rendered this job."
            self._fail(job, Problem("engine_died", title, "Ask for fewer frames or a smaller size, then retry."))

    def _cancel(self, job_id: str) -> None:
        job = self._store.get(job_id)
        if job is not None:
            self._publisher.forget(job)
            self._ending.end(job_id, State.CANCELLED, error=error_of([cancelled_problem()]))

    def _fail(self, job: Job, *problems: Problem) -> None:
        self._ending.end(job.id, State.FAILED, error=error_of(problems))

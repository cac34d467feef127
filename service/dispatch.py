"""Dispatch: which job a backend gets next, and the way of its prompt there; one rendering, one queued behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from service import parts
from service.comfy.folders import models_of
from service.comfy.protocol import Run
from service.connection import Connection, Ear
from service.crew import Crew
from service.disk_trouble import unavailable_of
from service.errors import Unavailable
from service.fleet import Fleet
from service.following import Following
from service.interpolating import fitted
from service.job import Hold, Job, Render, State
from service.neighbours import Publisher, Server
from service.patience import gap_s
from service.pursuit import Pursuit, Where, Why
from service.register import Register
from service.report import Report
from service.schedule import Turn, choose, passed_by
from service.sending import Sent, Unwanted, Withheld, ready_files, send
from service.store import ForbiddenMove, utc_now
from service.timing import Timing

LOG = logging.getLogger(__name__)

#: Behind more prompts of other people than this nothing of ours is queued in advance.
_LONG_QUEUE = 2
#: More prompts than could ever be on their way at one backend at once.
_REMEMBERED = 1000


class Dispatch:
    """Feeds one backend; used by its lane's thread alone, but for what is sent beside it."""

    def __init__(
        self,
        name: str,
        server: Server,
        register: Register,
        publisher: Publisher,
        fleet: Fleet,
        at: Following,
        ear: Ear,
        *,
        timing: Timing,
        monotonic: Callable[[], float],
        fallen: Callable[[str], None],
        paused: Callable[[], Collection[str]],
        resting: Callable[[], Hold | None],
    ) -> None:
        self.name = name
        self._server = server
        self._register = register
        self._store = register.store
        self._publisher = publisher
        self._fleet = fleet
        self._at = at
        self._ear = ear
        self._timing = timing
        self._monotonic = monotonic
        self._paused = paused
        self._resting = resting
        # Uploads go beside the lane: what renders meanwhile is followed on.
        self._sender = Crew(f"sending to {name}", 1, fallen)
        #: What could not be sent yet.
        self._unsent: list[Pursuit] = []
        #: In which life of the server we sent what, by prompt id.
        self._sent_in: dict[str, int] = {}
        #: The jobs that the one to be sent next was preferred to.
        self._passed: list[str] = []
        #: How often in a row something of ours kept jobs from being sent, and until when nothing is.
        self._waits = 0
        self._wait_until_s = 0.0

    def stop(self) -> None:
        """Begin to send nothing more; returns at once."""
        self._sender.stop()

    def beside(self, work: Callable[..., object], /, *arguments: Any) -> None:
        """Do something beside the lane, once what is being sent is."""
        self._sender.submit(work, *arguments)

    def was_sent_here(self, prompt_id: str) -> bool:
        """Return whether a prompt was sent to this very life of the server by this life of ours."""
        return self._sent_in.get(prompt_id) == self._server.life

    def next_send_s(self) -> float | None:
        """Return in how many seconds something that is withheld is tried again; None where nothing is."""
        return max(0.0, self._wait_until_s - self._monotonic()) if self._waits else None

    def planned(self, job: Job) -> Render:
        """Return what a backend was to run for a job."""
        render = self._store.render(job.id)
        assert render is not None, f"{job.name} was queued without a plan"
        return render

    def _fitted(self, job: Job, connection: Connection) -> Render:
        """Return what this backend is to run for a job, saved before anything is sent."""
        planned = self.planned(job)
        render = fitted(planned, connection.object_info)
        if render != planned:
            self._store.plan(render)
        return render

    def pursue(self, job: Job, render: Render, where: Where) -> Pursuit:
        """Return the pursuit of a job, followed from now on."""
        weights = self._timing.weights(job, render)
        run = Run(render.prompt_id, render.graph, weights, output_node=render.output_node)
        preview, embedded = self._publisher.preview, self._server.embedded
        report = Report(self._register, preview, job, self._monotonic, embedded, self._timing)

        def succeeded() -> None:
            watch = report.stopwatch
            self._timing.record(job, render, watch.node_seconds, watch.whole_s(self._monotonic()))

        pursuit = Pursuit(job, render, run, report, self._monotonic, where=where, succeeded=succeeded)
        self._at.pursuits[job.id] = pursuit
        return pursuit

    # what comes next -------------------------------------------------------------------------------------------------

    def fill(self, connection: Connection) -> None:
        """Keep one prompt rendering and one queued: send again what was lost, then take what comes next."""
        resting = self._resting()
        if resting is not None:
            self._fleet.rests(self.name, resting)
            self._take_back(lambda _: True)
            return
        self._fleet.answers(self.name, connection.object_info)
        paused = self._paused()
        if paused:
            self._take_back(lambda pursuit: "" in paused or pursuit.job.task in paused)
        while self._has_place():
            turn = self._next()
            if turn is None:
                break
            if not self._may_send():
                return
            self._begin(turn, connection)
        if not self._at.pursuits:
            self._fleet.tell_unserved(self._store.candidates(self._free_tasks()))
        turn = self._next() if self._waiting_there() else None
        if turn is not None:
            # What came up meanwhile goes before what the server has not begun.
            self._take_back(lambda pursuit: self._priority(pursuit) < turn.priority)

    def send_lost(self, connection: Connection) -> None:
        """Send again what the server has lost, and what could not be sent."""
        while self._at.lost:
            job = self._at.lost.pop()
            self._unsent.append(self.pursue(job, self._fitted(job, connection), Where.HERE))
        while self._unsent and self._monotonic() >= self._wait_until_s:
            pursuit = self._unsent.pop()
            if self._at.pursuits.get(pursuit.job.id) is pursuit:
                self._register.hold(pursuit.job.id, None)
                self._send(pursuit, connection)

    def _has_place(self) -> bool:
        pursuits = list(self._at.pursuits.values())
        if len(pursuits) != 1:
            return not pursuits
        # Only behind a prompt of ours that renders, and never far behind other people's.
        return pursuits[0].rendering and pursuits[0].why is None and self._at.others_pending <= _LONG_QUEUE

    def _waiting_there(self) -> list[Pursuit]:
        """Return what the server has of ours and hasn't begun."""
        return [pursuit for pursuit in self._at.sent() if not pursuit.rendering and not pursuit.was_running]

    def _take_back(self, unwanted: Callable[[Pursuit], bool]) -> None:
        for pursuit in self._waiting_there():
            if pursuit.was_taken and pursuit.why is None and unwanted(pursuit):
                pursuit.ask_back(Why.RETURNED)
                self._at.look_now()

    def _priority(self, pursuit: Pursuit) -> int:
        """Return the priority of a job as it is now: somebody may have changed it since it was sent."""
        job = self._store.get(pursuit.job.id)
        return job.priority if job else pursuit.job.priority

    def _next(self) -> Turn | None:
        """Return the job that this backend is to have next, and note the jobs to which it is preferred."""
        tasks = self._free_tasks()
        turns = self._store.candidates(tasks, fits=lambda turn: self._can_run(self.name, turn)) if tasks else []
        if not turns:
            return None
        last_started = self._store.last_started(tasks)
        here, others = self._fleet.bay(self.name), self._fleet.others(self.name)
        turn = choose(turns, last_started, here, others, self._can_run)
        self._passed = passed_by(turn, turns, last_started, here, others, self._can_run) if turn else []
        return turn

    def _free_tasks(self) -> list[str]:
        paused = self._paused()
        return [] if "" in paused else [task for task in self._store.queued_tasks() if task not in paused]

    def _can_run(self, name: str, turn: Turn) -> bool:
        if self._fleet.can_run(name, turn):
            return True
        # What nobody has is taken all the same, by whoever comes first: it fails with what is missing.
        may_have = self._fleet.may_have(name, turn.workflow)
        return name == self.name and may_have and self._fleet.fits_nowhere(turn.id)

    def _may_send(self) -> bool:
        """Return whether what is sent now can be screened; where not, everything that is queued holds for a while."""
        if self._monotonic() < self._wait_until_s:
            return False
        try:
            self._publisher.ready()
        except Unavailable as missing:
            # Whoever stops takes the screens away too; that is no news for anybody.
            self._ear.rest(0)
            self._register.hold_queued(Hold(missing.code, missing.title, missing.fix, utc_now()))
            LOG.log(logging.DEBUG if self._waits else logging.WARNING, "%s: %s", self.name, missing)
            self.withhold()
            return False
        if self._waits:
            self._waits = 0
            self._register.hold_queued(None)
        return True

    def _begin(self, turn: Turn, connection: Connection) -> None:
        job = self._store.get(turn.id)
        if job is None:
            return
        render = self._fitted(job, connection)
        models = models_of(render.graph)
        known: dict[str, Any] = {"backend": self.name, "engine": connection.engine, "models": models}
        if parts.is_going_on(render):
            known["started_at"] = job.started_at
        # Saved before anything is sent: after a crash the prompt is looked for under this id.
        with suppress(ForbiddenMove):  # another lane was faster, or somebody cancelled it just now
            job = self._register.move(job.id, State.RUNNING, stage="sending", **known)
            pursuit = self.pursue(job, render, Where.HERE)
            self._store.passed_over(self._passed)
            self._fleet.works(self.name, len(self._at.pursuits), models)
            self._send(pursuit, connection)

    # sending ---------------------------------------------------------------------------------------------------------

    def _send(self, pursuit: Pursuit, connection: Connection) -> None:
        pursuit.where = Where.SENDING
        job_id = pursuit.job.id
        self._sent_in[pursuit.prompt_id] = self._server.life
        if len(self._sent_in) > _REMEMBERED:
            del self._sent_in[next(iter(self._sent_in))]
        self._sender.submit(
            send,
            pursuit,
            connection,
            lambda: ready_files(self._publisher, pursuit),
            lambda: self._store.asked_to_cancel(job_id),
            self._ear.tell,
        )

    def note_sent(self, sent: Sent, connection: Connection) -> None:
        """Take note of how sending went; raises Unavailable where the server is in trouble."""
        pursuit, trouble = sent.pursuit, sent.trouble
        self._at.look_now()
        if self._at.pursuits.get(pursuit.job.id) is not pursuit:
            return
        if isinstance(trouble, Unwanted):
            self._at.cancel(pursuit)
            return
        if pursuit.where is Where.SENT and pursuit.was_taken and pursuit.sent_as:
            connection.hearing.posted(self._monotonic(), pursuit.sent_as, began_s=pursuit.posted_s)
        if trouble is None:
            return
        if pursuit.where is Where.SENDING:
            pursuit.where = Where.HERE
        if isinstance(trouble, Withheld | OSError):
            # A disk, share or screen of ours: the server has no part in it and keeps its connection.
            away = trouble.away if isinstance(trouble, Withheld) else unavailable_of(trouble)
            LOG.warning("%s: %s", pursuit.job.name, away)
            self._register.hold(pursuit.job.id, Hold(away.code, away.title, away.fix, utc_now()))
            self._unsent.append(pursuit)
            self.withhold()
            return
        if isinstance(trouble, Unavailable) and pursuit.where is Where.HERE:
            self._unsent.append(pursuit)
        with self._at.judging(pursuit):
            raise trouble

    def withhold(self) -> None:
        """Send nothing for a while; the gaps grow."""
        self._wait_until_s = self._monotonic() + gap_s(self._waits)
        self._waits += 1

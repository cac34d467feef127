"""Publishing: finished prompts are taken over from the lanes and become results in the outbox, beside the next ones."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service import parts
from service.backlog import Backlog
from service.comfy.client import Client
from service.comfy.fetch import Files
from service.comfy.protocol import OutputFile
from service.connection import PREVIEW_ENGINE
from service.crew import Crew
from service.disk_trouble import unavailable_of
from service.ending import Ending
from service.errors import Failed, Problem, Rejected, Unavailable, cancelled_problem, error_of, internal_problem
from service.examiner import Examiner
from service.job import Hold, Job, Render, State
from service.leaving import leave
from service.outbox import Outbox
from service.previews import Previews
from service.quarantine import Quarantine
from service.register import Register
from service.results import Cancelled, Results, output_of
from service.signing import Signatures
from service.store import ForbiddenMove, utc_now
from service.timing import Timing

LOG = logging.getLogger(__name__)
#: Nobody answers there any more: the lane finds out what has become of the server, and of the prompt.
_AWAY = frozenset({"refused", "unreachable", "timeout"})
#: A server that refuses connections has so long to start again: what it has rendered lies in its output folder still.
_REFUSED_PATIENCE_S = 25.0


@dataclass(frozen=True)
class _Finished:
    """A finished prompt on its way to the outbox."""

    job: Job
    render: Render
    outputs: tuple[OutputFile, ...]
    #: None where no server has a part in it.
    client: Client | None
    #: What brings its files over: the client, or a folder shared with the server.
    files: Files | None
    #: When the lane handed it over, on our own clock.
    since_s: float


class Publishing:
    """Takes finished prompts over from the lanes; each step finds its work done after a crash and passes on.

    `check_outbox` raises Unavailable while the outbox isn't the one that was there before; `engine_output` is the
    output folder of the embedded engine, which is tidied.
    """

    def __init__(
        self,
        register: Register,
        ending: Ending,
        outbox: Outbox,
        examiner: Examiner,
        work: Path,
        pool: Crew,
        released: Callable[[], None],
        *,
        check_outbox: Callable[[], None] = lambda: None,
        engine_output: Path | None = None,
        quarantine: Quarantine,
        media_roots: Sequence[Path] = (),
        timing: Timing | None = None,
        signatures: Signatures | None = None,
        new_prompt_id: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._register = register
        self._ending = ending
        self._examiner = examiner
        self._pool = pool
        self._released = released
        self._timing = timing
        self._monotonic = monotonic
        self._new_prompt_id = new_prompt_id
        self._stopping = threading.Event()
        self._results = Results(
            register,
            ending,
            outbox,
            examiner,
            work,
            stop_of=self._stop_of,
            check_outbox=check_outbox,
            engine_output=engine_output,
            quarantine=quarantine,
            media_roots=media_roots,
            signatures=signatures,
        )
        self._lock = threading.Lock()
        #: Of each job how many of its prompts are being published: the next part may come while one is put away.
        self._busy: Counter[str] = Counter()
        #: What cuts off the work for one job, by its id; all of them are set when everything stops.
        self._stops: dict[str, threading.Event] = {}
        #: What waits for space, rights, a screen or a share, by job.
        self._backlog = Backlog[_Finished]()
        #: For so long a server that refuses may start again before a finished job goes back to its lane.
        self.refused_patience_s = _REFUSED_PATIENCE_S
        self._own_engine = engine_output is not None
        self._quarantine = quarantine
        judge = quarantine.responsibility
        self._previews = Previews(register, examiner, pool.submit, self.busy, monotonic, judge.is_screened)

    def stop(self) -> None:
        """Cut off every copy and every ffmpeg at once; what they were doing is found again at the next start."""
        self._stopping.set()
        with self._lock:
            for stop in self._stops.values():
                stop.set()

    def cancel(self, job_id: str) -> None:
        """Cut off what is being done for a job that somebody asked to cancel, and end it; returns at once."""
        with self._lock:
            if job_id in self._stops:
                self._stops[job_id].set()
        if (held := self._backlog.take(job_id)) is not None:
            self._pool.submit(self._finish, held)

    def _stop_of(self, job: Job) -> threading.Event:
        with self._lock:
            stop = self._stops.setdefault(job.id, threading.Event())
            if self._stopping.is_set():
                stop.set()
            return stop

    def ready(self) -> None:
        """Return if what is sent now can be screened when it comes back; raises Unavailable with the cure if not."""
        # Not the one of drops: what it screens is screened before it is queued, and it may be at work for long.
        self._examiner.ready()

    def busy(self) -> frozenset[str]:
        """Return the jobs that are being published or wait for that."""
        with self._lock:
            return frozenset(self._busy)

    def files(self, job: Job, render: Render) -> Iterator[tuple[str, Path]]:
        """Return (server reference, path) of each upload; raises Failed, or Rejected where the rules refuse the job."""
        if refusals := self._quarantine.responsibility.refusals(job, render):
            raise Rejected(*refusals)
        return self._results.files(job, render)

    def published(self, job: Job) -> bool:
        """Return whether an earlier life has published the job's result; raises Unavailable where none can tell."""
        return self._results.published(job) is not None

    def forget(self, job: Job) -> None:
        """Throw away what there is of a job's result in our work folder and in our own engine's."""
        self._results.forget(job)

    def publish(
        self,
        job: Job,
        render: Render,
        outputs: tuple[OutputFile, ...],
        client: Client | None,
        files: Files | None = None,
    ) -> None:
        """Fetch, verify, screen, mark and publish beside the lane; returns at once. A published job is only ended.

        `files` brings results over in the client's place; what is released lies here and needs neither.
        """
        with self._lock:
            self._busy[job.id] += 1
        self._pool.submit(self._finish, _Finished(job, render, outputs, client, files or client, self._monotonic()))

    def retry_held(self) -> None:
        """Try again what could not be published for want of space, rights, a screen or a share, where it is time."""
        for finished in self._backlog.due(self._monotonic()):
            self._pool.submit(self._finish, finished)

    def retry_due_s(self) -> float | None:
        """Return in how many seconds `retry_held` has something to do, or None where nothing is held."""
        due_s = self._backlog.due_s()
        return None if due_s is None else max(0.0, due_s - self._monotonic())

    def preview(self, job: Job, data: bytes) -> None:
        """Screen and show a preview beside the lane, at most two a second; what comes in between is dropped."""
        self._previews.show(job, data)

    def _finish(self, finished: _Finished) -> None:
        job = finished.job
        try:
            self._publish(finished)
        except Failed as failed:
            if failed.problem.code == "result_missing" and self._backlog.is_refused(job.id):
                # It came back without its files, so without its history too.
                self._release(job.id)
                return
            self._end(finished, State.FAILED, failed.problem)
        except Cancelled:
            self._end(finished, State.CANCELLED, cancelled_problem())
        except Unavailable as away:
            self._keep(finished, away)
            return
        except OSError as trouble:
            self._keep(finished, unavailable_of(trouble))
            return
        except ForbiddenMove as moved:
            LOG.info("%s: %s; left as it is", job.name, moved)
            self._results.forget(job)
        except Exception:  # a fault of ours fails the job, never the daemon
            LOG.exception("%s: a fault in Reeldrop while publishing it", job.name)
            self._end(finished, State.FAILED, internal_problem("publishing it"))
        self._put_away(job.id)
        self._previews.forget(job.id)

    def _keep(self, finished: _Finished, away: Unavailable) -> None:
        if self._stopping.is_set():
            return
        job_id = finished.job.id
        if away.code == "stopping":
            # Cut off for the sake of a cancel alone: the next try ends it, or finds its result published already.
            with self._lock:
                self._stops.pop(job_id, None)
            self._pool.submit(self._finish, finished)
            return
        self._register.hold(job_id, Hold(away.code, away.title, away.fix, utc_now()))
        if away.code in _AWAY and not self._is_patient(finished, away):
            self._release(job_id)
            return
        self._backlog.hold(job_id, finished, self._monotonic())

    def _is_patient(self, finished: _Finished, away: Unavailable) -> bool:
        """Tell whether a server that refuses is given time: it may start again, with its output folder as it was."""
        if not away.refused or self._own_engine:
            return False
        return self._backlog.refused_for_s(finished.job.id, self._monotonic()) < self.refused_patience_s

    def _release(self, job_id: str) -> None:
        """Give a job back to its lane, which looks for the prompt again and renders it anew where it is lost."""
        self._put_away(job_id)
        self._released()

    def _put_away(self, job_id: str) -> None:
        self._backlog.forget(job_id)
        with self._lock:
            self._busy[job_id] -= 1
            if not self._busy[job_id]:
                del self._busy[job_id]
                self._stops.pop(job_id, None)

    def _end(self, finished: _Finished, state: State, problem: Problem) -> None:
        job = finished.job
        self._results.forget(job)
        try:
            self._ending.end(job.id, state, error=error_of((problem,)))
        except ForbiddenMove as moved:
            LOG.info("%s: %s; left as it is", job.name, moved)
        self._leave(finished)

    def _go_on(self, finished: _Finished, job: Job, kept: tuple[str, str]) -> None:
        """Queue a job for its next part; what is made of it is noted first, and nothing of it is rendered again."""
        render = parts.after(finished.render, *kept, self._new_prompt_id())
        self._register.store.plan(render)
        self._leave(finished)
        done = {"progress": parts.overall(render, 0.0), "stage": parts.told(render, "queued")}
        self._register.move(job.id, State.QUEUED, queued_at=job.queued_at, eta_seconds=None, **done)
        self._released()

    def _leave(self, finished: _Finished) -> None:
        job = finished.job
        over = self._register.is_over(job.drop)
        if finished.client is not None and finished.files is not None:
            leave(job, finished.render.prompt_id, finished.client, finished.files, is_over=over)

    def _publish(self, finished: _Finished) -> None:
        job, render = finished.job, finished.render
        job = self._register.store.get(job.id) or job
        published = self._results.published(job)
        if published is None and not parts.is_last(render):
            self._go_on(finished, job, self._results.keep_part(job, render, finished.outputs, finished.files))
            return
        if published is None:
            job, published, facts, warnings = self._results.make(job, render, finished.outputs, finished.files)
        else:
            facts, warnings = self._results.found(job, published.path)
        if job.engine and job.engine.startswith(PREVIEW_ENGINE):
            warnings = ["Drawn by the preview engine: a stand-in by rules, no AI model ran.", *warnings]
        if self._register.store.asked_to_cancel(job.id):
            LOG.info("%s: asked to cancel it too late, its result is published", job.name)
        output = output_of(published, facts, signed=self._results.signs(published.path))
        # Before the job ends: after a crash in between its file is found in the outbox, and this is done again.
        self._results.forget(job)
        self._quarantine.forget(job.id)
        self._ending.end(job.id, State.DONE, outputs=[output], warnings=warnings, progress=1.0, stage="done", hold=None)
        self._leave(finished)
        if self._timing is not None and not self._backlog.was_held(job.id):
            self._timing.record_after(job, render, self._monotonic() - finished.since_s)

"""A lane: one backend, one thread; a queued job becomes a finished prompt there, whatever happens in between."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from service.comfy import preflight
from service.comfy.client import Client, Refused
from service.comfy.protocol import (
    AskHistory,
    Errored,
    Event,
    Interrupted,
    Lost,
    OutputFile,
    Preview,
    Progress,
    Run,
    Succeeded,
)
from service.comfy.socket import Connected, Disconnected, Socket
from service.ending import Ending
from service.errors import Failed, Problem, Rejected, Unavailable, error_of, internal_problem
from service.job import Hold, Job, Render, State
from service.register import Register
from service.schedule import next_job
from service.store import ForbiddenMove, utc_now

LOG = logging.getLogger(__name__)

#: With a socket that hears, looks are only the net below it; without one they are all that there is.
_LOOK_HEARING_S = 2.0
_LOOK_DEAF_S = 0.5
#: After "it is over" history may lag: up to 0.35 s were measured (docs/comfyui.md).
_LOOK_ENDING_S = 0.02
_QUICK_LOOKS = 25
_IDLE_PROBE_S = 30.0
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
#: An engine of ours that dies this often under one job is felled by that job.
_DEATHS_JUDGED = 2
#: More files than this aren't rewritten for a hold that all queued jobs share.
_SHARED_HOLD_FILES = 100
#: Fetching, verifying, screening and publishing are the rest of a job's progress.
_RENDER_SHARE = 0.95


class Server(Protocol):
    """Where the lane's ComfyUI is."""

    embedded: bool

    def url(self) -> str:
        """Return the base URL; raises Unavailable while there is none."""


class Publisher(Protocol):
    """What takes over a finished prompt."""

    def publish(self, job: Job, render: Render, outputs: tuple[OutputFile, ...], client: Client) -> None:
        """Fetch, verify, screen, mark and publish beside the lane."""

    def preview(self, job: Job, data: bytes) -> None:
        """Screen and show a preview beside the lane; may drop it."""

    def files(self, job: Job, render: Render) -> list[tuple[str, Any]]:
        """Return (server reference, local path) of each file to upload; raises Failed where one is gone."""

    def busy(self) -> frozenset[str]:
        """Return the jobs that are being published."""


class Stopped(Exception):
    """The daemon stops; the prompt stays where it is and is found again at the next start."""


class _Connection:
    """One life of the server as we know it: its client, its socket, what it can do."""

    def __init__(self, url: str, client_id: str, deliver: Callable[[Any], None]) -> None:
        self.url = url
        self.client_id = client_id
        self.client = Client(url)
        stats = self.client.system_stats()
        self.engine = engine_words(stats)
        self.object_info = self.client.object_info()
        self.hearing = False
        self.socket = Socket(url, client_id, deliver)
        self.socket.start()

    def close(self) -> None:
        self.socket.stop()


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
    ) -> None:
        self.name = name
        self._server = server
        self._register = register
        self._store = register.store
        self._ending = ending
        self._publisher = publisher
        self._quick_looks = 0
        self._monotonic = monotonic
        self._new_client_id = new_client_id
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._connection: _Connection | None = None
        self._failures = 0
        #: Newest /object_info of this backend, for preflight before a job is queued.
        self.object_info: Mapping[str, Any] | None = None
        #: What the operator is told while the backend is away.
        self.trouble: Unavailable | None = None

    # life ------------------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Say that there may be a job; never blocks."""
        self._heard.put(None)

    def stop(self) -> None:
        """Ask the lane to end; what it was doing is found again at the next start."""
        self._stopping.set()
        self._heard.put(None)

    def run(self) -> None:
        """Work until stopped."""
        try:
            while not self._stopping.is_set():
                try:
                    self._connect()
                    self._work()
                except Unavailable as away:
                    self._back_off(away)
        except Stopped:
            pass
        finally:
            if self._connection:
                self._connection.close()

    def _connect(self) -> None:
        url = self._server.url()
        if self._connection and self._connection.url == url:
            self._connection.client.system_stats()
        else:
            self._connection = _Connection(url, self._new_client_id(), self._heard.put)
            self.object_info = self._connection.object_info
        self._failures = 0
        self.trouble = None
        for job in self._store.in_states(State.QUEUED, limit=_SHARED_HOLD_FILES):
            self._register.hold(job.id, None)

    def _back_off(self, away: Unavailable) -> None:
        self.trouble = away
        if self._connection:
            # A server that comes back may be another: what it can do is asked anew, under a client id of its own.
            self._connection.close()
            self._connection = None
        hold = Hold(away.code, away.title, away.fix, utc_now())
        for job in self._store.in_states(State.RUNNING, State.QUEUED, limit=_SHARED_HOLD_FILES):
            if job.state is State.QUEUED or job.backend == self.name:
                self._register.hold(job.id, hold)
        wait_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        LOG.log(logging.WARNING if self._failures == 1 else logging.DEBUG, "%s: %s", self.name, away)
        if self._stopping.wait(wait_s):
            raise Stopped

    def _work(self) -> None:
        while True:
            job = next_job(
                self._store.in_states(State.RUNNING, limit=_SHARED_HOLD_FILES)
                + self._store.in_states(State.QUEUED, limit=1),
                self.name,
                self._publisher.busy(),
            )
            if job is None:
                self._rest()
                return
            self._judge(job)

    def _rest(self) -> None:
        """Wait for a job, at most until the next probe; frames of other people's prompts are heard and dropped."""
        until_s = self._monotonic() + _IDLE_PROBE_S
        while (left_s := until_s - self._monotonic()) > 0:
            said = self._hear(left_s)
            if said is None or isinstance(said, Disconnected):
                return

    # one job ---------------------------------------------------------------------------------------------------------

    def _judge(self, job: Job) -> None:
        """Walk a job to its verdict; trouble has an owner, so each kind goes to its own."""
        try:
            self._walk(job)
        except (Unavailable, Stopped) as away:
            if isinstance(away, Unavailable):
                self._count_death(job, away)
            raise
        except (Rejected, Refused) as refused:
            self._fail(job, *refused.problems)
        except Failed as failed:
            self._fail(job, failed.problem)
        except ForbiddenMove as moved:
            LOG.info("%s: %s; left as it is", job.name, moved)
        except Exception:  # a fault of ours fails the job, never the daemon
            LOG.exception("%s: a fault in Reeldrop while rendering it", job.name)
            self._fail(job, internal_problem("rendering it"))

    def _count_death(self, job: Job, away: Unavailable) -> None:
        if not (self._server.embedded and away.refused):
            return
        now = self._store.get(job.id)
        assert now is not None
        if now.state is not State.RUNNING:
            return
        deaths = self._store.change(job.id, server_deaths=now.server_deaths + 1).server_deaths
        if deaths >= _DEATHS_JUDGED:
            title = f"The engine died {deaths} times while it rendered this job."
            self._fail(job, Problem("engine_died", title, "Ask for fewer frames or a smaller size, then retry."))

    def _walk(self, job: Job) -> None:
        connection = self._connection
        assert connection is not None
        render = self._store.render(job.id)
        assert render is not None, f"{job.name} was queued without a plan"
        fresh = job.state is State.QUEUED
        if fresh:
            # Saved before anything is sent: after a crash the prompt is looked for under this id.
            job = self._register.move(
                job.id, State.RUNNING, backend=self.name, engine=connection.engine, stage="sending"
            )
        else:
            job = self._register.change(job.id, engine=connection.engine, hold=None)
        run = Run(render.prompt_id, render.graph, render.weights, output_node=render.output_node)
        verdict: Any = Lost() if fresh else self._follow(job, run)
        while isinstance(verdict, Lost):
            self._send(job, render, run)
            verdict = self._follow(job, run)
        if isinstance(verdict, Succeeded):
            self._publisher.publish(job, render, verdict.outputs, connection.client)
        elif isinstance(verdict, Errored):
            self._fail(job, verdict.problem)
        else:
            assert isinstance(verdict, Interrupted)
            problem = Problem(
                "interrupted", "Somebody interrupted the render at ComfyUI.", "Drop it again to render it."
            )
            self._fail(job, problem)

    def _send(self, job: Job, render: Render, run: Run) -> None:
        connection = self._connection
        assert connection is not None
        problems = preflight.check(
            render.graph, connection.object_info, uploads={each["reference"] for each in render.uploads}
        )
        if problems:
            raise Rejected(*problems)
        for reference, path in self._publisher.files(job, render):
            self._upload(connection.client, reference, path)
        run.posted(self._monotonic())
        try:
            connection.client.submit(render.prompt_id, render.graph, connection.client_id)
        except Unavailable as lost:
            if lost.refused:
                raise
            # The answer is lost, the prompt perhaps not: following looks before anything is sent again.
            LOG.info("%s: no answer to its prompt (%s); looking for it", job.name, lost.title)

    def _upload(self, client: Client, reference: str, path: Any) -> None:
        subfolder, _, name = reference.removesuffix(" [temp]").rpartition("/")
        got = client.upload(path, name, subfolder)
        if got != reference:
            raise Unavailable(
                "upload_renamed",
                f"The server stored {reference} as {got}.",
                "Restart ComfyUI, so that it clears its temp folder.",
            )

    def _follow(self, job: Job, run: Run) -> Any:
        """Listen and look until the prompt has a verdict; raises Unavailable where the server is gone, or Stopped."""
        connection = self._connection
        assert connection is not None
        look_s = self._monotonic()
        while True:
            now = self._monotonic()
            if now < look_s:
                said = self._hear(look_s - now)
                if self._tell(job, run, said):
                    look_s = self._monotonic()
                continue
            verdict = self._look(connection.client, run)
            if isinstance(verdict, Succeeded | Errored | Interrupted | Lost):
                return verdict
            look_s = self._monotonic() + self._gap_s(run, verdict)

    def _look(self, client: Client, run: Run) -> Any:
        began_s = self._monotonic()
        try:
            waiting = client.queue()
            pending, running = run.prompt_id in waiting.pending, run.prompt_id in waiting.running
            # Queue before history: a prompt only ever moves from the first to the second.
            entry = None if pending or running else client.history(run.prompt_id)
        except Unavailable as away:
            if away.refused:
                run.refused(self._monotonic())
            raise
        return run.reconcile(pending, running, entry, now_s=began_s)

    def _gap_s(self, run: Run, verdict: Any) -> float:
        connection = self._connection
        assert connection is not None
        if verdict is None and run.look_again_s is not None:
            return max(0.05, min(run.look_again_s - self._monotonic(), _LOOK_DEAF_S))
        if self._quick_looks:
            self._quick_looks -= 1
            return _LOOK_ENDING_S
        return _LOOK_HEARING_S if connection.hearing else _LOOK_DEAF_S

    def _hear(self, timeout_s: float) -> Any:
        try:
            said = self._heard.get(timeout=timeout_s)
        except queue.Empty:
            said = None
        if self._stopping.is_set():
            raise Stopped
        if self._connection and isinstance(said, Connected | Disconnected):
            self._connection.hearing = isinstance(said, Connected)
        return said

    def _tell(self, job: Job, run: Run, said: Any) -> bool:
        """Pass on what a frame means; return True where it is time to look."""
        if isinstance(said, Connected | Disconnected):
            return True
        if not isinstance(said, str | bytes):
            return False
        told = [self._tell_event(job, event) for event in run.hear(said)]
        return any(told)

    def _tell_event(self, job: Job, event: Event) -> bool:
        if isinstance(event, Progress):
            self._register.progress(job.id, event.fraction * _RENDER_SHARE, event.stage, None)
        elif isinstance(event, Preview):
            self._publisher.preview(job, event.data)
        elif isinstance(event, AskHistory):
            self._quick_looks = _QUICK_LOOKS
            return True
        return False

    def _fail(self, job: Job, *problems: Problem) -> None:
        self._ending.end(job.id, State.FAILED, error=error_of(problems))


def engine_words(stats: Mapping[str, Any]) -> str:
    """Return the engine's name and version from /system_stats; the embedded engine says that it is one."""
    system = stats.get("system") or {}
    version = system.get("comfyui_version", "of unknown version")
    if "reeldrop_engine" in system:
        return f"Reeldrop preview engine {system['reeldrop_engine']}, in place of ComfyUI {version}"
    return f"ComfyUI {version}"

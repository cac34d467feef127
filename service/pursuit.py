"""Pursuit: one prompt from its upload to its verdict, on one connection to one server."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import guard
from service.comfy import preflight
from service.comfy.client import Client
from service.comfy.protocol import AskHistory, Errored, Interrupted, Lost, Run, StillPending, StillRunning, Succeeded
from service.comfy.protocol import Event as RunEvent
from service.comfy.socket import Connected, Disconnected, Socket
from service.errors import Rejected, Unavailable
from service.job import Job, Render

LOG = logging.getLogger(__name__)

#: With a socket that hears, looks are only the net below it; without one they are all that there is.
_LOOK_HEARING_S = 2.0
_LOOK_DEAF_S = 0.5
#: After "it is over" history may lag: up to 0.35 s were measured (docs/comfyui.md).
_LOOK_ENDING_S = 0.02
_QUICK_LOOKS = 25

#: A prompt that is said to run and doesn't move for this long is said to stand still.
STALL_S = 600.0

Verdict = Succeeded | Errored | Interrupted
#: How the words for our own engine begin; whoever must tell its results from a ComfyUI's asks for them.
PREVIEW_ENGINE = "Reeldrop preview engine"


@dataclass(frozen=True)
class Stalled:
    """The server says that it runs the prompt, but nothing has moved for so many seconds: it may be half dead."""

    seconds: float


@dataclass(frozen=True)
class Moved:
    """What was said to stand still goes on after all."""


class Standstill:
    """Judges whether a running prompt moves; time in which progress can't be heard counts half."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._seen: object = None
        self._looked_s: float | None = None
        self._quiet_s = 0.0

    def move(self) -> None:
        """Note a sign of life."""
        self._quiet_s, self._looked_s = 0.0, None

    def look(self, now_s: float, seen: object, *, hears: bool) -> bool:
        """Given what a look found on the caller's monotonic clock, return whether the prompt stands still."""
        if seen != self._seen or self._looked_s is None:
            self._seen, self._quiet_s = seen, 0.0
        else:
            self._quiet_s += (now_s - self._looked_s) * (1.0 if hears else 0.5)
        self._looked_s = now_s
        return self._quiet_s >= self._limit_s


class Stopped(Exception):
    """The daemon stops; the prompt stays where it is and is found again at the next start."""


class Ear:
    """What a lane waits on: frames of the socket, wake-ups, and being stopped; one queue, so that nothing polls."""

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self.hearing = False

    def tell(self, message: Any) -> None:
        """Put a message in; never blocks."""
        self._said.put(message)

    def stop(self) -> None:
        """Make every wait end, now and from now on."""
        self._stopping.set()
        self._said.put(None)

    def listen(self, timeout_s: float) -> Any:
        """Return the next message, or None after the time-out or a wake-up; raises Stopped."""
        try:
            said = self._said.get(timeout=timeout_s)
        except queue.Empty:
            said = None
        if self._stopping.is_set():
            raise Stopped
        if isinstance(said, Connected | Disconnected):
            self.hearing = isinstance(said, Connected)
        return said

    def rest(self, seconds: float) -> None:
        """Wait without listening; raises Stopped."""
        if self._stopping.wait(seconds):
            raise Stopped


class Connection:
    """One life of a server as we know it: its client, its socket, what it is and what it can do.

    Raises Unavailable where the server can't be reached or isn't a ComfyUI.
    """

    def __init__(self, url: str, client_id: str, ear: Ear) -> None:
        self.url = url
        self.client = Client(url)
        self.engine = engine_words(self.client.system_stats())
        self.object_info: Mapping[str, Any] = self.client.object_info()
        ear.hearing = False
        self._socket = Socket(url, client_id, ear.tell)
        self._socket.start()

    @property
    def client_id(self) -> str:
        """The id under which the socket listens now; a new one after each reconnect."""
        return self._socket.client_id

    def close(self) -> None:
        """Leave the server; what it runs goes on there."""
        self._socket.stop()
        self.client.close()


class Pursuit:
    """Sends a prompt where that is needed and follows it; `report` gets what the server says of it on the way."""

    def __init__(
        self,
        connection: Connection,
        ear: Ear,
        files: Callable[[], Iterable[tuple[str, Path]]],
        report: Callable[[RunEvent | Stalled | Moved], None],
        monotonic: Callable[[], float],
        stall_s: float = STALL_S,
    ) -> None:
        self._connection = connection
        self._ear = ear
        self._files = files
        self._report = report
        self._monotonic = monotonic
        self._quick_looks = 0
        self._stall_s = stall_s
        self._standstill = Standstill(stall_s)
        self._stalled = False
        #: The client id that our prompt was sent under, as far as this connection has sent it.
        self._sent_as: str | None = None

    def run(self, job: Job, render: Render, run: Run, *, sent_before: bool) -> Verdict:
        """Return what became of a prompt; raises Rejected (preflight), Unavailable (the server is gone), Stopped."""
        verdict = self._follow(run) if sent_before else Lost()
        while isinstance(verdict, Lost):
            self._send(job, render, run)
            verdict = self._follow(run)
        return verdict

    def _send(self, job: Job, render: Render, run: Run) -> None:
        references = {each["reference"] for each in render.uploads}
        known = self._connection.object_info
        # The job may have been queued before any server had said what its classes give out.
        problems = guard.check_graph(render.graph, references, guard.outputs_of(known))
        problems = problems or preflight.check(render.graph, known, uploads=references)
        if problems:
            raise Rejected(*problems)
        client = self._connection.client
        for reference, path in self._files():
            upload(client, reference, path)
        run.posted(self._monotonic())
        self._sent_as = self._connection.client_id
        self._standstill.move()
        try:
            client.submit(render.prompt_id, render.graph, self._sent_as)
        except Unavailable as lost:
            if lost.refused:
                raise
            # The answer is lost, the prompt perhaps not: following looks before anything is sent again.
            LOG.info("%s: no answer to its prompt (%s); looking for it", job.name, lost.title)

    def _follow(self, run: Run) -> Verdict | Lost:
        look_s = self._monotonic()
        while True:
            now = self._monotonic()
            if now < look_s:
                if self._tell(run, self._ear.listen(look_s - now)):
                    look_s = now
                continue
            verdict = self._look(run)
            if isinstance(verdict, Succeeded | Errored | Interrupted | Lost):
                return verdict
            if isinstance(verdict, StillPending | StillRunning):
                self._report(run.standing(verdict))
                self._watch(run, verdict)
            look_s = self._monotonic() + self._gap_s(run, verdict)

    def _watch(self, run: Run, verdict: StillPending | StillRunning) -> None:
        """Say that a prompt stands still, or goes on after all: HTTP may answer while nothing runs any more."""
        if isinstance(verdict, StillPending):
            self._standstill.move()
        hears = self._ear.hearing and self._sent_as == self._connection.client_id
        stalled = self._standstill.look(self._monotonic(), run.standing(verdict), hears=hears)
        if stalled != self._stalled:
            self._stalled = stalled
            self._report(Stalled(self._stall_s) if stalled else Moved())

    def _look(self, run: Run) -> Verdict | Lost | StillPending | StillRunning | None:
        client = self._connection.client
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

    def _gap_s(self, run: Run, verdict: object) -> float:
        if verdict is None and run.look_again_s is not None:
            return max(0.05, min(run.look_again_s - self._monotonic(), _LOOK_DEAF_S))
        if self._quick_looks:
            self._quick_looks -= 1
            return _LOOK_ENDING_S
        return _LOOK_HEARING_S if self._ear.hearing else _LOOK_DEAF_S

    def _tell(self, run: Run, said: Any) -> bool:
        """Pass on what a frame means; return True where it is time to look."""
        if isinstance(said, Connected | Disconnected):
            return True
        asked = False
        for event in run.hear(said) if isinstance(said, str | bytes) else ():
            if isinstance(event, AskHistory):
                self._quick_looks = _QUICK_LOOKS
                asked = True
            else:
                self._standstill.move()
                self._report(event)
        return asked


def upload(client: Client, reference: str, path: Path) -> None:
    """Upload a file under the very reference that the graph names; raises Unavailable where the server renamed it."""
    subfolder, _, name = reference.removesuffix(" [temp]").rpartition("/")
    got = client.upload(path, name, subfolder)
    if got != reference:
        title = f"The server stored {reference} as {got}."
        raise Unavailable("upload_renamed", title, "Restart ComfyUI, so that it clears its temp folder.")


def engine_words(stats: Mapping[str, Any]) -> str:
    """Return the engine's name and version from /system_stats; the embedded engine says that it is one."""
    system = stats.get("system") or {}
    version = system.get("comfyui_version", "of unknown version")
    if "reeldrop_engine" in system:
        return f"{PREVIEW_ENGINE} {system['reeldrop_engine']}, in place of ComfyUI {version}"
    return f"ComfyUI {version}"

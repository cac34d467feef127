"""Pursuit: one prompt from its upload to its verdict, on one connection to one server."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
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

Verdict = Succeeded | Errored | Interrupted


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
        files: Callable[[], list[tuple[str, Path]]],
        report: Callable[[RunEvent], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._ear = ear
        self._files = files
        self._report = report
        self._monotonic = monotonic
        self._quick_looks = 0

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
        try:
            client.submit(render.prompt_id, render.graph, self._connection.client_id)
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
            look_s = self._monotonic() + self._gap_s(run, verdict)

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
        return f"Reeldrop preview engine {system['reeldrop_engine']}, in place of ComfyUI {version}"
    return f"ComfyUI {version}"

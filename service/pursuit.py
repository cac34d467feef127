"""Pursuit: one prompt from its upload to its verdict, on one connection to one server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import guard
from service.comfy import preflight
from service.comfy.client import Client
from service.comfy.protocol import AskHistory, Errored, Interrupted, Lost, Run, StillPending, StillRunning, Succeeded
from service.comfy.protocol import Event as RunEvent
from service.comfy.socket import Connected, Disconnected
from service.connection import Connection, Ear
from service.errors import Rejected, Unavailable
from service.job import Job, Render

LOG = logging.getLogger(__name__)

#: With a socket that hears, looks are only the net below it; without one they are all that there is.
_LOOK_HEARING_S = 2.0
_LOOK_DEAF_S = 0.5
#: After "it is over" history may lag: up to 0.35 s were measured (docs/comfyui.md).
_LOOK_ENDING_S = 0.02
_QUICK_LOOKS = 25

#: A server is asked to let go of a prompt again after these; a render stops at its next step or node.
_WITHDRAW_GAPS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
#: From here on somebody is told that the server takes its time: a long node can't be stopped in its middle.
_WITHDRAW_PATIENCE_S = 15.0

#: A prompt that is said to run and doesn't move for this long is said to stand still.
STALL_S = 600.0


@dataclass(frozen=True)
class Withdrawn:
    """Somebody asked to cancel the job, and the server has let go of its prompt."""


@dataclass(frozen=True)
class Lingering:
    """The server is asked to let go of a prompt, and hasn't yet."""


class _CancelledError(Exception):
    """Somebody asked to cancel the job."""


Verdict = Succeeded | Errored | Interrupted | Withdrawn


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


class Pursuit:
    """Sends a prompt where that is needed and follows it; `report` gets what the server says of it on the way."""

    def __init__(
        self,
        connection: Connection,
        ear: Ear,
        files: Callable[[], Iterable[tuple[str, Path]]],
        report: Callable[[RunEvent | Stalled | Moved | Lingering], None],
        monotonic: Callable[[], float],
        stall_s: float = STALL_S,
        *,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._connection = connection
        self._ear = ear
        self._files = files
        self._report = report
        self._monotonic = monotonic
        self._cancelled = cancelled
        #: Whether our prompt may be at the server, and whether the server is known to have taken it.
        self._may_be_there = self._was_taken = False
        self._quick_looks = 0
        self._stall_s = stall_s
        self._standstill = Standstill(stall_s)
        self._stalled = False
        #: The client id that our prompt was sent under, as far as this connection has sent it.
        self._sent_as: str | None = None

    def run(self, job: Job, render: Render, run: Run, *, sent_before: bool) -> Verdict:
        """
        Return what became of a prompt; where its job is cancelled, once the server has let go of it.

        Raises Rejected (preflight), Unavailable (the server is gone), Stopped.
        """
        self._may_be_there = sent_before
        try:
            verdict = self._follow(run) if sent_before else Lost()
            while isinstance(verdict, Lost):
                self._may_be_there = False
                self._send(job, render, run)
                verdict = self._follow(run)
        except _CancelledError:
            if self._may_be_there:
                self._withdraw(run)
            return Withdrawn()
        return verdict

    def _heed(self) -> None:
        if self._cancelled():
            raise _CancelledError

    def _withdraw(self, run: Run) -> None:
        """Have the server let go of a prompt, whether it waits or runs, and return once it has."""
        client = self._connection.client
        began_s, told, tries = self._monotonic(), False, 0
        while True:
            looked_s = self._monotonic()
            waiting = client.queue()
            # Each acts on our prompt alone; one that moves on in between is caught by the next look.
            if run.prompt_id in waiting.pending:
                client.delete(run.prompt_id)
                self._was_taken = True
            elif run.prompt_id in waiting.running:
                client.interrupt(run.prompt_id)
                self._was_taken = True
            elif self._was_taken or self._is_over(run, looked_s):
                return
            if not told and self._monotonic() - began_s > _WITHDRAW_PATIENCE_S:
                told = True
                self._report(Lingering())
            self._ear.drain(_WITHDRAW_GAPS_S[min(tries, len(_WITHDRAW_GAPS_S) - 1)])
            tries += 1

    def _is_over(self, run: Run, looked_s: float) -> bool:
        """Tell whether a prompt that is in no queue can't come into one any more: our own POST may be on its way."""
        entry = self._connection.client.history(run.prompt_id)
        return run.reconcile(False, False, entry, now_s=looked_s) is not None  # noqa: FBT003  as in _look

    def _send(self, job: Job, render: Render, run: Run) -> None:
        references = {each["reference"] for each in render.uploads}
        known = self._connection.object_info
        # The job may have been queued before any server had said what its classes give out.
        problems = guard.check_graph(render.graph, references, guard.outputs_of(known), consent=job.consent is not None)
        problems = problems or preflight.check(render.graph, known, uploads=references)
        if problems:
            raise Rejected(*problems)
        client = self._connection.client
        self._heed()
        for reference, path in self._files():
            upload(client, reference, path)
            self._heed()
        run.posted(self._monotonic())
        self._sent_as = self._connection.client_id
        self._standstill.move()
        self._may_be_there, self._was_taken = True, False
        try:
            client.submit(render.prompt_id, render.graph, self._sent_as)
            self._was_taken = True
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
                said = self._ear.listen(look_s - now)
                if said is None:
                    self._heed()
                elif self._tell(run, said):
                    look_s = now
                continue
            self._heed()
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

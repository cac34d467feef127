"""Pursuit: one prompt on its way from our disk to its verdict. It acts on nothing by itself: its lane does, by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from service.comfy.protocol import POST_DEADLINE_S, AskHistory, Event, Run, StillPending, StillRunning, Verdict
from service.job import Job, Render

#: After "it is over" history may lag: up to 0.35 s were measured (docs/comfyui.md).
_QUICK_LOOKS = 25
#: A server is asked to let go of a prompt again after these; a render stops at its next step or node.
_WITHDRAW_GAPS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Why(Enum):
    """Why a prompt is asked back from its server."""

    CANCELLED = "somebody asked to cancel its job"
    RETURNED = "another job goes first, or its backend is drained"
    STALLED = "it has stood still for too long"


class Where(Enum):
    """Where a prompt is, as far as we know."""

    HERE = "nothing was sent in this life of the server"
    SENDING = "it is being uploaded and sent"
    SENT = "the server may have it"


@dataclass(frozen=True)
class Stalled:
    """The server says that it runs the prompt, but nothing has moved for so many seconds: it may be half dead."""

    seconds: float


@dataclass(frozen=True)
class Lingering:
    """The server is asked to let go of a prompt, and hasn't yet."""


@dataclass(frozen=True)
class Moved:
    """What was said to stand still goes on after all."""


News = Event | Stalled | Moved | Lingering


class Standstill:
    """Judges whether a running prompt moves; only time in which its progress can be heard counts."""

    def __init__(self) -> None:
        self._seen: object = None
        self._looked_s: float | None = None
        #: For how long nothing has moved that we would have heard of.
        self.quiet_s = 0.0

    def move(self) -> None:
        """Note a sign of life."""
        self.quiet_s, self._looked_s = 0.0, None

    def look(self, now_s: float, seen: object, *, hears: bool) -> float:
        """Given what a look found on the caller's monotonic clock, return for how long the prompt has stood still."""
        if seen != self._seen or self._looked_s is None:
            self._seen, self.quiet_s = seen, 0.0
        elif hears:
            self.quiet_s += now_s - self._looked_s
        self._looked_s = now_s
        return self.quiet_s


class Pursuit:
    """One job's prompt at one server: what was sent, what was heard, what is wanted of it now."""

    def __init__(
        self,
        job: Job,
        render: Render,
        run: Run,
        report: Callable[[News], None],
        monotonic: Callable[[], float],
        *,
        where: Where,
        succeeded: Callable[[], None] = lambda: None,
    ) -> None:
        """`report` gets what the server says of it on the way, `succeeded` is called when it has ended well there."""
        self.job = job
        self.render = render
        self.run = run
        self.report = report
        self._monotonic = monotonic
        self.succeeded = succeeded
        self.where = where
        #: The client id that our prompt was sent under, as far as this life of ours has sent it.
        self.sent_as: str | None = None
        self.posted_s = 0.0
        #: Whether this life of ours has seen the server have the prompt, and render it.
        self.was_taken = self.was_running = False
        #: Whether the newest look found it rendering.
        self.rendering = False
        self.why: Why | None = None
        self._asked_since_s = 0.0
        self._asked_next_s = 0.0
        self._asked_times = 0
        self._told_lingering = False
        self.standstill = Standstill()
        self._stalled = False
        self.quick_looks = 0
        #: The newest look found it nowhere, which is no proof yet.
        self._missing = False

    @property
    def prompt_id(self) -> str:
        """The id under which the server knows it."""
        return self.render.prompt_id

    # sending ---------------------------------------------------------------------------------------------------------

    def posted(self, client_id: str) -> None:
        """A POST /prompt begins now: the server may have the prompt from now on."""
        self.posted_s = self._monotonic()
        self.run.posted(self.posted_s)
        self.sent_as = client_id
        self.standstill.move()
        self.rendering = self.was_taken = self.was_running = False

    def inherit(self, *, gone: bool) -> None:
        """An earlier life of ours sent the prompt; `gone`: to a process of the server that has died since."""
        now_s = self._monotonic()
        self.run.posted(now_s - POST_DEADLINE_S if gone else now_s)
        if gone:
            self.refused()

    def refused(self) -> None:
        """The server's process is gone, and all that it knew with it."""
        self.run.refused(self._monotonic())
        self.rendering = False

    # what is heard ---------------------------------------------------------------------------------------------------

    def hear(self, frame: str | bytes) -> bool:
        """Pass on what a frame means; return True where it is time to look."""
        asked = False
        for event in self.run.hear(frame):
            if isinstance(event, AskHistory):
                self.quick_looks, asked = _QUICK_LOOKS, True
            else:
                self.standstill.move()
                self.report(event)
        if self.run.started and not self.rendering and self.where is Where.SENT and not asked:
            self.rendering = self.was_running = self.was_taken = True
            return True
        return asked

    # what a look finds -----------------------------------------------------------------------------------------------

    def judge(
        self, *, pending: bool, running: bool, entry: Mapping[str, Any] | None, began_s: float, hears: bool
    ) -> Verdict | None:
        """Given one answered look (queue, then history), return what became of the prompt; see Run.reconcile."""
        verdict = self.run.reconcile(pending, running, entry, now_s=began_s, answered_s=self._monotonic())
        self.rendering, self._missing = isinstance(verdict, StillRunning), verdict is None
        if isinstance(verdict, StillPending | StillRunning):
            self.was_taken = True
            self.was_running = self.was_running or self.rendering
            standing = self.run.standing(verdict)
            self.report(standing)
            if isinstance(verdict, StillPending):
                self.standstill.move()
            self.standstill.look(self._monotonic(), standing, hears=hears)
        return verdict

    def stands_still(self, patience_s: float) -> bool:
        """Return whether a rendering prompt has stood still for longer than that; says so once, and once it moves."""
        stalled = self.rendering and self.standstill.quiet_s >= patience_s
        if stalled != self._stalled:
            self._stalled = stalled
            self.report(Stalled(patience_s) if stalled else Moved())
        return stalled

    @property
    def node(self) -> str | None:
        """The node that was last heard to run."""
        return self.run.current

    # asking it back --------------------------------------------------------------------------------------------------

    def ask_back(self, why: Why) -> None:
        """Want the prompt away from its server; being cancelled goes before every other reason."""
        if self.why is Why.CANCELLED or self.why is why:
            return
        self.why = why
        self._asked_since_s = self._asked_next_s = self._monotonic()
        self._asked_times, self._told_lingering = 0, False

    def keep(self) -> None:
        """Want it no longer away."""
        self.why = None

    @property
    def asked_for_s(self) -> float:
        """For how long it has been asked back."""
        return self._monotonic() - self._asked_since_s if self.why else 0.0

    def ask_due(self) -> bool:
        """Return whether it is time to ask the server (again) to let go; the gaps grow."""
        if self.why is None or self._monotonic() < self._asked_next_s:
            return False
        gap_s = _WITHDRAW_GAPS_S[min(self._asked_times, len(_WITHDRAW_GAPS_S) - 1)]
        self._asked_times += 1
        self._asked_next_s = self._monotonic() + gap_s
        return True

    def linger(self, patience_s: float) -> None:
        """Say once that the server takes its time to let go."""
        if not self._told_lingering and self.asked_for_s > patience_s:
            self._told_lingering = True
            self.report(Lingering())

    def next_look_s(self, *, hears: bool, hearing_s: float, deaf_s: float, ending_s: float) -> float:
        """Return in how many seconds the server is to be asked about it again."""
        if self.why is not None:
            return max(0.02, self._asked_next_s - self._monotonic())
        if self._missing and self.run.look_again_s is not None:
            return max(0.05, min(self.run.look_again_s - self._monotonic(), deaf_s))
        if self.quick_looks:
            self.quick_looks -= 1
            return ending_s
        return hearing_s if hears else deaf_s

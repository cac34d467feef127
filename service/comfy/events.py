"""What one prompt's life consists of: the events that frames tell, and the verdicts that looks come to."""

from __future__ import annotations

from dataclasses import dataclass

from service.comfy.verdict import Errored, Interrupted, Succeeded


@dataclass(frozen=True)
class Started:
    """The server has begun to work on the prompt."""


@dataclass(frozen=True)
class Progress:
    """How much of the whole graph is done, 0 to 1, and what is being done, in plain words; `node` is its id."""

    fraction: float
    stage: str
    node: str | None


@dataclass(frozen=True)
class NodeBegan:
    """The server has begun to work on this node; a cached one never begins."""

    node: str


@dataclass(frozen=True)
class NodeEnded:
    """A node whose beginning was heard has ended now, so that a stopwatch can time it."""

    node: str


@dataclass(frozen=True)
class Preview:
    """A preview picture as the server sent it (JPEG or PNG), not yet screened."""

    data: bytes


@dataclass(frozen=True)
class AskHistory:
    """The prompt seems to be over: look now."""


Event = Started | NodeBegan | NodeEnded | Progress | Preview | AskHistory


@dataclass(frozen=True)
class StillPending:
    """The prompt waits in the server's queue."""


@dataclass(frozen=True)
class StillRunning:
    """The server works on the prompt."""


@dataclass(frozen=True)
class Lost:
    """The server forgot the prompt: upload again and send it again under the same id."""


Verdict = Succeeded | Errored | Interrupted | Lost | StillPending | StillRunning

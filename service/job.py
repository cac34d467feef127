"""The states of a job and the one table of moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """A job's state; the same word in files, database, commands, pages and code."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


#: Everything that moves a job goes through this table; the store writes nothing that it forbids.
MOVES: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.QUEUED, State.REJECTED, State.CANCELLED, State.DONE, State.FAILED}),
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.DONE, State.FAILED, State.CANCELLED, State.QUEUED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
    State.DONE: frozenset(),
    State.REJECTED: frozenset(),
}

LIVE = frozenset({State.WAITING, State.QUEUED, State.RUNNING})
ENDED = frozenset(State) - LIVE


class MediaKind(StrEnum):
    """What a media file is to a workflow."""

    PICTURE = "picture"
    VIDEO = "video"


@dataclass(frozen=True)
class Expected:
    """What a finished result must be; None means that nothing was asked about it."""

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    frames: int | None = None
    audio: bool | None = None


@dataclass(frozen=True)
class MediaFacts:
    """What a file was found to be: sizes in pixels as displayed, time in seconds."""

    kind: MediaKind
    container: str
    width: int
    height: int
    frames: int
    fps: float | None
    seconds: float | None
    codec: str
    audio: bool


@dataclass(frozen=True)
class Screening:
    """The nudity screen's answer: the highest score in [0, 1], its sample's index, how many samples were looked at."""

    score: float
    frame: int
    samples: int

    @property
    def hit(self) -> bool:
        """A hit is one sample of 0.5 or more."""
        return self.score >= 0.5

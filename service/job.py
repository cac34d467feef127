"""The states of a job and the one table of moves between them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


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

#: Among a job's trouble: a preview of it showed what must not be shown, so no later one is.
PREVIEW_HIT = "preview_hit"

LIVE = frozenset({State.WAITING, State.QUEUED, State.RUNNING})
ENDED = frozenset(State) - LIVE


def batch_state(states: Collection[State]) -> State:
    """Return what a batch is by its jobs: done if all are, cancelled if only such are missing, else failed."""
    found = set(states)
    if found & {State.RUNNING} or (found & {State.QUEUED} and found & ENDED):
        return State.RUNNING
    if State.QUEUED in found:
        return State.QUEUED
    if State.WAITING in found:
        return State.WAITING
    if found == {State.DONE}:
        return State.DONE
    return State.CANCELLED if found <= {State.DONE, State.CANCELLED} else State.FAILED


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


def folder_of(task: str, grouping: str) -> str:
    """Return a task's folder in the outbox, with the grouping below it where there is one."""
    return f"{task}/{grouping}" if grouping else task


@dataclass(frozen=True)
class Hold:
    """What keeps a live job from going on, and what ends it; never a failure of the job."""

    code: str
    title: str
    fix: str
    since: str


#: Codes of holds that somebody wants so: a pause, a backend that is paused, a closed window, a time that hasn't come.
WANTED_HOLDS = frozenset({"paused", "draining", "outside_window", "task_outside_window", "scheduled"})


@dataclass(frozen=True)
class Job:
    """One row of the queue: a job, or (kind "batch") several that came from one drop."""

    id: str
    drop: str
    kind: str
    batch: str | None
    task: str
    grouping: str
    name: str
    state: State
    seen_at: str
    updated_at: str
    workflow: str | None = None
    chosen: str | None = None
    hold: Hold | None = None
    progress: float = 0.0
    stage: str = ""
    eta_seconds: int | None = None
    backend: str | None = None
    engine: str | None = None
    attempt: int = 1
    server_deaths: int = 0
    seed: int | None = None
    priority: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    adjusted: list[str] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    graph_hash: str | None = None
    #: The model files that its graph names, "folder/name"; known once it is queued.
    models: list[str] = field(default_factory=list)
    #: The result of an earlier job (outbox-relative) that stands for this one, where nothing had to be rendered.
    same_as: str | None = None
    #: What two jobs share when the one's result can stand for the other's; None where that can't be.
    fingerprint: str | None = None
    #: Where the job itself says that everyone shown has agreed: the sentence, when, whose file, where, for what.
    consent: dict[str, Any] | None = None
    #: Somebody asked to cancel it; saved first, so that a crash doesn't forget it.
    cancel: bool = False
    #: How many jobs were preferred to it for their models, though it was before them.
    passed: int = 0
    #: What went wrong on servers: tries by backend after memory ran out, stalls, backends that may not have it.
    trouble: dict[str, Any] = field(default_factory=dict)
    #: It is queued and left alone until somebody retries it.
    aside: bool = False
    number: int = 0
    queued_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None

    @property
    def folder(self) -> str:
        """The outbox folder of this job: its task and, below it, the grouping it was dropped in."""
        return folder_of(self.task, self.grouping)


@dataclass(frozen=True)
class Span:
    """The frames of a video that one prompt works on: how many before them are passed over, and how many they are."""

    skip: int
    frames: int


@dataclass(frozen=True)
class Parts:
    """A render in several prompts: the frames of each, where a graph says them, and what is made of them so far."""

    spans: tuple[Span, ...]
    #: The inputs, as (node, input), that say how many frames are passed over, and how many are taken.
    skip: tuple[tuple[str, str], ...]
    take: tuple[tuple[str, str], ...]
    #: The role of the video whose sound the result has; None where it has none.
    sound: str | None = None
    #: The name and SHA-256 of the file of each part that lies in the drop's work folder, in their order.
    made: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Render:
    """What a backend is to run for one job; saved before anything is sent, so that a crash repeats the same."""

    job: str
    prompt_id: str
    graph: dict[str, Any]
    output_node: str
    expected: Expected
    weights: dict[str, float]
    #: For each picture or video to upload: its role, where its bytes lie ("work" or "claim") and under which name
    #: ("file"), and what the server is to call it ("reference").
    uploads: list[dict[str, str]]
    #: How many times more frames a second are made of the result than the server gives.
    interpolation: int = 1
    #: Where it is too long for one prompt; the graph is that of the part that comes next.
    parts: Parts | None = None


@dataclass(frozen=True)
class Drop:
    """What one person put down at once: where it came from, where its files are now, how it ended."""

    id: str
    task: str
    grouping: str
    name: str
    kind: str
    members: tuple[str, ...]
    claimed: bool = False
    returned_to: str | None = None
    #: What its claim said when its files went back; `retry` takes them into a claim again by it.
    record: dict[str, Any] | None = None

    @property
    def folder(self) -> str:
        """The outbox folder of its jobs."""
        return folder_of(self.task, self.grouping)


@dataclass(frozen=True)
class Quarantined:
    """A result that only the operator may see: its file in var/quarantine, and what the screen said of it."""

    job: str
    file: str
    bytes: int
    sha256: str
    score: float
    #: The number of the frame with that score, from 0, and how many were looked at.
    frame: int
    samples: int
    at: str
    released_at: str | None = None
    released_by: str | None = None
    why: str | None = None
    #: What rendered it, and where; it says so when it is released.
    engine: str | None = None
    backend: str | None = None


def new_id(now_ms: int, random_bits: int) -> str:
    """Return a UUID of version 7 (RFC 9562): ids sort by the time they were made; random_bits has 74 bits."""
    value = (
        (now_ms & (1 << 48) - 1) << 80
        | 7 << 76
        | (random_bits >> 62 & 0xFFF) << 64
        | 2 << 62
        | random_bits & (1 << 62) - 1
    )
    return str(UUID(int=value))

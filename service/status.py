"""The status document: one job or batch as its file in the outbox shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.job import Job, State

#: A batch's status file names so many of its jobs; it is written at each of their changes.
LISTED_JOBS = 20


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class HoldPart(_Part):
    """What keeps a live job from going on."""

    code: str
    title: str
    fix: str
    since: str


class ErrorPart(_Part):
    """Why a job was refused or failed, and what to change."""

    code: str
    title: str
    detail: str = ""
    fix: str


class InputPart(_Part):
    """One picture or video that the job works on, by its role."""

    role: str
    file: str
    sha256: str


class ConsentPart(_Part):
    """That the job itself said that everyone shown has agreed, and for what."""

    sentence: str = Field(description="What was confirmed by writing consent: true.")
    at: str = Field(description="When the job with it was taken, UTC.")
    owner: str = Field(description="Whom the job file belonged to, as the file system says.")
    host: str = Field(description="The machine that read it.")
    inputs: list[InputPart] = Field(description="The media for which it was given.")


class OutputPart(_Part):
    """One finished file beside this status."""

    file: str
    bytes: int
    sha256: str
    width: int
    height: int
    fps: float | None
    frames: int
    seconds: float | None
    codec: str
    audio: bool
    signed: bool = Field(default=False, description="Whether it carries a signed C2PA manifest.")
    ai_generated: bool = Field(description="Always true: software made this, it is no recording.")


class TimesPart(_Part):
    """When each step was reached, UTC, ISO 8601 with Z; null where it has not been."""

    seen: str
    queued: str | None
    started: str | None
    finished: str | None
    updated: str


class ListedJob(_Part):
    """One job of a batch, in short: its own status file says the rest."""

    name: str
    state: State


class JobsPart(_Part):
    """A batch's jobs: all of them counted, some by name (what went wrong, what runs, then the first of the rest)."""

    total: int
    states: dict[str, int] = Field(description="How many jobs are in each state; a state without jobs is left out.")
    listed: list[ListedJob] = Field(description=f"At most {LISTED_JOBS} of them, in the order written.")


class StatusDocument(_Part):
    """The whole of NAME.status.json; readers ignore keys that they don't know."""

    status_schema: Literal[1] = Field(1, alias="schema", description="The version of this format.")
    kind: Literal["job", "batch"]
    job: str = Field(description="The job's id; a batch's own id where kind is batch.")
    drop: str = Field(description="The id of the drop that it came from.")
    batch: str | None = Field(description="The batch that the job belongs to.")
    name: str
    task: str
    workflow: str | None
    chosen: str | None = Field(description="Why this workflow.")
    state: State
    hold: HoldPart | None
    progress: float = Field(ge=0, le=1)
    stage: str
    eta_seconds: int | None
    backend: str | None
    engine: str | None
    daemon: str
    attempt: int
    seed: int | None
    settings: dict[str, Any]
    adjusted: list[str]
    models: list[str] = Field(
        description='The model files that the graph names, as "folder/name"; empty before it is sent.'
    )
    graph_hash: str | None = Field(description="SHA-256 of the workflow's graph as it lies in workflows/.")
    inputs: list[InputPart]
    consent: ConsentPart | None
    times: TimesPart
    outputs: list[OutputPart]
    warnings: list[str]
    same_as: str | None = Field(
        description="The earlier result (a path in the outbox) that stands for this job's; nothing was rendered."
    )
    error: ErrorPart | None
    jobs: JobsPart | None = Field(None, description="A batch's jobs; null for a job.")


def jobs_part(states: Mapping[State, int], listed: Sequence[tuple[str, State]]) -> dict[str, Any]:
    """Return what a batch's status says of its jobs: counted by state, and some by name."""
    return {
        "total": sum(states.values()),
        "states": {str(state): states[state] for state in State if states.get(state)},
        "listed": [{"name": name, "state": str(state)} for name, state in listed],
    }


def document(job: Job, daemon: str, jobs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the status document of a job; `daemon` is host/pid of whoever owns the inbox, `jobs` a batch's jobs."""
    return {
        "schema": 1,
        "kind": job.kind,
        "job": job.id,
        "drop": job.drop,
        "batch": job.batch,
        "name": job.name,
        "task": job.task,
        "workflow": job.workflow,
        "chosen": job.chosen,
        "state": str(job.state),
        "hold": asdict(job.hold) if job.hold else None,
        "progress": round(job.progress, 3),
        "stage": job.stage,
        "eta_seconds": job.eta_seconds,
        "backend": job.backend,
        "engine": job.engine,
        "daemon": daemon,
        "attempt": job.attempt,
        "seed": job.seed,
        "settings": job.settings,
        "adjusted": job.adjusted,
        "models": job.models,
        "graph_hash": job.graph_hash,
        "inputs": job.inputs,
        "consent": job.consent,
        "times": {
            "seen": job.seen_at,
            "queued": job.queued_at,
            "started": job.started_at,
            "finished": job.finished_at,
            "updated": job.updated_at,
        },
        "outputs": job.outputs,
        "warnings": job.warnings,
        "same_as": job.same_as,
        "error": job.error,
        "jobs": jobs,
    }

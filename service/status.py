"""The status document: one job or batch as its file in the outbox shows it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.job import Job, State


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
    ai_generated: bool = Field(description="Always true: software made this, it is no recording.")


class TimesPart(_Part):
    """When each step was reached, UTC, ISO 8601 with Z; null where it has not been."""

    seen: str
    queued: str | None
    started: str | None
    finished: str | None
    updated: str


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
    consent: dict[str, Any] | None
    times: TimesPart
    outputs: list[OutputPart]
    warnings: list[str]
    same_as: str | None
    error: ErrorPart | None


def document(job: Job, daemon: str) -> dict[str, Any]:
    """Return the status document of a job; `daemon` is host/pid of whoever owns the inbox."""
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
        "consent": None,
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
    }

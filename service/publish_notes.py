"""Notes of publishing: a claim says that its result is about to appear; of two daemons only one publishes it."""

from __future__ import annotations

import json
from pathlib import Path

from service.errors import Unavailable
from service.inbox.record import Claim
from service.job import Job


def read(claim: Claim, job: Job) -> dict[str, str] | None:
    """Return the note of an earlier try; None where there is none, or none that can be read."""
    try:
        note = json.loads(_note_of(claim, job).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return note if isinstance(note, dict) and "sha256" in note else None


def take(claim: Claim, job: Job, suffix: str, sha256: str) -> None:
    """Say in the claim that its result is about to appear; raises Unavailable if somebody else says so.

    The claim folder carries the epoch of its owner in its name, so whoever is taken over loses the path; the note is
    made exclusively, so of two that hold one path only one gets past this. Raises FileNotFoundError where it is gone.
    """
    note, epoch = _note_of(claim, job), int(claim.folder.name.rpartition(".")[2])
    earlier = read(claim, job)
    if earlier is not None and int(earlier.get("epoch", 0)) > epoch:
        raise _taken()
    # What is left is a try of ours, or of a life before this one; its file isn't there (see Results.published).
    claim.disk.unlink(note)
    content = {"job": job.id, "file": f"{job.name}{suffix}", "sha256": sha256, "epoch": epoch}
    try:
        claim.disk.create(note, json.dumps(content).encode())
    except FileExistsError:
        raise _taken() from None


def _note_of(claim: Claim, job: Job) -> Path:
    return claim.folder / f"publish-{job.id}"


def _taken() -> Unavailable:
    return Unavailable(
        "claim_taken",
        "Another Reeldrop is publishing this job, so this one leaves it alone.",
        "Let only one Reeldrop work on this inbox, then start it again.",
    )

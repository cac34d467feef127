"""Provenance: what a file says of how it was made, held against what is known of it. Words in a file are claims."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.errors import Problem
from service.job import Job, MediaFacts
from service.plain_text import MAX_BYTES

#: The claims that are compared with the database, where the job that a file names is known there.
_COMPARED = ("workflow", "graph_hash", "seed", "settings", "models")
_SHOWN_CHARACTERS = 300


class Verdict(StrEnum):
    """What was found of one thing."""

    FINE = "fine"
    #: Nothing is known that it could be held against.
    UNKNOWN = "unknown"
    #: It isn't there and needn't be.
    ABSENT = "absent"
    MISSING = "missing"
    CHANGED = "changed"
    BROKEN = "broken"


_BAD = frozenset({Verdict.MISSING, Verdict.CHANGED, Verdict.BROKEN})


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, in words, and what to do where it isn't as it should be."""

    check: str
    verdict: Verdict
    title: str
    fix: str = ""


@dataclass(frozen=True)
class Known:
    """What is known of a result elsewhere: by whom, its job's name, the SHA-256 of its bytes as published."""

    by: str
    name: str
    sha256: str
    signed: bool = False


def fine(findings: Sequence[Finding]) -> bool:
    """Tell whether nothing is missing, changed or broken."""
    return not any(finding.verdict in _BAD for finding in findings)


def known_by_database(job: Job | None) -> Known | None:
    """Return what the database knows of a job's result, None where it has none."""
    if job is None or not job.outputs or not isinstance(sha256 := job.outputs[0].get("sha256"), str):
        return None
    return Known("the database", job.name, sha256, signed=job.outputs[0].get("signed") is True)


def known_by_status(data: bytes, file: str) -> Known | None:
    """Return what a status file says of a result of this file name; None where it says nothing of it."""
    status = _json(data) if len(data) <= MAX_BYTES else None
    if not isinstance(status, dict):
        return None
    outputs = status.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict) and output.get("file") == file and isinstance(output.get("sha256"), str):
            signed = output.get("signed") is True
            return Known("the status file beside it", str(status.get("name")), output["sha256"], signed=signed)
    return None


def recipe_in(tags: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what a file says of how to render it again; None where it says nothing that can be read."""
    text = tags.get("reeldrop")
    recipe = _json(text) if text is not None and len(text) <= MAX_BYTES else None
    return recipe if isinstance(recipe, dict) else None


def with_recipe(tags: Mapping[str, str], job: Job | None) -> dict[str, str]:
    """Return the tags with the database's recipe where the file has none of its own (`metadata: minimal`)."""
    if job is None or "reeldrop" in tags:
        return dict(tags)
    recipe = {"workflow": job.workflow, "seed": job.seed, "settings": job.settings, "inputs": job.inputs}
    return {**tags, "reeldrop": json.dumps(recipe)}


def findings_of(
    facts: MediaFacts | Problem, tags: Mapping[str, str], sha256: str, known: Known | None, job: Job | None
) -> Iterator[Finding]:
    """Yield what is to be said of a file: whole, marked, as it was published, able to be rendered again.

    `facts` is what was found by decoding it to its end, or why that failed; `job` is the database's, where the file
    names one that it has.
    """
    yield _whole(facts)
    yield _mark(tags)
    yield _origin(tags, job)
    yield _bytes(sha256, known)
    yield _recipe(tags)
    if job is not None and (said := recipe_in(tags)) is not None:
        yield from _compared(said, job)


def signature_of(credentials: Mapping[str, Any] | Problem | None, known: Known | None) -> Finding:
    """Return what is to be said of a file's C2PA manifest, as the sealer found it; a problem says why it didn't."""
    if isinstance(credentials, Problem):
        return Finding("c2pa", Verdict.UNKNOWN, credentials.title, credentials.fix)
    if credentials is None:
        if known is not None and known.signed:
            title = "The signed C2PA manifest that it was published with is gone."
            return Finding("c2pa", Verdict.MISSING, title, "Take the file from the outbox.")
        return Finding("c2pa", Verdict.ABSENT, "It carries no C2PA manifest.")
    state, signer = credentials.get("state"), _short(str(credentials.get("signer") or "somebody unnamed"))
    if state not in ("Valid", "Trusted"):
        why = _short(", ".join(credentials.get("problems") or ()) or "no reason is told")
        title = f"It carries a C2PA manifest that doesn't hold: {why}."
        return Finding("c2pa", Verdict.BROKEN, title, "It was changed after it was signed: take it from the outbox.")
    kinds = ", ".join(credentials.get("source_types") or ()) or "no kind"
    whose = "whose root is the one in config.yaml" if state == "Trusted" else "whom nothing here trusts"
    title = f"It carries a C2PA manifest whose signature holds, by {signer}, {whose}; it says: {_short(kinds)}."
    return Finding("c2pa", Verdict.FINE, title)


def _whole(facts: MediaFacts | Problem) -> Finding:
    if isinstance(facts, Problem):
        detail = f" ({facts.detail})" if facts.detail else ""
        fix = "Copy it again from the outbox."
        return Finding("file", Verdict.BROKEN, f"{facts.title}{detail}", fix)
    length = f", {facts.frames} frames at {facts.fps:g} a second" if facts.fps and facts.frames > 1 else ""
    sound = ", with sound" if facts.audio else ""
    title = f"It can be decoded to its end: {facts.codec}, {facts.width}x{facts.height}{length}{sound}."
    return Finding("file", Verdict.FINE, title)


def _mark(tags: Mapping[str, str]) -> Finding:
    if tags.get("ai_generated", "").lower() == "true":
        return Finding("mark", Verdict.FINE, f'It says: "{_short(tags.get("comment") or "ai_generated: true")}"')
    title = "Nothing readable in it says that it is AI-made."
    fix = "If Reeldrop made it, another program has taken that out: use the file from the outbox."
    return Finding("mark", Verdict.MISSING, title, fix)


def _origin(tags: Mapping[str, str], job: Job | None) -> Finding:
    said = tags.get("reeldrop_job")
    if said is None:
        return Finding("job", Verdict.ABSENT, "It doesn't say which job made it.")
    if job is None:
        return Finding(
            "job", Verdict.UNKNOWN, f"It says that job {_short(said)} made it; the database has no such job."
        )
    return Finding(
        "job", Verdict.FINE, f"It says that job {job.id} made it; the database has it: {job.name}, {job.state}."
    )


def _bytes(sha256: str, known: Known | None) -> Finding:
    if known is None:
        title = "Nothing here knows what was published, so whether it was changed can't be told."
        return Finding("bytes", Verdict.UNKNOWN, title)
    if known.sha256 == sha256:
        return Finding("bytes", Verdict.FINE, f"It is what was published as {known.name}, by {known.by}, bit for bit.")
    title = f"It isn't what was published as {known.name}, by {known.by}: pictures, sound or words in it were changed."
    return Finding("bytes", Verdict.CHANGED, title, "Take the file from the outbox, or render it again.")


def _recipe(tags: Mapping[str, str]) -> Finding:
    if "reeldrop" not in tags:
        return Finding(
            "recipe", Verdict.ABSENT, "It doesn't say how to render it again (metadata: minimal, or foreign)."
        )
    said = recipe_in(tags)
    if said is None or not isinstance(said.get("settings"), dict):
        title = "What it says of how to render it again can't be read."
        return Finding("recipe", Verdict.BROKEN, title, "Use its status file, or the file from the outbox.")
    seed = f", seed {said['seed']}" if isinstance(said.get("seed"), int) else ""
    title = f"It says how to render it again: {_short(str(said.get('workflow')))}{seed}; --job prints it."
    return Finding("recipe", Verdict.FINE, title)


def _compared(said: Mapping[str, Any], job: Job) -> Iterator[Finding]:
    different = [name for name in _COMPARED if name in said and said[name] != _plain(getattr(job, name))]
    if different:
        title = f"It says something else than the database of its {', '.join(different)}."
        yield Finding(
            "claims", Verdict.CHANGED, title, "Believe the database: words in a file can be written by anybody."
        )


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    return json.loads(json.dumps(value))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _json(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

"""Cells: what a drop asks for becomes single jobs, numbered flat in the order written, each with its seed and name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from service.alternatives import Dice, Wildcards, picked
from service.errors import Problem, Rejected
from service.job import MediaKind
from service.jobfile import SEED_MAX, JobSettings, expand
from service.matrix import PROMPTS
from service.naming import clean, nth, numbered
from service.reading import Reading

#: More reasons than this aren't shown: a batch that is wrong in one way is often wrong in each of its jobs.
MAX_PROBLEMS = 50
_NONE: Wildcards = {}


@dataclass(frozen=True)
class Cell:
    """One job that a drop becomes."""

    #: Its number in the drop, from 1.
    number: int
    reading: Reading
    #: With its own seed, and without count.
    settings: JobSettings
    seed: int
    #: Whether somebody asked for this very seed: only then can an earlier result stand for this one.
    is_seed_given: bool


def cells_of(readings: Sequence[Reading], drawn: int, wildcards: Wildcards = _NONE) -> tuple[Cell, ...]:
    """
    Return the single jobs of a drop; `drawn` is a random seed from which each job that has none gets its own.

    Take k of a count has seed + k - 1; the jobs of one matrix have the same seed, so that they can be compared. Of the
    alternatives and wildcards in a prompt each cell's seed picks one. The same drawn seed gives the same cells: it is
    all that must be remembered. Raises Rejected where a prompt can't become one.
    """
    found = chain.from_iterable(_takes(reading, drawn) for reading in readings)
    return tuple(replace(_worded(cell, wildcards), number=number) for number, cell in enumerate(found, start=1))


def count_of(readings: Iterable[Reading]) -> int:
    """Return how many cells these readings become."""
    return sum(reading.settings.count or 1 for reading in readings)


def _takes(reading: Reading, drawn: int) -> Iterator[Cell]:
    given = reading.settings.seed
    seed = given if given is not None else seed_of(drawn, reading.job.written_as(reading.number))
    for take in expand(reading.settings.model_copy(update={"seed": seed})):
        assert take.seed is not None
        yield Cell(0, reading, take, take.seed, given is not None)


def _worded(cell: Cell, wildcards: Wildcards) -> Cell:
    """Return a cell whose prompts have no alternatives any more."""
    changed = {}
    for name in PROMPTS:
        text = getattr(cell.settings, name)
        if text is None:
            continue
        try:
            changed[name] = picked(text, Dice(cell.seed, name), wildcards)
        except Rejected as refusal:
            told = (replace(each, title=each.title.replace("{field}", name), field=name) for each in refusal.problems)
            raise Rejected(*cell.reading.job.placed(told, cell.reading.number)) from None
    return replace(cell, settings=cell.settings.model_copy(update=changed)) if changed else cell


def seed_of(drawn: int, number: int) -> int:
    """Return the seed of a drop's job (counted from 0) that asks for none: the drawn one, and others that follow it."""
    if number == 0:
        return drawn
    digest = hashlib.sha256(f"{drawn}/{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (SEED_MAX + 1)


# names ---------------------------------------------------------------------------------------------------------------


def names_at(name: str, bases: Sequence[str | None]) -> Callable[[int], list[str]]:
    """
    Return what gives a drop's outbox names at each try: of the drop itself, then, where it has several, of each job.

    `name` is the drop's own, cleaned; `bases` is for each job what output.name says. A second drop of NAME is NAME_2,
    its jobs NAME_2_0001 and on.
    """

    def names(attempt: int) -> list[str]:
        if len(bases) == 1:
            return [nth(clean(bases[0]) if bases[0] else name, attempt)]
        each = (nth(clean(base) if base else name, attempt) for base in bases)
        return [nth(name, attempt), *(numbered(base, number) for number, base in enumerate(each, start=1))]

    return names


def bases_of(readings: Iterable[Reading]) -> list[str | None]:
    """Return for each cell of these readings what output.name says, or None."""
    return [base_of(reading.settings) for reading in readings for _ in range(reading.settings.count or 1)]


def base_of(settings: JobSettings) -> str | None:
    """Return what a job's output.name says, or None."""
    return settings.output.name if settings.output is not None else None


def labels_of(cells: Iterable[Cell]) -> dict[tuple[str, MediaKind], tuple[str, str]]:
    """Return each distinct file that the cells work on, by name and kind: the role it plays first, and a label.

    Labels are base names, unique in the drop and the same each time: "image", "image-2".
    """
    labels: dict[tuple[str, MediaKind], tuple[str, str]] = {}
    used: dict[str, int] = {}
    for cell in cells:
        for role, file in cell.reading.roles.items():
            key = (file, cell.reading.workflow.roles[role])
            if key not in labels:
                used[role] = used.get(role, 0) + 1
                labels[key] = (role, role if used[role] == 1 else f"{role}-{used[role]}")
    return labels


# reasons and sameness ------------------------------------------------------------------------------------------------


def told_of(problems: Iterable[tuple[Cell, Problem]], *, several: bool) -> tuple[Problem, ...]:
    """Return the problems of all cells, each once; where a file has several jobs, each says which job it is of."""
    told: dict[Problem, None] = {}
    for cell, problem in problems:
        (placed,) = cell.reading.job.placed([problem], cell.reading.number)
        written = cell.reading.job.written_as(cell.reading.number) + 1
        told[replace(placed, title=f"Job {written}: {placed.title}") if several else placed] = None
    return tuple(told)[:MAX_PROBLEMS]


def fingerprint_of(
    graph_hash: str, settings: Mapping[str, Any], inputs: Mapping[str, str], models: Sequence[str], engine: str
) -> str:
    """
    Return what two jobs share when the one's result can stand for the other's.

    `inputs` are the SHA-256 of each role's file; `engine` is "embedded" or "comfyui": what a preview engine draws never
    stands for what a ComfyUI renders.
    """
    resolved = {name: value for name, value in settings.items() if name not in ("preset", "shrink")}
    parts = [graph_hash, resolved, dict(inputs), list(models), engine]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()

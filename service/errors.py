"""Trouble, named by who must act on it; every message ends with the cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a stable code, one sentence what, one sentence cure, and where in the file."""

    code: str
    title: str
    fix: str
    detail: str = ""
    field: str | None = None
    line: int | None = None
    column: int | None = None
    #: Which file, where it isn't the one that was dropped.
    file: str | None = None

    def at(self, line: int, column: int) -> Problem:
        """Return this problem with its place, both counted from 1."""
        return replace(self, line=line, column=column)

    def sentence(self) -> str:
        """Return place, what and cure as one line for people."""
        line = f"line {self.line}, column {self.column}" if self.line is not None else ""
        place = ", ".join(part for part in (self.file, line) if part)
        detail = f" ({self.detail})" if self.detail else ""
        return f"{place}{': ' if place else ''}{self.title}{detail} {self.fix}".strip()

    def as_json(self) -> dict[str, Any]:
        """Return the keys that the status file shows; empty places are left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}


class Rejected(Exception):
    """The author of the drop must act: everything that is wrong with it, at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.sentence() for problem in problems))
        self.problems = problems


class Unavailable(Exception):
    """Time or the operator must act: the job holds, backs off and says why; it never fails for this."""

    def __init__(self, code: str, title: str, fix: str, *, refused: bool = False) -> None:
        super().__init__(f"{title} {fix}")
        self.code = code
        self.title = title
        self.fix = fix
        #: The other side refused the connection outright, so nothing of ours lives there now.
        self.refused = refused


class Failed(Exception):
    """The render came out wrong; the job is failed and its author may change it or retry."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence())
        self.problem = problem


def error_of(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return the status file's error: the first problem's words, and every problem with its place."""
    first, *others = problems
    count = f"{len(others)} more mistakes" if len(others) > 1 else "one more mistake"
    more = f" The reason file names {count}." if others else ""
    place = f"line {first.line}, column {first.column}" if first.line is not None else ""
    detail = "; ".join(part for part in (place, first.detail) if part)
    places = [problem.as_json() for problem in problems]
    return {"code": first.code, "title": first.title, "detail": detail, "fix": first.fix + more, "problems": places}


def internal_problem(doing: str) -> Problem:
    """Return what people are told when the fault is Reeldrop's own; `doing` ends "while …"."""
    return Problem(
        "internal",
        f"Reeldrop made a mistake of its own while {doing}.",
        "Drop it again; if it happens again, report it with the lines of the daemon's log.",
    )


def cancelled_problem() -> Problem:
    """Return what people are told of a job that was cancelled because somebody asked for it."""
    fix = "Run `reeldrop retry NAME`, or move the files beside this note up again, to have it rendered after all."
    return Problem("cancelled", "It was cancelled.", fix)

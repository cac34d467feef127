"""Trouble, named by who must act on it; every message ends with the cure."""

from __future__ import annotations

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

    def at(self, line: int, column: int) -> Problem:
        """Return this problem with its place, both counted from 1."""
        return replace(self, line=line, column=column)

    def sentence(self) -> str:
        """Return place, what and cure as one line for people."""
        place = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{place}{self.title}{detail} {self.fix}".strip()

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

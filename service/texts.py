"""Texts: what each waiting job file or prompt says, read once for as long as the file stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from service.drops import Candidate
from service.errors import Problem, Rejected
from service.jobfile import JobFile
from service.reading import parse
from service.settling import FileFacts

#: A job file over this size is no job file; the strict loader refuses it by name, so only this much is ever read.
_JOB_FILE_BYTES = 1 << 20


class Texts:
    """The jobs of one inbox's waiting files, by path and facts."""

    def __init__(self, inbox: Path) -> None:
        self._inbox = inbox
        self._read: dict[str, tuple[FileFacts, JobFile | tuple[Problem, ...]]] = {}

    def keep(self, files: Mapping[str, FileFacts]) -> None:
        """Forget what isn't listed any more, or not as it was read."""
        self._read = {path: known for path, known in self._read.items() if files.get(path) == known[0]}

    def job_of(self, candidate: Candidate, facts: FileFacts) -> JobFile:
        """Return the job that a drop's own text is; raises Rejected, OSError where it can't be read."""
        path = candidate.members[0]
        known = self._read.get(path)
        if known is None or known[0] != facts:
            known = (facts, self._parse(candidate))
            self._read[path] = known
        if isinstance(known[1], JobFile):
            return known[1]
        raise Rejected(*known[1])

    def _parse(self, candidate: Candidate) -> JobFile | tuple[Problem, ...]:
        text = None
        if candidate.kind != "media":
            with (self._inbox / candidate.members[0]).open("rb") as file:
                text = file.read(_JOB_FILE_BYTES + 1)
        try:
            return parse(candidate.kind, text)
        except Rejected as refusal:
            return refusal.problems

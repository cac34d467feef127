"""Texts: what each waiting job file or prompt says, read once for as long as the file stays the same."""

from __future__ import annotations

import os
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

    def forget(self, path: str) -> None:
        """Forget a file that is gone or taken."""
        self._read.pop(path, None)

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
            with open(self._inbox / candidate.members[0], "rb", opener=_open_itself) as file:
                text = file.read(_JOB_FILE_BYTES + 1)
        try:
            return parse(word_of(candidate), text)
        except Rejected as refusal:
            return refusal.problems


def word_of(candidate: Candidate) -> str:
    """Return how the word of a drop is read: "job_file", "text", "media" or "again"."""
    return "job_file" if candidate.kind == "folder" else candidate.kind


def _open_itself(path: str, flags: int) -> int:
    # A link or a pipe that has taken the file's place since the look is not followed and not waited for.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)

"""Texts: what each waiting job file or prompt says, read once for as long as the file stays the same."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from service.drops import Candidate
from service.errors import Problem, Rejected
from service.jobfile import JobFile
from service.reading import parse
from service.settling import FileFacts

#: A job file over this size is no job file; the strict loader refuses it by name, so only this much is ever read.
_JOB_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class _Read:
    """One file as it was read."""

    facts: FileFacts
    text: bytes
    job: JobFile | tuple[Problem, ...]


class Texts:
    """The jobs of one inbox's waiting files, by path and facts."""

    def __init__(self, inbox: Path, max_cells: int) -> None:
        self._inbox = inbox
        self._max_cells = max_cells
        self._read: dict[str, _Read] = {}

    def forget(self, path: str) -> None:
        """Forget a file that is gone or taken."""
        self._read.pop(path, None)

    def text_of(self, path: str) -> bytes:
        """Return what was read of a file."""
        return self._read[path].text

    def job_of(self, candidate: Candidate, facts: FileFacts) -> JobFile:
        """Return the job that a drop's own text is; raises Rejected, OSError where it can't be read."""
        path = candidate.members[0]
        known = self._read.get(path)
        if known is None or known.facts != facts:
            text = self._text(path)
            known = self._read[path] = _Read(facts, text, self._parse(candidate, text))
        if isinstance(known.job, JobFile):
            return known.job
        raise Rejected(*known.job)

    def _text(self, path: str) -> bytes:
        # A link or a pipe that has taken the file's place since the look is not followed and not waited for.
        opened = os.open(self._inbox / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            parts = []
            left = _JOB_FILE_BYTES + 1
            while left > 0 and (part := os.read(opened, left)):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)
        finally:
            os.close(opened)

    def _parse(self, candidate: Candidate, text: bytes) -> JobFile | tuple[Problem, ...]:
        try:
            return parse(word_of(candidate), text, self._max_cells)
        except Rejected as refusal:
            return refusal.problems


def word_of(candidate: Candidate) -> str:
    """Return how the word of a drop is read: "job_file", "text", "media" or "again"."""
    return "job_file" if candidate.kind == "folder" else candidate.kind

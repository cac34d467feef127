"""One row of a table: what is dropped, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Row:
    """Files by inbox-relative path, the status that tells of them (task/name), and what it must say in the end."""

    files: Mapping[str | bytes, bytes]
    status: str
    #: A state, "hold CODE" for what waits, or "alone" for what is left alone, without a status.
    comes: str = "rejected"
    #: Words of its reason or hold; of what is done, parts of its status.
    words: tuple[str, ...] = ()
    place: tuple[int, int] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A name for the row in what a failing test says."""
        return self.status

    def plus(self, path: str | bytes, content: bytes) -> Row:
        """Return this row with one more file."""
        return replace(self, files={**self.files, path: content})

    def coming(self, comes: str, *words: str) -> Row:
        """Return this row with something else that must come."""
        return replace(self, comes=comes, words=words)

    def telling(self, **facts: Any) -> Row:
        """Return this row with more that its status must say."""
        return replace(self, facts={**self.facts, **facts})


def refused(task: str, name: str, content: bytes | str, *words: str, at: tuple[int, int] | None = None) -> Row:
    """Return the row of a job file that is rejected."""
    data = content.encode() if isinstance(content, str) else content
    return Row({f"{task}/{name}.yaml": data}, f"{task}/{name}", "rejected", words, at)


def rendered(task: str, name: str, content: bytes | str, **facts: Any) -> Row:
    """Return the row of a job file that is done, with these settings."""
    data = content.encode() if isinstance(content, str) else content
    return Row({f"{task}/{name}.yaml": data}, f"{task}/{name}", "done", facts=facts)

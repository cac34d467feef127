"""Consents: whether a job itself says that everyone shown has agreed, and what is kept of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.cells import Cell
from service.examination import Input
from service.inbox.record import Claim
from service.store import Store

#: What somebody confirms who writes `consent: true` into a job file.
SENTENCE = "Everyone who is shown or heard in this job's media has agreed to what it makes of them."


class Consents:
    """Knows who said so; of a job that is run again the database must have it, for a status file is anybody's."""

    def __init__(self, store: Store, host: str, now: Callable[[], str]) -> None:
        self._store = store
        self._host = host
        self._now = now

    def of(self, claim: Claim, cell: Cell, inputs: Sequence[Input]) -> dict[str, Any] | None:
        """Return the record of a job's consent, or None where it has none; raises OSError."""
        shown = shown_of({each.role: each.sha256 for each in inputs}, {each.role: each.file for each in inputs})
        if cell.reading.job.again:
            return self._store.consent_given(cell.reading.workflow.name, shown)
        if not cell.settings.consent:
            return None
        owner = self._store.owner_of_run(claim.drop_id) or owner_of(claim.file_of(claim.members[0].path))
        return {"sentence": SENTENCE, "at": self._now(), "owner": owner, "host": self._host, "inputs": shown}


def shown_of(sha256: Mapping[str, str], files: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what consent was given for, in one order: each role with its file's name and its SHA-256."""
    return [{"role": role, "file": files[role], "sha256": sha256[role]} for role in sorted(sha256)]


def owner_of(path: Path) -> str:
    """Return whom a file belongs to, by name where the system knows one, otherwise by number; raises OSError."""
    try:
        return path.owner()
    except (KeyError, NotImplementedError):
        return str(path.stat().st_uid)

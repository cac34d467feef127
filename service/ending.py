"""The end of a drop: when its last job has ended, its files go back to the user, once, and say why."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from service.inbox.giveback import give_back
from service.inbox.record import Claim
from service.job import Job, State
from service.register import Register

LOG = logging.getLogger(__name__)


class Ending:
    """Keeps the open claims by drop, ends jobs, and closes each drop after its last one."""

    def __init__(self, register: Register, inbox: Path, work: Path) -> None:
        self._register = register
        self._store = register.store
        self._inbox = inbox
        self._work = work
        self._lock = threading.RLock()
        self._claims: dict[str, Claim] = {}

    def keep(self, claim: Claim) -> None:
        """Take charge of a claim until its drop is over."""
        with self._lock:
            self._claims[claim.drop_id] = claim

    def claim_of(self, drop_id: str) -> Claim | None:
        """Return the open claim of a drop, or None where its files are already back."""
        with self._lock:
            return self._claims.get(drop_id)

    def end(self, job_id: str, to: State, **changes: Any) -> None:
        """Move a job to where it ends, then close its drop if that was its last job."""
        job = self._register.move(job_id, to, eta_seconds=None, **changes)
        self.close(job.drop)

    def close_all(self) -> None:
        """Close every drop that is over; what an earlier try or life could not return is returned now."""
        with self._lock:
            for drop_id in list(self._claims):
                self.close(drop_id)

    def tidy(self) -> None:
        """Remove the work folders of what is over; an earlier life may have died before it did."""
        for folder in self._work.iterdir() if self._work.is_dir() else ():
            if not self._store.is_live(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def close(self, drop_id: str) -> bool:
        """Give a drop's files back if its last job has ended; return whether they are back. Safe to repeat."""
        with self._lock:
            claim = self._claims.get(drop_id)
            jobs = self._register.ended(drop_id) if claim is not None else []
            if claim is None or not jobs:
                return False
            where: Literal["done", "rejected"] = "done" if all(job.state is State.DONE for job in jobs) else "rejected"
            text = None if where == "done" else reason(claim.record, jobs)
            try:
                folder = give_back(claim, self._inbox, where, text)
            except OSError as trouble:
                # The files are safe in the claim folder; every look of the intake tries this again.
                LOG.warning("%s: can't return its files yet: %s", claim.record["name"], trouble)
                return False
            self._store.mark_drop(drop_id, returned_to=str(folder.relative_to(self._inbox)))
            self._store.log("returned", drop=drop_id, detail=str(folder.relative_to(self._inbox)))
            del self._claims[drop_id]
            shutil.rmtree(self._work / drop_id, ignore_errors=True)
            return True


def reason(record: dict[str, object], jobs: Sequence[Job]) -> str:
    """Return the text of NAME.reason.txt: what is wrong, the cure, and how to try again."""
    wrong = [job for job in jobs if job.state is not State.DONE]
    lines: list[str] = []
    for job in wrong:
        head = f"{job.name} was {job.state}." if job.state is not State.FAILED else f"{job.name} failed."
        lines += [head, ""]
        for problem in _problems(job):
            lines += [problem, ""]
    task = str(record["task"])
    grouping = str(record.get("grouping") or "")
    place = "/".join(part for part in ("inbox", task, grouping) if part)
    again = "Change what is named above, then move" if len(wrong) == len(jobs) else "Move"
    lines += [f"To try again: {again[0].lower() + again[1:]} the files beside this note up to {place}/.", ""]
    return "\n".join(lines)


def _problems(job: Job) -> list[str]:
    if not job.error:
        return []
    problems = job.error.get("problems") or [job.error]
    return [_sentence(problem) for problem in problems]


def _sentence(problem: dict[str, object]) -> str:
    place = f"Line {problem['line']}, column {problem['column']}: " if problem.get("line") else ""
    detail = f"\n  {problem['detail']}" if problem.get("detail") else ""
    return f"{place}{problem['title']}\n  {problem['fix']}{detail}"

"""The end of a drop: when its last job has ended, its files go back to the user, once, and say why."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from service.cohorts import node_class_of
from service.disk import Disk
from service.errors import Unavailable
from service.inbox.copies import let_go
from service.inbox.giveback import give_back, plan_return
from service.inbox.record import Claim, read_claim
from service.job import Job, State
from service.register import Register

LOG = logging.getLogger(__name__)
#: A reason file names so many jobs at most.
NAMED_JOBS = 20


class Ending:
    """Knows which drops are open, ends jobs, and closes each drop after its last one.

    What a claim says is read from its folder when it is needed: ten thousand open drops must not fill the memory.
    """

    def __init__(
        self, register: Register, inbox: Path, work: Path, following: Callable[[], None] = lambda: None
    ) -> None:
        """`following` is told when a file is to go where the last job that named it went."""
        self._register = register
        self._store = register.store
        self._inbox = inbox
        self._work = work
        self._following = following
        self._lock = threading.RLock()
        #: The claim folder of each open drop, and the disk that it is on.
        self._open: dict[str, tuple[str, Disk]] = {}
        #: Drops that are over and whose files could not be returned yet.
        self._owed: set[str] = set()

    def keep(self, claim: Claim) -> None:
        """Take charge of a claim until its drop is over."""
        with self._lock:
            self._open[claim.drop_id] = (str(claim.folder), claim.disk)

    def claim_of(self, drop_id: str) -> Claim | None:
        """Return the open claim of a drop as its folder says, or None where its files are already back.

        A claim whose folder is gone has no members. Raises Unavailable where its record isn't as we wrote it.
        """
        with self._lock:
            found = self._open.get(drop_id)
        return _claim_in(drop_id, Path(found[0]), found[1]) if found else None

    def while_open(self, drop_id: str, act: Callable[[], None]) -> bool:
        """Do something while a drop can't be closed; return False, with nothing done, where it isn't open."""
        with self._lock:
            if drop_id not in self._open:
                return False
            act()
            return True

    def end(self, job_id: str, to: State, **changes: Any) -> None:
        """Move a job to where it ends, then close its drop if that was its last job."""
        job = self._register.move(job_id, to, eta_seconds=None, **changes)
        if job.workflow:
            self._note(job)
        self.close(job.drop)

    def _note(self, job: Job) -> None:
        """Let it be known how a render ended: where three in a row fail alike, their group is held."""
        if job.state is State.DONE:
            self._store.note_ending(job, None)
        elif job.state is State.FAILED and job.error:
            self._store.note_ending(job, job.error["code"], node_class_of(job.error), job.error["title"])

    def close_all(self) -> None:
        """Return what an earlier try could not return."""
        with self._lock:
            for drop_id in list(self._owed):
                self.close(drop_id)

    def tidy(self) -> None:
        """Remove the work folders of what is over; an earlier life may have died before it did."""
        for folder in self._work.iterdir() if self._work.is_dir() else ():
            if not self._store.is_live(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def close(self, drop_id: str) -> bool:
        """Give a drop's files back if its last job has ended; return whether they are back. Safe to repeat."""
        with self._lock:
            if drop_id not in self._open or not self._register.is_over(drop_id):
                return False
            folder, disk = self._open[drop_id]
            try:
                claim = _claim_in(drop_id, Path(folder), disk)
                where = self._return(claim)
            except (OSError, Unavailable) as trouble:
                # The files are safe in the claim folder; every look of the intake tries this again.
                level = logging.DEBUG if drop_id in self._owed else logging.WARNING
                LOG.log(level, "the files of %s can't be returned yet: %s", drop_id, trouble)
                self._owed.add(drop_id)
                return False
            self.settle(drop_id, where, claim.record)
            self._owed.discard(drop_id)
            del self._open[drop_id]
            shutil.rmtree(self._work / drop_id, ignore_errors=True)
            return True

    def _return(self, claim: Claim) -> str:
        wrong, missing, total = self._store.not_done(claim.drop_id, NAMED_JOBS)
        where: Literal["done", "rejected"] = "rejected" if missing else "done"
        text = reason(claim.record, wrong, missing, total, self._retry_name(wrong)) if missing else None
        if "copied" in claim.record and not missing:
            return let_go(claim)
        if claim.members:
            # Whoever dies in between knows from this where the files went, and `retry` finds them.
            plan_return(
                claim,
                self._inbox,
                where,
                text,
                lambda record: self._store.mark_drop(claim.drop_id, record=record),
            )
        return give_back(claim, self._inbox, where, text).relative_to(self._inbox).as_posix()

    def _retry_name(self, wrong: Sequence[Job]) -> str | None:
        """Return what somebody says to `retry` for these jobs, or None where none of them was ever queued."""
        again = [job for job in wrong if job.state in (State.FAILED, State.CANCELLED) and job.queued_at]
        if not again:
            return None
        batch = self._store.get(again[0].batch) if again[0].batch else None
        shown = batch or again[0]
        return f"{shown.folder}/{shown.name}"

    def settle(self, drop_id: str, folder: str, record: Mapping[str, Any] | None) -> None:
        """Save that a drop's files are back, and that what it named beside them follows (unless others name it)."""
        with self._store.transaction():
            self._store.mark_drop(drop_id, returned_to=folder, **({"record": dict(record)} if record else {}))
            # What comes again names its files until it rests no more.
            for path, facts in named_beside({} if "copied" in (record or {}) else record or {}).items():
                self._store.follow(path, folder, facts)
            self._store.unname(drop_id)
            self._store.log("returned", drop=drop_id, detail=folder)
        if (record or {}).get("named"):
            self._following()


def named_beside(record: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Return the files of its own folder that a drop names without owning them: path → (bytes, mtime in ns, inode)."""
    home = "/".join(part for part in (record.get("task"), record.get("grouping")) if part)
    named: Mapping[str, Sequence[int]] = record.get("named") or {}
    return {
        path: (size, mtime_ns, inode)
        for path, (size, mtime_ns, inode) in named.items()
        if home and PurePosixPath(path).parent == PurePosixPath(home)
    }


def reason(record: Mapping[str, Any], wrong: Sequence[Job], missing: int, total: int, retry: str | None) -> str:
    """Return the text of NAME.reason.txt: what is wrong, the cure, and how to try again.

    `wrong` are the first of `missing` jobs that aren't done, of `total`; `retry` is what the command is told.
    """
    lines = [f"{missing} of {total} jobs aren't done.", ""] if total > 1 else []
    for job in wrong:
        head = f"{job.name} was {job.state}." if job.state is not State.FAILED else f"{job.name} failed."
        lines += [head, ""]
        for problem in _problems(job):
            lines += [problem, ""]
    if missing > len(wrong):
        lines += [f"And {missing - len(wrong)} more; their status files in the outbox say why.", ""]
    lines += _how_again(record, everything=missing == total)
    if retry is not None:
        lines += [f'Or run what isn\'t done again as it is: python daemon.py retry "{retry}"', ""]
    return "\n".join(lines)


def _how_again(record: Mapping[str, Any], *, everything: bool) -> list[str]:
    task = str(record.get("task") or "")
    if "copied" in record:
        path = record["members"][0]["path"]
        return [f"These are copies of what it said this time. inbox/{path} comes again: correct it there.", ""]
    place = "/".join(part for part in ("inbox", task, str(record.get("grouping") or "")) if part)
    again = "change what is named above, then move" if everything else "move"
    return [f"To try again: {again} the files beside this note up to {place}/.", ""]


def _claim_in(drop_id: str, folder: Path, disk: Disk) -> Claim:
    try:
        return read_claim(folder, disk)
    except FileNotFoundError:
        if folder.is_dir():
            # What lies there without it is somebody's, and nobody knows where it belongs.
            raise _odd("is gone", "Take its files out of its folder there and drop them again.") from None
        if not folder.parent.is_dir():
            raise _odd("is offline with its inbox", "Mount the inbox again.") from None
        return Claim(folder, {"drop": drop_id, "members": [], "stage": "claimed"}, disk)
    except ValueError as trouble:
        LOG.debug("%s: %s", folder, trouble)
        fix = "Take its files out of its folder in inbox/.reeldrop/claims/ and drop them again."
        raise _odd("can't be read or isn't as Reeldrop wrote it", fix) from trouble


def _odd(what: str, fix: str) -> Unavailable:
    return Unavailable("claim_odd", f"The record of this drop's claim {what}.", fix)


def _problems(job: Job) -> list[str]:
    if not job.error:
        return []
    problems = job.error.get("problems") or [job.error]
    return [_sentence(problem) for problem in problems]


def _sentence(problem: Mapping[str, object]) -> str:
    place = f"Line {problem['line']}, column {problem['column']}: " if problem.get("line") else ""
    detail = f"\n  {problem['detail']}" if problem.get("detail") else ""
    return f"{place}{problem['title']}\n  {problem['fix']}{detail}"

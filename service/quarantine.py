"""Quarantine: results in which the screen found nudity; deleted at once, or kept apart for the operator alone."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.disk import Disk, sha256_of
from service.errors import Failed, Problem, Rejected
from service.job import ENDED, Job, Quarantined, Render, Screening, State
from service.requests import Request
from service.responsibility import Responsibility
from service.store import Store, utc_now

LOG = logging.getLogger(__name__)
KEEP_DAYS = 30
#: A score so high is no false alarm.
NEVER_RELEASED = 0.8
#: What lies there without a row was being taken in when the daemon died; younger files may be just that now.
_STRAY_S = 3600.0
CODE = "nudity_quarantined"


class Quarantine:
    """One folder below var/, for its owner's eyes alone, and a row for each file in it."""

    def __init__(self, folder: Path, store: Store, responsibility: Responsibility) -> None:
        self._folder = folder
        self._store = store
        self.responsibility = responsibility
        self._disk = Disk()

    # results -------------------------------------------------------------------------------------------------------

    def heed(self, job: Job, render: Render, raw: Path, screening: Screening) -> None:
        """
        Return if a result may be published; otherwise it is gone from where it lay, and Failed says what became of it.

        One that the operator has released passes, as long as it is that very file.
        """
        if not screening.hit or not self.responsibility.is_screened(job, render) or self._is_released(job, raw):
            return
        score = f"score {screening.score:.2f}"
        if self.responsibility.must_be_deleted(job, render):
            raw.unlink(missing_ok=True)
            title = f"The result was screened as showing nudity ({score}) and was deleted."
            raise Failed(Problem("nudity_found", title, "Change the prompt or the picture and drop it again."))
        self._take(job, raw, screening)
        raw.unlink(missing_ok=True)
        title = f"The result was screened as showing nudity ({score}) and is kept from everybody but the operator."
        fix = f"Change the prompt and drop it again; for {KEEP_DAYS} days the operator can tell a false alarm."
        raise Failed(Problem(CODE, title, fix))

    def released(self, job_id: str) -> Path | None:
        """Return the file of a job that the operator has released and that is yet to be published, otherwise None."""
        entry = self._store.quarantined(job_id)
        path = self._folder / entry.file if entry is not None and entry.released_at is not None else None
        return path if path is not None and path.is_file() else None

    def bring(self, job_id: str, folder: Path) -> Path | None:
        """Copy the file of a released job to where results are worked on, None where there is none; raises OSError."""
        released = self.released(job_id)
        return shutil.copyfile(released, folder / f"raw{released.suffix}") if released is not None else None

    def forget(self, job_id: str) -> None:
        """Remove what is kept of a job, file first: it is published, or nobody wants it any more."""
        entry = self._store.quarantined(job_id)
        if entry is not None:
            self._disk.unlink(self._folder / entry.file)
            self._store.unquarantine(job_id)

    def _is_released(self, job: Job, raw: Path) -> bool:
        entry = self._store.quarantined(job.id)
        return (
            entry is not None
            and entry.released_at is not None
            and entry.score < NEVER_RELEASED
            and sha256_of(raw) == entry.sha256
        )

    def _take(self, job: Job, raw: Path, screening: Screening) -> None:
        """Copy a file in, whole, then write its row: after a crash in between it is taken in once more."""
        prepare(self._folder)
        target = self._folder / f"{job.id}{raw.suffix}"
        part = target.with_name(f".{target.name}.part")
        # A copy: in a folder shared with the server the file may be the server's own.
        self._disk.copy_content(raw, part)
        part.chmod(0o600)
        self._disk.rename(part, target)
        self._disk.fsync_folder(self._folder)
        size, sha256 = target.stat().st_size, sha256_of(target)
        self._store.quarantine(
            Quarantined(
                job.id,
                target.name,
                size,
                sha256,
                screening.score,
                screening.frame,
                screening.samples,
                utc_now(),
                engine=job.engine,
                backend=job.backend,
            )
        )
        LOG.warning("%s: quarantined, score %.2f at frame %d", job.name, screening.score, screening.frame)

    # the operator --------------------------------------------------------------------------------------------------

    def carry_out(self, request: Request, publish: Callable[[str], object]) -> str:
        """Do what a command asks, which says who asks and why."""
        return self.release(request.target, request.more.get("who", ""), request.more.get("why", ""), publish)

    def release(self, job_id: str, who: str, why: str, publish: Callable[[str], object]) -> str:
        """
        Let a false alarm be published like any other result; `publish` queues its job for that.

        Raises Rejected with the reason where that can't be: then it stays as it is.
        """
        entry, job = self.releasable(job_id)
        if not why.strip():
            raise _refused("why_missing", "A release needs a reason.", "Say it with --why.")
        self._store.release(entry.job, who, why.strip())
        try:
            publish(entry.job)
        except BaseException:
            self._store.unrelease(entry.job)
            raise
        LOG.warning("%s: released from the quarantine by %s: %s", job.name, who, why.strip())
        return f"{job.folder}/{job.name} is released and will be published (score {entry.score:.2f})."

    def releasable(self, job_id: str) -> tuple[Quarantined, Job]:
        """Return what a release is about; raises Rejected where it can't be released."""
        entry = find(self._store, job_id)
        job = self._store.get(entry.job)
        if entry.score >= NEVER_RELEASED:
            title = f"Its score is {entry.score:.2f}, and from {NEVER_RELEASED:.2f} on nothing is released."
            raise _refused("score_too_high", title, "Purge it, or let it be purged after its time.")
        if entry.released_at is not None:
            raise _refused("released_already", "It is released already.", "Wait until it is published.")
        if job is None or job.state is not State.FAILED or (job.error or {}).get("code") != CODE:
            raise _refused("still_live", "Its job has gone on meanwhile.", "Wait for its end.")
        path = self._folder / entry.file
        if not path.is_file() or sha256_of(path) != entry.sha256:
            raise _refused("file_changed", "Its file is gone, or isn't what was screened.", "Purge it.")
        return entry, job

    # by the clock --------------------------------------------------------------------------------------------------

    def tidy(self, now: datetime | None = None) -> None:
        """Purge what is older than its time, and what a crash has left; safe to repeat."""
        moment = now or datetime.now(UTC)
        oldest = (moment - timedelta(days=KEEP_DAYS)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for entry in self._store.quarantine_list():
            job = self._store.get(entry.job)
            if entry.at < oldest and (entry.released_at is None or job is None or job.state in ENDED):
                purge(self._folder, self._store, entry.job, "after its time")
        known = {entry.file for entry in self._store.quarantine_list()}
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name not in known and time.time() - path.lstat().st_mtime > _STRAY_S:
                self._disk.unlink(path)


def prepare(folder: Path) -> None:
    """Make the folder, for its owner alone; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def find(store: Store, target: str) -> Quarantined:
    """Return what is kept of a job by its id or name, for example text-to-video/harbour; raises Rejected."""
    found = [entry for entry in store.quarantine_list() if target in (entry.job, *_names(store, entry.job))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise _refused(
            "not_found", f"Nothing in the quarantine goes by {target}.", "`reeldrop quarantine list` names all."
        )
    choices = ", ".join(entry.job for entry in found)
    raise _refused("several_match", f"{len(found)} entries go by {target}.", f"Name one by its id: {choices}.")


def purge(folder: Path, store: Store, job_id: str, why: str) -> None:
    """Remove a file for good, then its row; safe to repeat."""
    entry = store.quarantined(job_id)
    if entry is None:
        return
    Disk().unlink(folder / entry.file)
    store.unquarantine(job_id)
    store.log("purged", job=job_id, detail=why)
    LOG.info("%s: purged from the quarantine %s", job_id, why)


def _names(store: Store, job_id: str) -> tuple[str, ...]:
    job = store.get(job_id)
    return (job.name, f"{job.folder}/{job.name}") if job is not None else ()


def _refused(code: str, title: str, fix: str) -> Rejected:
    return Rejected(Problem(code, title, fix))

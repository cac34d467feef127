"""Retrial: what failed or was cancelled goes back to the queue as its next attempt, with the files it came from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from service.disk_trouble import unavailable_of
from service.ending import Ending, named_beside
from service.errors import Problem, Rejected, Unavailable, error_of, internal_problem
from service.examination import Examination, Input
from service.inbox.claim import Claims
from service.inbox.record import Claim
from service.job import ENDED, LIVE, PREVIEW_HIT, Drop, Job, MediaKind, State
from service.naming import clean
from service.register import Register

LOG = logging.getLogger(__name__)
_AGAIN = frozenset({State.FAILED, State.CANCELLED})


class Retrial:
    """
    Takes the files of a drop back from rejected, makes them ready again, and queues what isn't done.

    What is to be queued is saved in the claim before a file moves; after a crash `resume` goes on from there.
    """

    def __init__(
        self,
        register: Register,
        ending: Ending,
        claims: Claims,
        examination: Examination,
        submit: Callable[..., None],
        *,
        queued: Callable[[], None],
        new_prompt_id: Callable[[], str],
    ) -> None:
        self._register = register
        self._store = register.store
        self._ending = ending
        self._claims = claims
        self._examination = examination
        self._submit = submit
        self._queued = queued
        self._new_prompt_id = new_prompt_id
        self._lock = threading.Lock()
        #: Drops whose files are back in a claim and being made ready.
        self._pending: set[str] = set()
        self._held: list[Claim] = []

    def retry(self, target: str, task: str | None = None) -> str:
        """
        Queue again what `target` names: a job by id or outbox name, a batch (its jobs that aren't done), a drop.

        Returns what happened, in one sentence; `task` says in which task folder it is looked for. Raises Rejected with
        the cure where nothing can be retried, or its files aren't where they were put; then nothing has moved.
        Unavailable for trouble with disk or share.
        """
        try:
            return self._retry(self._meant(target, task))
        except OSError as trouble:
            raise unavailable_of(trouble) from trouble

    def _retry(self, meant: Job) -> str:
        if aside := [job for job in self._store.of_drop(meant.drop) if job.aside and meant.id in (job.id, job.batch)]:
            return self._take_up_again(meant, aside)
        jobs = self._jobs(meant)
        drop = self._store.drop(meant.drop)
        assert drop is not None
        with self._lock:
            if drop.id in self._pending:
                raise _refused("retried_already", f"{_path(meant)} is being made ready already.", "Wait for it.")
            again = [{"id": job.id, "prompt_id": self._new_prompt_id(), "attempt": job.attempt + 1} for job in jobs]
            looked_at = ""
            if not self._ending.while_open(drop.id, lambda: self._queue(drop, again, {})):
                claim = self._take_back(drop, again)
                looked_at = ", once its files have been looked at again" if _has_inputs(jobs) else ""
                self._go_on(claim, jobs)
        self._queued()
        what = _path(meant) if len(jobs) == 1 else f"{len(jobs)} jobs of {_path(meant)}"
        attempt = f" as attempt {jobs[0].attempt + 1}" if len(jobs) == 1 else ""
        return f"{what} {'goes' if len(jobs) == 1 else 'go'} back to the queue{attempt}{looked_at}."

    def _take_up_again(self, meant: Job, aside: Sequence[Job]) -> str:
        for job in aside:
            # What its previews have shown holds for all of its attempts.
            trouble = {name: said for name, said in job.trouble.items() if name == PREVIEW_HIT}
            self._register.change(job.id, aside=False, hold=None, trouble=trouble, server_deaths=0)
        self._queued()
        return f"{_path(meant)} is no longer set aside; it is tried again as it is."

    def resume(self, claim: Claim) -> bool:
        """Go on with a retry that an earlier life began; return False where the claim speaks of none that is left."""
        jobs = self._left(claim)
        if not jobs:
            return False
        self._name(claim)
        with self._lock:
            self._go_on(claim, jobs)
        return True

    @property
    def pending(self) -> int:
        """Return of how many drops the files are in a claim again and not yet ready to be queued."""
        with self._lock:
            return len(self._pending)

    def retry_held(self) -> None:
        """Try again what could not be examined or screened for want of something of ours."""
        with self._lock:
            held, self._held = self._held, []
        for claim in held:
            self._submit(self._make_ready, claim)

    # what is meant ---------------------------------------------------------------------------------------------------

    def _meant(self, target: str, task: str | None) -> Job:
        plain = "/".join(map(clean, target.strip().strip("/").removesuffix(".status.json").split("/")))
        found = self._store.named(plain) or self._store.of_drops_named(plain)
        found = [job for job in found if task in (None, job.task)]
        if not found:
            fix = "Write its id, or its name as in the outbox, for example text-to-video/harbour."
            raise _refused("unknown_job", f"There is no job, batch or drop called {target}.", fix)
        folders = sorted({job.folder for job in found})
        if len(folders) > 1:
            names = ", ".join(f"{folder}/{found[0].name}" for folder in folders)
            raise _refused("name_twice", f"{target} can mean several: {names}.", "Write it with its folder.")
        return found[0]

    def _jobs(self, meant: Job) -> list[Job]:
        """Return what is to be queued of a job or batch; raises Rejected where that is nothing."""
        if meant.kind == "job":
            _check(meant)
            return [meant]
        jobs = [job for job in self._store.of_drop(meant.drop) if job.batch == meant.id]
        again = [job for job in jobs if job.state in _AGAIN and job.queued_at is not None]
        if not again:
            _check(next((job for job in jobs if job.state in LIVE), jobs[0]) if jobs else meant)
            raise AssertionError("a batch without jobs to retry was let through")
        return again

    # its files -------------------------------------------------------------------------------------------------------

    def _take_back(self, drop: Drop, again: Sequence[Mapping[str, Any]]) -> Claim:
        if drop.returned_to is None:
            title = f"The files of {drop.name} are still on their way back to inbox/rejected/."
            raise _refused("files_moving", title, "Try again in a minute.")
        claim = self._claims.take_back(replace(drop, record={**(drop.record or {}), "retry": list(again)}))
        self._name(claim)
        return claim

    def _name(self, claim: Claim) -> None:
        """Take charge of a claim again, and of what its jobs name beside it; what had followed them comes back too."""
        record = claim.record
        self._ending.keep(claim)
        with self._store.transaction():
            self._store.mark_drop(claim.drop_id, claimed=True, returned_to=None)
            self._store.name_by(claim.drop_id, list(record["named"]))
            for path, (size, mtime_ns, _) in record["named"].items():
                self._store.name_media(path, size, mtime_ns)
        sources = record.get("sources") or {}
        folder = PurePosixPath(next(iter(sources.values()), "")).parent
        for path, facts in named_beside(record).items():
            home, away = claim.inbox / path, claim.inbox / folder / PurePosixPath(path).name
            try:
                found = away.lstat()
                if (found.st_size, found.st_mtime_ns, found.st_ino) == facts:
                    claim.disk.rename_new(away, home)
            except FileNotFoundError:
                # It never followed: then it is where it was, or the examination says that it is gone.
                continue
            except OSError as trouble:
                LOG.warning("%s stays where it followed to: %s", away, trouble)

    def _go_on(self, claim: Claim, jobs: Sequence[Job]) -> None:
        self._pending.add(claim.drop_id)
        if _has_inputs(jobs):
            self._submit(self._make_ready, claim)
        else:
            self._finish(claim, {})

    def _make_ready(self, claim: Claim) -> None:
        """Examine a claim's media again and queue; runs beside the intake, for it waits for decoders."""
        try:
            with self._lock:
                jobs = self._left(claim)
            uploads = self._examined(claim, jobs)
            with self._lock:
                self._finish(claim, uploads)
            self._queued()
        except Rejected as refused:
            self._refuse(claim, refused.problems)
        except (Unavailable, OSError) as away:
            LOG.warning("%s can't be made ready again now: %s", claim.record["name"], away)
            with self._lock:
                self._held.append(claim)
        except Exception:  # a fault of ours fails the retry, never the daemon
            LOG.exception("%s: a fault in Reeldrop while making it ready again", claim.record["name"])
            self._refuse(claim, (internal_problem("making it ready again"),))

    def _examined(self, claim: Claim, jobs: Sequence[Job]) -> dict[str, list[dict[str, str]]]:
        """Return what each job uploads, made ready again under the same references; raises Rejected for a change."""
        made: dict[str, Input] = {}
        uploads: dict[str, list[dict[str, str]]] = {}
        for job in jobs:
            render = self._store.render(job.id)
            assert render is not None, f"{job.name} was queued without a plan"
            dropped = {each["role"]: each for each in job.inputs}
            for upload in render.uploads:
                reference, file = upload["reference"], dropped[upload["role"]]["file"]
                if reference not in made:
                    label = PurePosixPath(reference.removesuffix(" [temp]"))
                    kind = MediaKind.PICTURE if label.suffix == ".png" else MediaKind.VIDEO
                    made[reference] = self._examination.examine(claim, upload["role"], file, kind, label.stem)
                again = made[reference]
                if (again.sha256, again.reference) != (dropped[upload["role"]]["sha256"], reference):
                    title = f"{file} isn't what it was when the job was first taken."
                    raise _refused("media_changed", title, "Move the job's files up to take it as a new job.")
                entry = {**upload, "where": again.where, "file": again.prepared}
                uploads.setdefault(job.id, []).append(entry)
        return uploads

    def _finish(self, claim: Claim, uploads: Mapping[str, list[dict[str, str]]]) -> None:
        drop = self._store.drop(claim.drop_id)
        assert drop is not None
        left = {job.id for job in self._left(claim)}
        self._queue(drop, [entry for entry in claim.record["retry"] if entry["id"] in left], uploads)
        self._pending.discard(claim.drop_id)

    def _refuse(self, claim: Claim, problems: Sequence[Problem]) -> None:
        """Let the files go back to where they were, with the reason."""
        with self._lock:
            jobs = self._left(claim)
            claim.save(retry=[])
            self._pending.discard(claim.drop_id)
        for job in jobs:
            self._register.change(job.id, error=error_of(problems))
        self._ending.close(claim.drop_id)

    def _left(self, claim: Claim) -> list[Job]:
        """Return the jobs that a claim was taken back for and that aren't queued again yet."""
        wanted = {entry["id"]: entry["attempt"] for entry in claim.record.get("retry") or ()}
        jobs = self._store.of_drop(claim.drop_id) if wanted else []
        return [job for job in jobs if job.state in _AGAIN and job.attempt < wanted.get(job.id, 0)]

    # their rows ------------------------------------------------------------------------------------------------------

    def _queue(
        self, drop: Drop, again: Sequence[Mapping[str, Any]], uploads: Mapping[str, list[dict[str, str]]]
    ) -> None:
        """Queue jobs, and their batch where it had ended, under their names or, where these are taken, new ones."""
        if again:
            self._register.record(lambda: self._requeue(drop, again, uploads))

    def _requeue(
        self, drop: Drop, again: Sequence[Mapping[str, Any]], uploads: Mapping[str, list[dict[str, str]]]
    ) -> list[Job]:
        listings: dict[str, frozenset[str]] = {}
        queued: list[Job] = []
        for entry in again:
            job = self._store.get(entry["id"])
            assert job is not None, f"no job {entry['id']}"
            name = self._register.free_name(drop, 1, job.name, listings)
            queued.append(self._store.requeue(job.id, entry["prompt_id"], name=name))
            if job.id in uploads:
                self._store.replace_uploads(job.id, uploads[job.id])
        batch = self._store.get(queued[0].batch) if queued[0].batch else None
        if batch is not None and batch.state in ENDED:
            name = self._register.free_name(drop, 1, batch.name, listings)
            batch = self._store.requeue(batch.id, None, name=name)
        return [*([batch] if batch else []), *queued]


def _check(job: Job) -> None:
    """Raise Rejected where a job can't be queued again, with what to do instead."""
    if job.state in _AGAIN and job.queued_at is not None:
        return
    path = _path(job)
    if job.state is State.DONE:
        fix = "Drop it again to have another one; with the same seed write rerun: true into it."
        raise _refused("already_done", f"{path} is done.", fix)
    if job.state in LIVE:
        raise _refused("still_live", f"{path} is {job.state}.", "Wait for its end, or cancel it first.")
    place = f"inbox/{job.folder}/"
    if job.state is State.REJECTED:
        fix = f"Correct what its reason file in inbox/rejected/{job.folder}/ names, then move its files up to {place}."
        raise _refused("was_refused", f"{path} was refused before it was queued.", fix)
    fix = f"Move its files from inbox/rejected/{job.folder}/ up to {place}, or drop them again."
    raise _refused("never_queued", f"{path} was cancelled before it was queued.", fix)


def _refused(code: str, title: str, fix: str) -> Rejected:
    return Rejected(Problem(code, title, fix))


def _path(job: Job) -> str:
    return f"{job.folder}/{job.name}"


def _has_inputs(jobs: Sequence[Job]) -> bool:
    return any(job.inputs for job in jobs)

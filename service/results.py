"""Results: a finished prompt's file is fetched, verified, screened, marked and put into the outbox; each step once."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from service import parts, publish_notes, uploads
from service.comfy.fetch import Files
from service.comfy.protocol import OutputFile
from service.disk import sha256_of
from service.disk_trouble import unavailable_of
from service.ending import Ending
from service.errors import Failed, Problem, Unavailable
from service.examiner import Examiner, Inspection
from service.finishing import finish
from service.inbox.record import Claim
from service.job import Expected, Job, MediaFacts, Render
from service.marking import left_over
from service.outbox import Outbox
from service.quarantine import Quarantine
from service.register import Register
from service.signing import Signatures
from service.stitching import Stitching

LOG = logging.getLogger(__name__)


@dataclass
class _Made:
    """How far one job's result is: what is on our disk already is never asked of a server or an ffmpeg again."""

    raw: Path | None = None
    inspected: Inspection | None = None
    #: What the file that was inspected was known by then; one that the server changes after that is another one.
    identity: tuple[int, int, int] | None = None
    finished: tuple[Path, MediaFacts] | None = None
    marked: tuple[Path, MediaFacts] | None = None


@dataclass(frozen=True)
class Published:
    """A result in the outbox, and the SHA-256 of its bytes."""

    path: Path
    sha256: str


class Cancelled(Exception):
    """Somebody asked to cancel the job, and nothing of its result is in the outbox."""


class Results:
    """The steps from a finished prompt to a file in the outbox; any of them may be tried again where it stopped."""

    def __init__(
        self,
        register: Register,
        ending: Ending,
        outbox: Outbox,
        examiner: Examiner,
        work: Path,
        *,
        stop_of: Callable[[Job], threading.Event],
        check_outbox: Callable[[], None],
        engine_output: Path | None,
        quarantine: Quarantine,
        media_roots: Sequence[Path] = (),
        signatures: Signatures | None = None,
    ) -> None:
        self._register = register
        self._ending = ending
        self._outbox = outbox
        self._examiner = examiner
        self._work = work
        self._stop_of = stop_of
        self._check_outbox = check_outbox
        self._engine_output = engine_output
        self._quarantine = quarantine
        self._media_roots = media_roots
        self._signatures = signatures
        self._stitching = Stitching(work, examiner, quarantine, self.files)
        self._made: dict[str, _Made] = {}

    def published(self, job: Job) -> Published | None:
        """Return the job's result where an earlier try has put it into the outbox, otherwise None.

        Raises Unavailable where the outbox is offline: what isn't seen there now may be there all the same.
        """
        claim = self._ending.claim_of(job.drop)
        note = publish_notes.read(claim, job) if claim is not None else None
        if not note:
            return None
        self._check_outbox()
        path = self._outbox.root / job.folder / f"{job.name}{PurePosixPath(note['file']).suffix}"
        return Published(path, note["sha256"]) if path.is_file() and sha256_of(path) == note["sha256"] else None

    def found(self, job: Job, file: Path) -> tuple[MediaFacts, list[str]]:
        """Return what a result is that an earlier try has published."""
        # Where a file gets its name by a hard link, a crash leaves the other name too.
        self._outbox.sweep(f"{job.folder}/{file.name}")
        # It was checked against what was asked before it was published, and encoding may have changed its rate.
        return self._examiner.verify(file, Expected())

    def make(
        self, job: Job, render: Render, outputs: tuple[OutputFile, ...], files: Files | None
    ) -> tuple[Job, Published, MediaFacts, list[str]]:
        """Bring a result from the server into the outbox; return its job (it may have got another name) and facts.

        Raises Failed where it is no good, Unavailable or OSError where it must be tried again, Cancelled.
        """
        made = self._made.setdefault(job.id, _Made())
        self._heed(job)
        if made.raw is None:
            made.raw = self._joined(job, render, outputs, files) if render.parts else self._fetch(job, outputs, files)
        self._heed(job)
        if made.inspected is None:
            self._register.progress(job.id, parts.overall(render, 0.97), "verifying", None)
            made.identity = _identity(made.raw)
            inspected = self._examiner.inspect(made.raw, render.expected)
            self._quarantine.heed(job, render, made.raw, inspected.screening)
            made.inspected = inspected
        self._heed(job)
        if made.marked is None:
            self._register.progress(job.id, parts.overall(render, 0.99), "publishing", None)
            made.finished = made.finished or self._finish(job, render, made.raw, made.inspected)
            if _identity(made.raw) != made.identity:
                # In a shared folder it may be the server's very file: what was marked may not be what was screened.
                self._made.pop(job.id)
                raise _changed()
            # Last of all, for whatever is written after it breaks a signature.
            made.marked = self._signatures.sign(job, *made.finished) if self._signatures else made.finished
            # Of a file of many gigabytes no more copies lie here than are needed.
            made.raw.unlink(missing_ok=True)
        made_file, facts = made.marked
        job, published = self._place(job, made_file)
        return job, published, facts, [*made.inspected.warnings, *left_over(outputs, facts)]

    def keep_part(
        self, job: Job, render: Render, outputs: tuple[OutputFile, ...], files: Files | None
    ) -> tuple[str, str]:
        """Bring one part of a result from the server, verified and screened; return what it is kept as.

        Raises what `make` raises.
        """
        self._heed(job)
        raw = self._fetch(job, outputs, files, parts.overall(render, 0.96))
        kept = self._stitching.keep(job, render, raw)
        # Between two parts the job is queued, and who cancels it there asks no publisher to tidy.
        shutil.rmtree(raw.parent, ignore_errors=True)
        self._heed(job)
        return kept

    def _joined(self, job: Job, render: Render, outputs: tuple[OutputFile, ...], files: Files | None) -> Path:
        last = self.keep_part(job, render, outputs, files)
        self._register.progress(job.id, parts.overall(render, 0.965), "joining its parts", None)
        whole = self._work / job.id / "whole.mp4"
        whole.parent.mkdir(parents=True, exist_ok=True)
        self._stitching.join(job, render, last, whole, self._stop_of(job))
        return whole

    def _heed(self, job: Job) -> None:
        if self._register.store.asked_to_cancel(job.id):
            raise Cancelled

    def forget(self, job: Job) -> None:
        """Remove all that lies of a job in our work folder and in our own engine's output folder."""
        self._made.pop(job.id, None)
        self._tidy(job)
        self._stitching.forget(job)
        shutil.rmtree(self._work / job.id, ignore_errors=True)

    def signs(self, path: Path) -> bool:
        """Tell whether a published result of this name is signed: what can be is never published otherwise."""
        return self._signatures is not None and self._signatures.signs(path)

    # step by step ----------------------------------------------------------------------------------------------------

    def _fetch(self, job: Job, outputs: Sequence[OutputFile], files: Files | None, progress: float = 0.96) -> Path:
        if (now := self._register.store.get(job.id)) is not None and now.hold is not None:
            self._register.hold(job.id, None)
        self._register.progress(job.id, progress, "fetching", None)
        folder = self._work / job.id
        # An ffmpeg that outlived an earlier life may still be writing in there; what it writes goes with the folder.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        if (released := self._quarantine.bring(job.id, folder)) is not None:
            return released
        if files is None:
            title = "What was released is gone from the quarantine."
            raise Failed(Problem("result_missing", title, "Retry the job; it is rendered again."))
        output = outputs[0]
        raw = folder / f"raw{PurePosixPath(output.filename).suffix.lower()}"
        files.fetch(output, raw, stop=self._stop_of(job))
        return raw

    def _tidy(self, job: Job) -> None:
        if self._engine_output is None:
            return
        try:
            for path in (self._engine_output / "reeldrop").glob(f"{job.id}*"):
                path.unlink(missing_ok=True)
        except OSError as trouble:
            LOG.warning("%s: its file in the engine's output folder stays: %s", job.name, trouble)

    def _finish(self, job: Job, render: Render, raw: Path, inspected: Inspection) -> tuple[Path, MediaFacts]:
        finished = finish(job, render, raw, inspected, self._examiner, self._stop_of(job))
        if finished is None:
            raise _changed()
        if finished.line and (now := self._register.store.get(job.id)) and finished.line not in now.adjusted:
            self._register.change(job.id, adjusted=[*now.adjusted, finished.line])
        return finished.path, finished.facts

    def _place(self, job: Job, marked: Path) -> tuple[Job, Published]:
        """Put the result into the outbox under the job's name, never over another file."""
        # Before anything is written: an outbox that is not mounted is a folder like any other.
        self._check_outbox()
        claim = self._claim(job)
        sha256 = sha256_of(marked)
        try:
            publish_notes.take(claim, job, marked.suffix, sha256)
        except FileNotFoundError as gone:
            self._claim(job)
            raise unavailable_of(gone) from gone
        while True:
            # The last moment: from here on the job ends done.
            self._heed(job)
            try:
                return job, Published(self._outbox.publish(marked, f"{job.folder}/{job.name}{marked.suffix}"), sha256)
            except FileExistsError:
                drop = self._register.store.drop(job.drop)
                assert drop is not None
                # The drop's own name belongs to the batch where there is one.
                name = self._register.free_name(drop, 1, job.name if job.batch else None)
                job = self._register.rename(job, name)

    def _claim(self, job: Job) -> Claim:
        claim = self._ending.claim_of(job.drop)
        if claim is not None and claim.folder.is_dir():
            return claim
        title = "The job's folder in inbox/.reeldrop/claims/ is gone, so nothing of it is published."
        if claim is not None and (not claim.folder.parent.is_dir() or any(claim.folder.parent.glob(f"{job.drop}.*"))):
            fix = "Mount the inbox again; if another daemon has taken it over, that one goes on with the job."
            raise Unavailable("claim_gone", title, fix)
        raise Failed(Problem("claim_gone", title, "Drop the job again, and leave that folder to Reeldrop."))

    def files(self, job: Job, render: Render) -> Iterator[tuple[str, Path]]:
        """Yield (server reference, local path) of each file to upload; raises Failed where one is gone or changed."""
        return uploads.files(self._claim(job), job, render, self._work, self._media_roots)


def output_of(published: Published, facts: MediaFacts, *, signed: bool) -> dict[str, Any]:
    """Return a result as its status file shows it."""
    return {
        "file": published.path.name,
        "bytes": published.path.stat().st_size,
        "sha256": published.sha256,
        "width": facts.width,
        "height": facts.height,
        "fps": facts.fps,
        "frames": facts.frames,
        "seconds": facts.seconds,
        "codec": facts.codec,
        "audio": facts.audio,
        "ai_generated": True,
        "signed": signed,
    }


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _changed() -> Unavailable:
    title = "The result was changed on the server while it was being published."
    return Unavailable("result_changed", title, "It is fetched and screened again by itself.")

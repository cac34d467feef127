"""Stitching: the parts of a long render are kept as they come, each checked, and joined when the last is there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from service import parts
from service.disk import Disk, sha256_of
from service.errors import Failed, Problem
from service.examiner import Examiner
from service.job import Job, Render
from service.media.joining import join
from service.quarantine import Quarantine

_DEADLINE_S = 900.0

#: Tells (server reference, path) of each file that a job uploads, each only while it is what was examined.
Uploads = Callable[[Job, Render], Iterator[tuple[str, Path]]]


class Stitching:
    """The parts of each job, in its drop's work folder: they go with it, however the job ends."""

    def __init__(self, work: Path, examiner: Examiner, quarantine: Quarantine, uploads: Uploads) -> None:
        self._work = work
        self._examiner = examiner
        self._quarantine = quarantine
        self._uploads = uploads
        self._disk = Disk()

    def keep(self, job: Job, render: Render, raw: Path) -> tuple[str, str]:
        """Verify and screen a part, and keep it; return its name and SHA-256. Raises Failed where it is no good."""
        assert render.parts is not None
        inspected = self._examiner.inspect(raw, parts.expected_of(render))
        self._quarantine.heed(job, render, raw, inspected.screening)
        folder = self._folder(job)
        self._disk.make_folders(folder)
        kept = folder / f"{len(render.parts.made):04}{raw.suffix}"
        # A copy: where it is a link to the server's own file, that one may still change.
        self._disk.copy_content(raw, draft := kept.with_name(f".{kept.name}.part"))
        self._disk.rename(draft, kept)
        self._disk.fsync_folder(folder)
        raw.unlink(missing_ok=True)
        return kept.name, sha256_of(kept)

    def join(self, job: Job, render: Render, last: tuple[str, str], target: Path, stop: threading.Event) -> None:
        """Write the whole video from its parts and the last one; raises Failed where a part is gone or changed."""
        assert render.parts is not None
        kept = [self._found(job, name, sha256) for name, sha256 in (*render.parts.made, last)]
        expected = render.expected
        seconds = expected.frames / expected.fps if expected.frames and expected.fps else None
        joined = False
        for (_, path), upload in zip(self._uploads(job, render), render.uploads, strict=True):
            # Only in here is it known to be what was examined.
            if upload["role"] == render.parts.sound:
                join(kept, target, path, seconds=seconds, deadline_s=_DEADLINE_S, stop=stop)
                joined = True
        if not joined:
            join(kept, target, None, seconds=seconds, deadline_s=_DEADLINE_S, stop=stop)

    def forget(self, job: Job) -> None:
        """Remove a job's parts."""
        shutil.rmtree(self._folder(job), ignore_errors=True)

    def _folder(self, job: Job) -> Path:
        return self._work / job.drop / f"parts-{job.id}"

    def _found(self, job: Job, name: str, sha256: str) -> Path:
        path = self._folder(job) / name
        if not path.is_file() or sha256_of(path) != sha256:
            title = "A part of this video that was rendered earlier is gone from var/work/, or was changed there."
            raise Failed(Problem("part_gone", title, "Retry the job; leave var/ to Reeldrop."))
        return path

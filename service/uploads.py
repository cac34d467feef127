"""Uploads: the files that a job sends to its server, each only while it is what was examined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.errors import Failed, Problem
from service.inbox.named import Changed, Places, check_member, found_key, member_of, sha256_unchanged, unchanged
from service.inbox.record import Claim
from service.job import Job, Render


def files(
    claim: Claim, job: Job, render: Render, work: Path, media_roots: Sequence[Path] = ()
) -> Iterator[tuple[str, Path]]:
    """
    Yield (server reference, local path) of each file to upload, one at a time.

    Each is looked at before it is given and again when the next one is asked for: take them one by one, and to the end.
    Raises Failed where one is gone or was changed, OSError for trouble with a disk or share.
    """
    dropped = {each["role"]: each for each in job.inputs}
    for upload in render.uploads:
        file = str(dropped.get(upload["role"], {}).get("file", upload["file"]))
        with _told(upload["role"], file):
            member = member_of(claim, file) if found_key(claim, file) is None else None
            if member is not None:
                check_member(claim, member)
            yield from _one(claim, upload, dropped.get(upload["role"], {}).get("sha256"), work / job.drop, media_roots)
            if member is not None:
                check_member(claim, member)


def _one(
    claim: Claim, upload: dict[str, str], sha256: str | None, work: Path, media_roots: Sequence[Path]
) -> Iterator[tuple[str, Path]]:
    where, file, reference = upload["where"], upload["file"], upload["reference"]
    if where == "work":
        if not (work / file).is_file():
            raise FileNotFoundError(file)
        yield reference, work / file
        return
    # Large files stay where they lie, so they are hashed again before each sending.
    if where == "claim":
        places, member = Places(claim.folder), claim.file_of(file)
        found = member.lstat()
        key = member.relative_to(claim.folder).as_posix()
        identity: list[int] | None = [found.st_size, found.st_mtime_ns, found.st_ino]
    else:
        places, key = Places(claim.inbox, tuple(media_roots)), file
        identity = (claim.record.get("named") or {}).get(key)
    if sha256_unchanged(places, key, identity) != sha256:
        raise Changed(key)
    with unchanged(places, key, identity):
        yield reference, places.path_of(key)


@contextmanager
def _told(role: str, file: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        title = f"The {role} that the job works on ({file}) is gone."
        raise Failed(Problem("input_gone", title, "Drop the job and its media again.")) from None
    except Changed:
        title = f"The {role} that the job works on ({file}) was changed or replaced after the job had been taken."
        raise Failed(Problem("media_changed", title, "Drop the job and its media again.")) from None

"""Examination: what a drop brings is probed, screened and made ready to be uploaded; never in the daemon itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.disk import sha256_of
from service.errors import Problem, Rejected
from service.examiner import Examiner
from service.inbox.named import Changed, copy_unchanged
from service.inbox.record import Claim
from service.job import MediaFacts, MediaKind
from service.reading import Reading


@dataclass(frozen=True)
class Input:
    """One examined picture or video: what it is and what will be uploaded in its place."""

    role: str
    file: str
    sha256: str
    facts: MediaFacts
    #: Where the bytes to upload lie: "work" (a base name in the drop's work folder) or "claim" (a member's path).
    where: str
    prepared: str
    #: What the server calls it once it is uploaded.
    reference: str


class Examination:
    """Turns the media of a claim into inputs; safe to repeat, for a copy once made is kept in the work folder."""

    def __init__(self, examiner: Examiner, inbox: Path, work: Path) -> None:
        self._examiner = examiner
        self._inbox = inbox
        self._work = work

    def examine(self, claim: Claim, role: str, file: str, reading: Reading) -> Input:
        """Return one examined input; raises Rejected for the file, Unavailable where it can't be examined now."""
        source = self._source(claim, role, file)
        facts = self._examiner.probe(source)
        wanted = reading.workflow.roles[role]
        if facts.kind is not wanted:
            title = f"{file} is a {facts.kind}, and {role} must be a {wanted}."
            raise Rejected(Problem("media_kind", title, f"Drop a {wanted} in its place."))
        where, prepared = "work", source.name
        upload = source
        if facts.kind is MediaKind.PICTURE:
            prepared = f"{role}.png"
            upload = self._folder(claim.drop_id) / prepared
            facts = self._examiner.prepare(source, upload)
        elif role not in claim.record["shared"]:
            member = next(member for member in claim.members if claim.file_of(member.path) == source)
            where, prepared = "claim", member.path
        # What is looked at is the very file that will be uploaded.
        self._screen(upload, facts, file)
        reference = f"reeldrop/{claim.drop_id}/{role}{PurePosixPath(prepared).suffix.lower()} [temp]"
        return Input(role, file, sha256_of(source), facts, where, prepared, reference)

    def _screen(self, path: Path, facts: MediaFacts, file: str) -> None:
        screening = self._examiner.screen(path, facts)
        if screening.hit:
            score = f"score {screening.score:.2f}, the limit is 0.50"
            title = f"{file} was screened as showing nudity ({score})."
            raise Rejected(Problem("nudity_found", title, "Use another picture; this task takes none with nudity."))

    def _source(self, claim: Claim, role: str, file: str) -> Path:
        shared = _shared(claim, role)
        if shared is None:
            return next(
                claim.file_of(member.path) for member in claim.members if PurePosixPath(member.path).name == file
            )
        copy = self._folder(claim.drop_id) / f"shared-{role}{PurePosixPath(file).suffix}"
        if not copy.exists():
            part = copy.with_name(f".{copy.name}.part")
            try:
                copy_unchanged(self._inbox, shared, claim.record["named"].get(shared), part)
            except FileNotFoundError:
                raise Rejected(
                    Problem("media_missing", f"{file} is gone.", "Drop it again, then the job file.")
                ) from None
            except Changed:
                title = f"{file} was changed or replaced after the job that names it had been taken."
                raise Rejected(Problem("media_changed", title, "Drop the job file again.")) from None
            part.replace(copy)
        return copy

    def _folder(self, drop_id: str) -> Path:
        folder = self._work / drop_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _shared(claim: Claim, role: str) -> str | None:
    """Return the path of the named file that plays a role; raises Rejected for one that no drop of ours names."""
    path: str | None = claim.record["shared"].get(role)
    if path is None:
        return None
    if PurePosixPath(path).parent != PurePosixPath(claim.home):
        title = f"{PurePosixPath(path).name} doesn't lie beside the job file."
        raise Rejected(Problem("media_missing", title, "Put it beside the job file and drop that again."))
    return path

"""Examination: what a drop brings is probed, screened and made ready to be uploaded; never in the daemon itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from service.disk import sha256_of
from service.disk_trouble import unavailable_of
from service.errors import Problem, Rejected
from service.examiner import Examiner
from service.inbox.named import Changed, Places, check_member, copy_unchanged, found_key, member_of, sha256_unchanged
from service.inbox.record import Claim
from service.job import MediaFacts, MediaKind
from service.media.limits import LARGE_BYTES


@dataclass(frozen=True)
class Input:
    """One examined picture or video: what it is and what will be uploaded in its place."""

    role: str
    file: str
    #: Of the file as it was dropped, whatever was made of it.
    sha256: str
    #: Of what will be uploaded.
    facts: MediaFacts
    #: Where the bytes to upload lie: "work" (a base name in the drop's work folder), "claim" (a member's path) or
    #: "shared" (a key of the claim's record).
    where: str
    prepared: str
    #: What the server calls it once it is uploaded.
    reference: str
    #: What was changed to make it fit for the workflow's loaders, each a line for people.
    adjusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """Where a file lies now, and how to tell that it still is what was claimed."""

    path: Path
    where: str
    key: str
    sha256: Callable[[], str]
    check: Callable[[], None]


class Examination:
    """Turns the media of a claim into inputs; safe to repeat, for a copy once made is kept in the work folder."""

    def __init__(
        self,
        examiner: Examiner,
        inbox: Path,
        work: Path,
        media_roots: Sequence[Path] = (),
        *,
        large_bytes: int = LARGE_BYTES,
        is_adult: Callable[[Mapping[str, str], str], bool] = lambda _tags, _sha256: False,
    ) -> None:
        """`is_adult` says of a file's own words and its SHA-256 whether the adult workflow has made it."""
        self._examiner = examiner
        self._places = Places(inbox, tuple(media_roots))
        self._work = work
        self._large_bytes = large_bytes
        self._is_adult = is_adult

    def examine(self, claim: Claim, role: str, file: str, wanted: MediaKind, label: str) -> Input:
        """
        Return one examined input; `label` is a base name without ending, unique in the drop.

        Raises Rejected for the file, Unavailable where it can't be examined now.
        """
        with _told(file, label):
            source = self._source(claim, file, label)
            made = self._prepare(claim, role, file, wanted, label, source)
            source.check()
        return made

    def _prepare(self, claim: Claim, role: str, file: str, wanted: MediaKind, label: str, source: _Source) -> Input:
        facts = self._examiner.probe(source.path)
        _check_kind(role, file, facts, wanted)
        told = self._examiner.tags(source.path) if facts.kind is MediaKind.VIDEO else {}
        suffix = "png" if wanted is MediaKind.PICTURE else "mp4"
        target = self._folder(claim.drop_id) / f"{label}.{suffix}"
        if wanted is MediaKind.PICTURE:
            facts, adjusted, made = *self._examiner.prepare(source.path, target), True
        else:
            # A long video is not prepared anew each time that the screen is found missing.
            self._examiner.ready()
            facts, adjusted, made = self._examiner.prepare_video(source.path, target, facts, self._large_bytes)
        upload = target if made else source.path
        # What is looked at is the very file that will be uploaded.
        self._screen(upload, facts, file)
        where, prepared = ("work", target.name) if made else (source.where, source.key)
        ending = PurePosixPath(upload.name).suffix.lower()
        reference = f"reeldrop/{claim.drop_id}/{label}{ending} [temp]"
        lines = tuple(f"{file}: {line}" for line in adjusted)
        sha256 = source.sha256()
        if self._is_adult(told, sha256):
            title = f"{file} was made by the adult task, and nothing else is made from it."
            raise Rejected(Problem("adult_media", title, "Use another file."))
        return Input(role, file, sha256, facts, where, prepared, reference, lines)

    def _screen(self, path: Path, facts: MediaFacts, file: str) -> None:
        screening = self._examiner.screen(path, facts)
        if screening.hit:
            score = f"score {screening.score:.2f}, the limit is 0.50"
            title = f"{file} was screened as showing nudity ({score})."
            raise Rejected(Problem("nudity_found", title, "Use another picture; this task takes none with nudity."))

    def _source(self, claim: Claim, file: str, label: str) -> _Source:
        key = found_key(claim, file)
        if key is None:
            member = member_of(claim, file)
            if member is None:
                raise FileNotFoundError(file)
            path = claim.file_of(member.path)
            return _Source(path, "claim", member.path, lambda: sha256_of(path), lambda: check_member(claim, member))
        identity = (claim.record.get("named") or {}).get(key)
        copy = self._folder(claim.drop_id) / f"shared-{label}{PurePosixPath(key).suffix}"
        if identity and identity[0] > self._large_bytes and not copy.exists():
            # Hashed last, it is checked before and after that.
            return _Source(
                self._places.path_of(key),
                "shared",
                key,
                lambda: sha256_unchanged(self._places, key, identity),
                lambda: None,
            )
        if not copy.exists():
            part = copy.with_name(f".{copy.name}.part")
            copy_unchanged(self._places, key, identity, part)
            part.replace(copy)
        return _Source(copy, "work", copy.name, lambda: sha256_of(copy), lambda: None)

    def _folder(self, drop_id: str) -> Path:
        folder = self._work / drop_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as trouble:
            # Of our own disk; it must not be taken for the loss of a dropped file.
            raise unavailable_of(trouble) from trouble
        return folder


def _check_kind(role: str, file: str, facts: MediaFacts, wanted: MediaKind) -> None:
    # An animated GIF or WebP is a picture that can play a video.
    moves = facts.kind is MediaKind.VIDEO or facts.frames > 1
    if (facts.kind is wanted) or (wanted is MediaKind.VIDEO and moves):
        return
    title = f"{file} is a {facts.kind}, and {role} must be a {wanted}."
    raise Rejected(Problem("media_kind", title, f"Drop a {wanted} in its place."))


@contextmanager
def _told(file: str, label: str) -> Iterator[None]:
    """Say in plain words what became of a file, by the name that it was dropped with; trouble with a disk passes."""
    try:
        yield
    except Rejected as refusal:
        raise Rejected(*(_of_the_dropped(problem, file, label) for problem in refusal.problems)) from refusal
    except (FileNotFoundError, NotADirectoryError):
        raise Rejected(Problem("media_missing", f"{file} is gone.", "Drop it again, then the job file.")) from None
    except Changed:
        title = f"{file} was changed or replaced after the job that names it had been taken."
        raise Rejected(Problem("media_changed", title, "Drop the job file again.")) from None


def _of_the_dropped(problem: Problem, file: str, label: str) -> Problem:
    """A copy of ours has a name that nobody dropped."""
    said, _, rest = problem.title.partition(" ")
    ours = PurePosixPath(said).stem in (label, f"shared-{label}")
    return replace(problem, title=f"{file} {rest}") if ours else problem

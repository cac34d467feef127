"""Claim reading: what a claimed drop asks for, read from the bytes that nobody changes any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from service.drops import is_conflict_copy, media_kind
from service.earlier import Earlier
from service.errors import Problem, Rejected
from service.inbox.record import Claim, Member
from service.job import MediaKind
from service.reading import Dropped, Library, Missing, Reading, read
from service.store import Store

_READ_BYTES = (1 << 20) + 1


class ClaimReading:
    """Reads claims; `tags` returns what a video's container says about it, and may raise Rejected or Unavailable."""

    def __init__(
        self, library: Library, earlier: Earlier, store: Store, tags: Callable[[Path], Mapping[str, str]]
    ) -> None:
        self._library = library
        self._earlier = earlier
        self._store = store
        self._tags = tags

    def read(self, claim: Claim) -> tuple[Reading, ...]:
        """Return what a claim asks for; raises Rejected with every reason why not, Unavailable, OSError."""
        try:
            if (video := self._video_alone(claim)) is not None and (again := self._again(claim, video)) is not None:
                return again
            dropped = _dropped(claim)
            if claim.known is not None and claim.known[0] == dropped.text:
                known: tuple[Reading, ...] = claim.known[1]
                return known
            return read(dropped, self._library)
        except Missing as missing:
            raise Rejected(Problem("media_missing", missing.title, missing.fix)) from None

    def _video_alone(self, claim: Claim) -> Member | None:
        """Return the one video of a drop without a word, in a task that takes none: it may be a result of ours."""
        record = claim.record
        if record["kind"] != "media" or len(claim.members) != 1 or media_kind(claim.members[0].path) != MediaKind.VIDEO:
            return None
        return None if record["task"] in self._library.tasks_for(MediaKind.VIDEO) else claim.members[0]

    def _again(self, claim: Claim, video: Member) -> tuple[Reading, ...] | None:
        try:
            tags = self._tags(claim.file_of(video.path))
        except Rejected:
            # That it is no video is worth less than where videos belong.
            return None
        job = self._earlier.job_of_video(tags)
        if job is None:
            return None
        if not claim.record["found"]:
            found = self._earlier.find_all(claim.home, job, self._earlier.drop_of_video(tags))
            if found:
                claim.save(found=found, named={key: self._earlier.identity(key) for key in set(found.values())})
                self._store.name_by(claim.drop_id, list(found.values()))
        record = claim.record
        dropped = Dropped(record["task"], record["grouping"], record["name"], "again", None, (), record["found"])
        return read(dropped, self._library, job)


def _dropped(claim: Claim) -> Dropped:
    record = claim.record
    text = None
    media = claim.members
    if record["kind"] != "media":
        with claim.file_of(claim.members[0].path).open("rb") as file:
            text = file.read(_READ_BYTES)
        media = tuple(member for member in claim.members[1:] if _is_media(member))
    return Dropped(
        record["task"],
        record["grouping"],
        record["name"],
        record["kind"],
        text,
        tuple(_own_name(claim, member) for member in media),
        record["found"],
        frozenset(record["animated"]),
    )


def _is_media(member: Member) -> bool:
    """Tell media from what lies beside them in a folder drop and only moves along."""
    return media_kind(member.path) is not None and not is_conflict_copy(PurePosixPath(member.path).name)


def _own_name(claim: Claim, member: Member) -> str:
    folder = claim.record.get("folder")
    return member.path.removeprefix(f"{folder}/") if folder else PurePosixPath(member.path).name

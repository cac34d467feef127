"""Consideration: may a drop be claimed now, must it wait and for what, or is it waiting for nothing but time?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from service.config import Config
from service.drops import Candidate, media_kind, role_of
from service.earlier import Earlier, drop_of_status
from service.errors import Problem, Rejected
from service.inbox.look import Listing
from service.inbox.lookup import Lookup
from service.inbox.structure import is_animated
from service.job import Hold
from service.jobfile import JobFile
from service.named_media import NamedMedia
from service.readiness import Readiness, not_a_file
from service.reading import Dropped, Library, Missing, Reading, named_files, read
from service.stillness import Stillness
from service.store import utc_now
from service.texts import Texts, word_of

#: What is missing from places that tell nobody of changes is looked for again after these (s): soon, then seldom.
_LOOK_AGAIN_S = (2.0, 60.0)
_MAY_MOVE = (".gif", ".webp")


@dataclass(frozen=True)
class Ready:
    """A drop to be claimed now; with a problem, it is to be refused for that."""

    candidate: Candidate
    found: Mapping[str, str] = field(default_factory=dict)
    animated: frozenset[str] = frozenset()
    #: What it asks for; none where that is judged on the claimed bytes alone.
    readings: Sequence[Reading] = ()
    #: The text that was read for that.
    text: bytes = b""
    problem: Problem | None = None


@dataclass(frozen=True)
class Later:
    """A drop that isn't ready: seconds until it is worth another look (None: once something changes), and why."""

    seconds: float | None = None
    hold: Hold | None = None


class Consideration:
    """Judges one candidate after another; moments are seconds of one monotonic clock."""

    def __init__(
        self,
        inbox: Path,
        config: Config,
        library: Library,
        listing: Listing,
        stillness: Stillness,
        texts: Texts,
        lookup: Lookup,
        named: NamedMedia,
        earlier: Earlier,
    ) -> None:
        self._inbox = inbox
        self._watch = config.watch
        self._library = library
        self._listing = listing
        self._stillness = stillness
        self._texts = texts
        self._lookup = lookup
        self._named = named
        self._earlier_jobs = earlier
        self._readiness = Readiness(inbox, config.watch, stillness, named.facts)
        #: Kinds of media alone that wait for a companion, by task and what their names say.
        self._incomplete: set[tuple[object, ...]] = set()

    def forget(self) -> None:
        """Forget what was found of media alone: the workflows are others now."""
        self._incomplete.clear()

    def job(self, candidate: Candidate, since_s: float, folder_still_s: float, now: float) -> Ready | Later:
        """Judge a drop that has a word: a job file, a prompt, a folder, a status file; raises OSError."""
        if (unsettled := self._unless_settled(candidate, folder_still_s)) is not None:
            return unsettled
        first, *rest = candidate.members
        # What only moves along in a folder is whole like the rest, but a link among it keeps nobody waiting.
        rest = [path for path in rest if path not in candidate.others or _is_plain(self._listing.facts(path))]
        job = self._job_of(candidate)
        found = self._find(candidate, job) if job else {}
        self._stillness.note(now, self._named.name(first, set(found.values())))
        if (later := self._unless_ready(candidate, rest, since_s, now)) is not None:
            return later
        dropped = self._dropped(candidate, found)
        try:
            readings = read(dropped, self._library, job)
        except Missing as missing:
            hold = Hold("media_missing", missing.title, missing.fix, utc_now())
            return self._wait(candidate, hold, candidate.members, since_s, now)
        except Rejected:
            # Judged again on the claimed bytes: only they are sure not to change any more.
            return Ready(candidate, found, dropped.animated)
        if (later := self._unless_ready(candidate, sorted(set(found.values())), since_s, now)) is not None:
            return later
        return Ready(candidate, found, dropped.animated, readings, text=self._texts.text_of(first))

    def at_rest(self, candidate: Candidate) -> JobFile | None:
        """Return what a drop that rests says, None where that can't be told yet; its files are nobody else's."""
        if self._unless_settled(candidate, float("inf")) is not None or (job := self._job_of(candidate)) is None:
            return None
        self._named.name(candidate.members[0], set(self._find(candidate, job).values()))
        return job

    def media(self, candidate: Candidate, since_s: float, folder_still_s: float, now: float) -> Ready | Later:
        """Judge media alone."""
        plain = all(_is_plain(self._listing.facts(path)) for path in candidate.media)
        named = any(map(self._named.is_named, candidate.media))
        said = _said(candidate)
        if not plain or named or said in self._incomplete or not all(map(self._stillness.is_whole, candidate.media)):
            return Later()
        if (remaining_s := self._watch.sidecar_wait_seconds - folder_still_s) > 0:
            return Later(remaining_s)
        dropped = self._dropped(candidate, {})
        try:
            read(dropped, self._library)
        except Missing:
            # It wants a companion or a job file, and stays untouched until one comes.
            if not dropped.animated:
                self._incomplete.add(said)
            return Later()
        except Rejected:
            pass
        return self._unless_ready(candidate, candidate.media, since_s, now) or Ready(candidate, {}, dropped.animated)

    def is_drop(self, candidate: Candidate) -> bool:
        """Tell whether files are a drop as they are: media alone that wait for a companion are none yet."""
        if candidate.kind != "media":
            return True
        if any(map(self._named.is_named, candidate.media)):
            return False
        try:
            read(self._dropped(candidate, {}), self._library)
        except Rejected:
            return True
        except (Missing, OSError):
            return False
        return True

    # ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _unless_settled(self, candidate: Candidate, folder_still_s: float) -> Later | None:
        """Return why the deciding file can't be read yet, or None."""
        first = candidate.members[0]
        facts = self._listing.facts(first)
        if facts is not None and facts.kind != "file":
            return Later(None, not_a_file(first, "Drop the file itself."))
        if facts is None or not self._stillness.is_whole(first):
            return Later()
        if candidate.folder and (remaining_s := self._watch.sidecar_wait_seconds - folder_still_s) > 0:
            # What copies a folder may be between two of its files.
            return Later(remaining_s)
        return None

    def _job_of(self, candidate: Candidate) -> JobFile | None:
        facts = self._listing.facts(candidate.members[0])
        assert facts is not None
        try:
            return self._texts.job_of(candidate, facts)
        except Rejected:
            return None

    def _find(self, candidate: Candidate, job: JobFile) -> dict[str, str]:
        """Return where each file lies that a job names and doesn't own."""
        home = candidate.folder or candidate.members[0].rpartition("/")[0]
        owned = self._dropped(candidate, {})
        found: dict[str, str] = {}
        for name in named_files(job):
            if owned.owned(name) is None:
                key = self._lookup.find(home, name) or self._earlier(candidate, name)
                if key is not None and key not in candidate.members:
                    found[name] = key
        return found

    def _earlier(self, candidate: Candidate, name: str) -> str | None:
        """Return where the earlier job's own file lies now, for a status file that asks for its job again."""
        if candidate.kind != "again":
            return None
        return self._earlier_jobs.file_of(drop_of_status((self._inbox / candidate.members[0]).read_bytes()), name)

    def _dropped(self, candidate: Candidate, found: Mapping[str, str]) -> Dropped:
        own = {_own_name(candidate, path): path for path in candidate.media}
        paths = {**own, **found}
        moving = (name for name in paths if PurePosixPath(name).suffix.lower() in _MAY_MOVE)
        animated = frozenset(name for name in moving if is_animated(self._inbox / paths[name]))
        return Dropped(
            candidate.task,
            candidate.grouping,
            candidate.name,
            word_of(candidate),
            None,
            tuple(own),
            dict(found),
            animated,
        )

    def _unless_ready(
        self, candidate: Candidate, media: Sequence[str], since_s: float, now: float
    ) -> Later | Ready | None:
        obstacle = self._readiness.obstacle(media, since_s, now)
        if isinstance(obstacle, Hold):
            return self._wait(candidate, obstacle, (*candidate.members, *media), since_s, now)
        return None if obstacle is None else Later(obstacle)

    def _wait(
        self, candidate: Candidate, hold: Hold, files: Sequence[str], since_s: float, now: float
    ) -> Later | Ready:
        """Wait visibly; media_wait_minutes after the last change of any of its files, reject with the same words."""
        still_s = self._readiness.still_s(files, since_s, now)
        remaining_s = self._watch.media_wait_minutes * 60 - still_s
        if remaining_s > 0:
            soon_s, seldom_s = _LOOK_AGAIN_S
            return Later(min(remaining_s, max(soon_s, min(seldom_s, still_s / 10))), hold)
        # A link in the place of its media stays where it is: it is none of the drop's files.
        plain = candidate
        if candidate.folder is None:
            media = tuple(path for path in candidate.media if _is_plain(self._listing.facts(path)))
            plain = replace(candidate, media=media)
        return Ready(plain, problem=Problem(hold.code, hold.title, hold.fix))


def _own_name(candidate: Candidate, path: str) -> str:
    """Return the name by which a drop's own file is meant: from its folder, if that was dropped."""
    return path.removeprefix(f"{candidate.folder}/") if candidate.folder else PurePosixPath(path).name


def _is_plain(facts: object) -> bool:
    return getattr(facts, "kind", None) == "file"


def _said(candidate: Candidate) -> tuple[object, ...]:
    """Return all that the names of media alone say."""
    names = [PurePosixPath(path).name for path in candidate.media]
    return (candidate.task, candidate.grouping, *((role_of(name, candidate.name), media_kind(name)) for name in names))

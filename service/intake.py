"""Intake: a listing becomes drops, a drop that is whole becomes a claim, a claim is handed on to be admitted."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from service.config import Config
from service.drops import Candidate, group, is_control
from service.ending import Ending
from service.errors import Problem, Rejected, internal_problem
from service.inbox.claim import ClaimLost, Claims, MembersChanged
from service.inbox.look import Trouble, look
from service.inbox.record import Claim, Member
from service.job import Hold
from service.jobfile import JobFile
from service.named_media import NamedMedia
from service.patience import Patience, folder_of
from service.readiness import Readiness, not_a_file
from service.reading import Dropped, Library, Missing, named_files, read
from service.register import Register
from service.settling import FileFacts
from service.sightings import Seen, Sightings
from service.stillness import Stillness
from service.store import utc_now
from service.texts import Texts

LOG = logging.getLogger(__name__)


class Intake:
    """Decides from listings alone; events only shorten the wait for the next one. All of it runs on one thread."""

    def __init__(
        self,
        inbox: Path,
        config: Config,
        library: Library,
        register: Register,
        claims: Claims,
        ending: Ending,
        admit: Callable[[Claim], None],
        *,
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._inbox = inbox
        self._config = config
        self._library = library
        self._register = register
        self._store = register.store
        self._claims = claims
        self._ending = ending
        self._admit = admit
        self._monotonic = monotonic
        self._stillness = Stillness(inbox, config.watch)
        self._files: Mapping[str, FileFacts] = {}
        self._patience = Patience()
        self._readiness = Readiness(inbox, config.watch, self._stillness, self._patience)
        self._texts = Texts(inbox)
        self._named_media = NamedMedia(register.store)
        self._sightings = Sightings(register, new_id)
        self._due_s: float | None = None
        self._pending = False
        #: Deciding files over which we stumbled; told once for as long as they stay the same.
        self._faults: dict[str, FileFacts] = {}
        self._told: set[Trouble] = set()
        self._beside: dict[str, list[str]] = {}
        #: Whether the newest look found nothing that time alone will make whole.
        self.settled = False
        #: Files that are no drop and that nobody touches, at the newest look.
        self.left_alone: tuple[str, ...] = ()
        #: PAUSE and NAME.cancel files, inbox-relative: their part isn't built yet, so they do nothing.
        self.unbuilt: tuple[str, ...] = ()

    def recall(self) -> None:
        """Take up the drops that an earlier life of the daemon saw; the next look decides whether they are there."""
        self._sightings.recall(self._monotonic())

    def notices(self) -> dict[str, Problem | None]:
        """Return what the operator should know of the inbox, by code; None where there is nothing."""
        return {"writers_unseen": self._stillness.unseen}

    def step(self) -> float | None:
        """Look once and do what is due; return after how many seconds something may be due again, or None."""
        now = self._monotonic()
        self._due_s = None
        self._pending = False
        listing = look(self._inbox, list(self._library.tasks))
        self._files = listing.files
        self._patience.note(listing.files, now)
        self._texts.keep(listing.files)
        self._tell(listing.troubles)
        self._beside = defaultdict(list)
        for path in listing.files:
            self._beside[folder_of(path)].append(PurePosixPath(path).name)
        candidates, self.left_alone = group(listing.files, self._library.tasks, self._library.prompted)
        self._note_unbuilt()
        whole = self._stillness.observe(now, listing.files)
        jobs = [candidate for candidate in candidates if candidate.kind != "media"]
        self._sightings.forget_vanished({candidate.members[0] for candidate in candidates})
        self._see_new(jobs, now)
        named = self._named(jobs, whole, now)
        for candidate in jobs:
            self._safely(candidate, now, partial(self._consider, candidate, whole, now))
        for candidate in candidates:
            if candidate.kind == "media":
                self._safely(candidate, now, partial(self._consider_media, candidate, whole, named, now))
        due = self._stillness.next_due_s(now)
        self.settled = due is None and not self._pending
        return min((wait for wait in (due, self._due_s) if wait is not None), default=None)

    # what the listing says -------------------------------------------------------------------------------------------

    def _see_new(self, candidates: list[Candidate], now: float) -> None:
        try:
            self._sightings.see_new(candidates, now)
        except sqlite3.Error:
            raise
        except Exception:  # of one among them: each is then seen by itself
            LOG.debug("several drops can't be recorded together", exc_info=True)

    def _tell(self, troubles: Sequence[Trouble]) -> None:
        for trouble in set(troubles) - self._told:
            LOG.warning("%s: %s %s", trouble.folder, trouble.title, trouble.fix)
        self._told = set(troubles)

    def _note_unbuilt(self) -> None:
        found = [path for path in self.left_alone if is_control(PurePosixPath(path).name)]
        # The root isn't listed, and a share may not know capitals.
        found += [name for name in ("PAUSE", "PAUSE.txt") if os.path.lexists(self._inbox / name)]
        for path in set(found) - set(self.unbuilt):
            LOG.warning("%s does nothing: control by file is not built yet. Take it away.", path)
        self.unbuilt = tuple(sorted(found))

    def _wait_s(self, seconds: float) -> None:
        self._due_s = seconds if self._due_s is None else min(self._due_s, seconds)

    def _named(self, candidates: list[Candidate], whole: frozenset[str], now: float) -> set[str]:
        """Return every media file that a job file names, now or at an earlier claim while it is the same file."""
        named = self._named_media.present(self._files, now)
        for candidate in candidates:
            if candidate.members[0] in whole:
                try:
                    job = self._texts.job_of(candidate, self._files[candidate.members[0]])
                except (Rejected, OSError):
                    continue
                except Exception:  # told when the drop itself is looked at
                    LOG.debug("%s: a fault in Reeldrop while reading it", candidate.members[0], exc_info=True)
                    continue
                folder = folder_of(candidate.members[0])
                named |= {f"{folder}/{file}" for file in named_files(job)}
        return named

    def _safely(self, candidate: Candidate, now: float, consider: Callable[[], None]) -> None:
        """One drop that can't be read or moved, or that we stumble over, never stops those that come after it."""
        try:
            consider()
            return
        except OSError as trouble:
            seen = self._sightings.see(candidate, now)
            name = PurePosixPath(candidate.members[0]).name
            title = f"{name} can't be taken: {trouble.strerror or trouble}."
            fix = "Give Reeldrop's user the right to read and move it, or drop a copy."
            self._register.hold(seen.job, Hold("not_readable", title, fix, utc_now()))
        except sqlite3.Error:
            # Without its database nothing more can be said of any drop.
            raise
        except Exception:  # a fault of ours holds the drop, never the daemon
            if self._faults.get(candidate.members[0]) != self._files[candidate.members[0]]:
                LOG.exception("%s: a fault in Reeldrop while looking at it", candidate.members[0])
            self._hold_for_our_fault(candidate)
        self._wait_s(self._config.watch.rescan_seconds)

    def _hold_for_our_fault(self, candidate: Candidate) -> None:
        path = candidate.members[0]
        self._faults[path] = self._files[path]
        if seen := self._sightings.known(path):
            fault = internal_problem("looking at it")
            self._register.hold(seen.job, Hold(fault.code, fault.title, fault.fix, utc_now()))

    # one drop --------------------------------------------------------------------------------------------------------

    def _consider(self, candidate: Candidate, whole: frozenset[str], now: float) -> None:
        seen = self._sightings.see(candidate, now)
        first = candidate.members[0]
        if self._files[first].kind != "file":
            self._register.hold(seen.job, not_a_file(first, "Drop the file itself."))
            return
        if first not in whole:
            return
        if not self._is_ready(seen, candidate, candidate.media, whole, now):
            return
        try:
            job = self._texts.job_of(candidate, self._files[first])
            reading = read(self._dropped(candidate, job), self._library, job)[0]
        except Missing as missing:
            self._wait(seen, Hold("media_missing", missing.title, missing.fix, utc_now()), candidate, (), now)
            return
        except Rejected:
            # Judged again on the claimed bytes: only they are sure not to change any more.
            self._claim(candidate, seen, {})
            return
        members = {PurePosixPath(path).name for path in candidate.members}
        folder = folder_of(first)
        shared = {role: f"{folder}/{file}" for role, file in reading.roles.items() if file not in members}
        if self._is_ready(seen, candidate, tuple(shared.values()), whole, now):
            self._claim(candidate, seen, shared)

    def _consider_media(self, candidate: Candidate, whole: frozenset[str], named: set[str], now: float) -> None:
        if not named.isdisjoint(candidate.media) or any(self._files[path].kind != "file" for path in candidate.media):
            return
        if not whole.issuperset(candidate.media):
            return
        still_s = self._patience.folder_still_s(candidate.media[0], now)
        remaining_s = self._config.watch.sidecar_wait_seconds - still_s
        if remaining_s > 0:
            self._pending = True
            self._wait_s(remaining_s)
            return
        try:
            read(self._dropped(candidate), self._library)
        except Missing:
            # It wants a companion or a job file, and stays untouched until one comes.
            return
        except Rejected:
            pass
        seen = self._sightings.see(candidate, now)
        if self._is_ready(seen, candidate, candidate.media, whole, now):
            self._claim(candidate, seen, {})

    def _dropped(self, candidate: Candidate, job: JobFile | None = None) -> Dropped:
        folder = folder_of(candidate.members[0])
        beside = self._beside.get(folder, ())
        names = tuple(PurePosixPath(path).name for path in candidate.media)
        found = {name: f"{folder}/{name}" for name in (named_files(job) if job else ()) if name in beside}
        return Dropped(candidate.task, candidate.grouping, candidate.name, candidate.kind, None, names, found)

    def _is_ready(
        self, seen: Seen, candidate: Candidate, media: tuple[str, ...], whole: frozenset[str], now: float
    ) -> bool:
        """Tell whether media is whole; what keeps it is said on the drop, unless it is only just settling."""
        obstacle = self._readiness.obstacle(media, self._files, whole, seen.changed_s, now)
        if isinstance(obstacle, Hold):
            self._wait(seen, obstacle, candidate, media, now)
        elif obstacle is not None:
            self._wait_s(obstacle)
        return obstacle is None

    def _wait(self, seen: Seen, hold: Hold, candidate: Candidate, named: tuple[str, ...], now: float) -> None:
        """Wait visibly; media_wait_minutes after the last change of any of its files, reject with the same words."""
        still_s = self._patience.still_s({*candidate.members, *named}, seen.changed_s, now)
        remaining_s = self._config.watch.media_wait_minutes * 60 - still_s
        if remaining_s > 0:
            self._register.hold(seen.job, hold)
            self._wait_s(remaining_s)
            return
        # A link in the place of its media stays where it is: it is none of the drop's files.
        plain = tuple(path for path in candidate.media if self._files[path].kind == "file")
        self._claim(replace(candidate, media=plain), seen, {}, Problem(hold.code, hold.title, hold.fix))

    def _claim(
        self, candidate: Candidate, seen: Seen, shared: Mapping[str, str], problem: Problem | None = None
    ) -> None:
        members = [Member(path, self._files[path]) for path in candidate.members]
        record: dict[str, Any] = {
            "task": candidate.task,
            "grouping": candidate.grouping,
            "name": candidate.name,
            "kind": candidate.kind,
            "job": seen.job,
            "shared": dict(shared),
            "found": {PurePosixPath(path).name: path for path in shared.values()},
            "animated": [],
            "named": {path: _identity(self._files[path]) for path in shared.values()},
            "problem": problem.as_json() if problem else None,
        }
        try:
            claim = self._claims.make(seen.drop, members, **record)
        except (ClaimLost, MembersChanged) as trouble:
            LOG.info("%s: %s; it is looked at again", candidate.members[0], trouble)
            self._wait_s(self._config.watch.quiet_seconds_local)
            return
        for path, (size, mtime_ns, _) in record["named"].items():
            self._named_media.name(path, size, mtime_ns)
        self._store.mark_drop(seen.drop, claimed=True, members=list(candidate.members), kind=candidate.kind)
        self._sightings.forget(candidate)
        self._ending.keep(claim)
        self._admit(claim)


def _identity(facts: FileFacts) -> list[int]:
    """Return what tells a named file from another one later."""
    return [facts.size, facts.mtime_ns, facts.inode]

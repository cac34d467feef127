"""Waiting: what keeps a drop from being claimed is said on it, and when to look at it again is noted."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence

from service.agenda import Agenda
from service.config_keys import Watch
from service.consideration import Later
from service.drops import Candidate
from service.errors import internal_problem
from service.job import Hold
from service.register import SHARED_HOLD_FILES, Register
from service.settling import FileFacts
from service.sightings import Sightings
from service.store import utc_now

LOG = logging.getLogger(__name__)
#: So many drops that aren't whole yet are shown in one step, the others after this (s).
_MOST_SHOWN = 256
_SHOWN_LATER_S = 1.0


class Waiting:
    """The drops of one inbox that wait; moments are seconds of the caller's monotonic clock."""

    def __init__(
        self,
        register: Register,
        sightings: Sightings,
        agenda: Agenda,
        facts: Callable[[str], FileFacts | None],
        watch: Watch,
    ) -> None:
        self._register = register
        self._sightings = sightings
        self._agenda = agenda
        self._facts = facts
        self._watch = watch
        #: Deciding files of drops that wait for media.
        self.for_media: set[str] = set()
        #: Deciding files of drops whose status files say that they are paused.
        self._paused: set[str] = set()
        #: How many drops that aren't whole were shown in this step.
        self._shown = 0
        #: Deciding files over which we stumbled, as they were then.
        self._faults: dict[str, FileFacts | None] = {}

    def begin_step(self) -> None:
        """Begin a step of the intake: drops that aren't whole are shown anew, up to a limit."""
        self._shown = 0

    def see_unsettled(
        self, candidates: Sequence[Candidate], is_whole: Callable[[str], bool], now: float
    ) -> list[Candidate]:
        """
        Give drops that aren't whole yet their rows and status files, and return those that are to be considered.

        What can be claimed at once is shown when it is queued. Of thousands that have just come, the first are shown
        now, the others in a moment, when most of them are whole: a status file for an instant is a file too many.
        """
        new = (each for each in candidates if each.kind != "media" and self._sightings.known(each.members[0]) is None)
        unsettled = [each for each in new if not is_whole(each.members[0])]
        room = max(0, _MOST_SHOWN - self._shown)
        self._shown += len(unsettled[:room])
        self._see_all(unsettled[:room], now)
        later = {each.members[0] for each in unsettled[room:]}
        for path in later:
            self._agenda.set(path, now + _SHOWN_LATER_S)
        return [each for each in candidates if each.members[0] not in later]

    def _see_all(self, candidates: Sequence[Candidate], now: float) -> None:
        try:
            self._sightings.see_all(candidates, now)
        except sqlite3.Error:
            # Without its database nothing more can be said of any drop.
            raise
        except Exception:  # of one among them: each is then seen by itself
            LOG.debug("several drops can't be recorded together", exc_info=True)

    def release(self, path: str) -> None:
        """Let go of a drop that waits for nothing any more."""
        self.for_media.discard(path)
        self._paused.discard(path)

    def forget(self, path: str) -> None:
        """Let go of a drop that is gone."""
        self.release(path)
        self._faults.pop(path, None)

    def note(self, candidate: Candidate, later: Later, now: float) -> None:
        """Note when to look at a drop again, and say what keeps it."""
        first = candidate.members[0]
        if later.seconds is not None:
            self._agenda.set(first, now + later.seconds)
        if later.hold is None:
            return
        if later.hold.code == "media_missing":
            self.for_media.add(first)
        if later.hold.code == "paused":
            if len(self._paused) >= SHARED_HOLD_FILES and first not in self._paused:
                # A hold that many share isn't written to all of their files.
                return
            self._paused.add(first)
        seen = self._sightings.known(first) or self._sightings.see(candidate, now)
        self._register.hold(seen.job, later.hold)

    def hold_for_trouble(self, candidate: Candidate, trouble: OSError, now: float) -> None:
        """Hold a drop that can't be read or moved; it never stops those that come after it."""
        seen = self._sightings.see(candidate, now)
        name = candidate.members[0].rpartition("/")[2]
        title = f"{name} can't be taken: {trouble.strerror or trouble}."
        fix = "Give Reeldrop's user the right to read and move it, or drop a copy."
        self._register.hold(seen.job, Hold("not_readable", title, fix, utc_now()))
        self._agenda.set(candidate.members[0], now + self._watch.rescan_seconds)

    def is_new_fault(self, path: str) -> bool:
        """Tell whether we stumble over this file for the first time since it changed."""
        facts = self._facts(path)
        is_new = self._faults.get(path, 0) != facts
        self._faults[path] = facts
        return is_new

    def hold_for_our_fault(self, path: str, now: float) -> None:
        """Hold a drop over which we stumbled; it is tried again by the clock."""
        if seen := self._sightings.known(path):
            fault = internal_problem("looking at it")
            self._register.hold(seen.job, Hold(fault.code, fault.title, fault.fix, utc_now()))
        self._agenda.set(path, now + self._watch.rescan_seconds)

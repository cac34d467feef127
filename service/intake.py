"""Intake: a listing becomes drops, drops that are ready become claims, claims are handed on to be admitted."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from service.agenda import Agenda
from service.attention import Attention
from service.claiming import Admitting, Claiming
from service.config import Config
from service.consideration import Consideration, Later, Ready
from service.control import Control
from service.disk import Disk
from service.drops import Candidate
from service.earlier import Earlier
from service.ending import Ending
from service.errors import Problem
from service.followers import Followers
from service.inbox.claim import ClaimLost, Claims, MembersChanged
from service.inbox.look import Changes, Listing
from service.inbox.lookup import Lookup
from service.named_media import NamedMedia
from service.orders import Orders
from service.pairing import Pairing
from service.reading import Library
from service.register import Register
from service.resting import Resting
from service.sightings import Sightings
from service.stillness import Stillness
from service.texts import Texts
from service.waiting import Waiting

LOG = logging.getLogger(__name__)
#: After so long (s) of taking in, the inbox is looked at again, for somebody else may have dropped something.
_STEP_S = 0.5
#: Where looking is costly, taking in goes on for so many times as long.
_LOOKS = 20
#: So many drops at most are taken in one step of disk and store; it keeps every other thread from them.
_TOGETHER = 256
#: After a group the others get a turn: who takes a lock again at once is never overtaken by those that wait for it.
_TURN_S = 0.002


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
        admission: Admitting,
        control: Control,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._inbox = inbox
        self._config = config
        self._register = register
        self._store = register.store
        self._control = control
        self._monotonic = monotonic
        self._disk = Disk()
        self._stillness = Stillness(inbox, config.watch)
        self._texts = Texts(inbox, library.max_cells)
        self._listing = Listing(inbox, library.tasks)
        self._pairing = Pairing(self._listing, library.tasks, library.prompted, library.presets)
        self._lookup = Lookup(inbox, [Path(root) for root in config.media_roots])
        self._named = NamedMedia(register.store, self._lookup, self._listing.facts)
        self._sightings = Sightings(register, new_id)
        self._consideration = Consideration(
            inbox,
            config,
            library,
            self._listing,
            self._stillness,
            self._texts,
            self._lookup,
            self._named,
            Earlier(register.store, self._lookup),
        )
        facts = self._named.facts
        self._claiming = Claiming(claims, register.store, self._sightings, self._named, ending, admission, facts)
        self._resting = Resting(
            register, claims, self._sightings, self._claiming, ending, admission, now=now, new_id=new_id
        )
        self._followers = Followers(inbox, register.store, self._named, self._listing.facts, self._disk)
        self._agenda = Agenda()
        self._attention = Attention(self._pairing.candidate)
        self._orders = Orders(
            inbox,
            register.store,
            self._disk,
            control,
            self._pairing,
            self._sightings,
            self._attention,
            self._consideration.is_drop,
        )
        self._folder_changed_s: dict[str, float] = {}
        self._media_changed_ns = 0
        self._waiting = Waiting(register, self._sightings, self._agenda, self._listing.facts, config.watch)
        self._left_seen: set[str] = set()
        #: What the newest look cost, in seconds of a core.
        self.look_took_s = 0.0
        #: When a look last found something new on the caller's clock, None for never.
        self.changed_s: float | None = None
        #: Whether the newest look found nothing that time alone will make whole.
        self.settled = False

    def restock(self, library: Library) -> None:
        """Follow other tasks, workflows and presets; every drop that waits is considered again by these."""
        self._listing.follow(library.tasks)
        self._consideration.forget()
        self._follow(self._pairing.follow(library.tasks, library.prompted, library.presets), self._monotonic())
        self._attention.call([candidate.members[0] for candidate in self._pairing.candidates()])

    def recall(self) -> None:
        """Take up the drops that an earlier life of the daemon saw; the next look decides whether they are there."""
        self._left_seen = set(self._sightings.recall(self._monotonic()))
        self._resting.begin()

    def notices(self) -> dict[str, Problem | None]:
        """Return what the operator should know of the inbox, by code; None where there is nothing."""
        troubles = self._listing.troubles
        trouble = Problem("listing", troubles[0].title, troubles[0].fix) if troubles else None
        return {"writers_unseen": self._stillness.unseen, "listing": trouble}

    @property
    def left_alone(self) -> tuple[str, ...]:
        """Files in task folders that are no drop and that nobody touches, at the newest look."""
        return self._pairing.left_alone()

    @property
    def is_following(self) -> bool:
        """Whether a file that jobs named is yet to go where the last of them went."""
        return self._followers.is_due()

    def step(self) -> float | None:
        """Look once and do what is due; return after how many seconds something may be due again, or None."""
        now = self._monotonic()
        self._look(now)
        for path in self._agenda.take(now):
            self._attention.call([path])
        if self._resting.has_leapt(now):
            self._attention.call(each.members[0] for each in self._pairing.candidates() if each.rests)
        self._orders.obey(now)
        for candidate in self._orders.cancelled():
            self._attention.forget(candidate.members[0])
            self._claim([Ready(candidate)], now)
        self._take_in(now)
        self._resting.settle()
        self._followers.move()
        self._named.tidy(now)
        due = [wait for wait in (self._stillness.next_due_s(now), self._agenda.next_s(now)) if wait is not None]
        if self._attention:
            due.append(0.0)
        self.settled = not self._attention and self._stillness.next_due_s(now) is None and not self._waits_for_quiet()
        return min(due, default=None)

    # what the look found ---------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        began_s = time.thread_time()
        changes = self._listing.look()
        elsewhere, gone_elsewhere = self._named.refresh()
        self._stillness.note(now, changes.changed | elsewhere, changes.gone | gone_elsewhere)
        if changes.folders or elsewhere or gone_elsewhere:
            self.changed_s = now
        self._follow(changes, now)
        for path in self._stillness.judge(now):
            if (deciding := self._pairing.owner(path)) is not None:
                self._attention.call([deciding])
            self._attention.call(self._named.namers(path))
        for key in gone_elsewhere:
            self._attention.call(self._named.namers(key))
        self.look_took_s = time.thread_time() - began_s

    def _follow(self, changes: Changes, now: float) -> None:
        """Let everything that remembers files or drops know what changed."""
        for folder in changes.folders:
            self._folder_changed_s[folder] = now
        touched, vanished = self._pairing.update(changes)
        if self._left_seen:
            # What an earlier life saw and what is gone since vanishes like what went before our eyes.
            vanished |= {path for path in self._left_seen if self._pairing.candidate(path) is None}
            self._left_seen = set()
        for path in vanished:
            self._named.forget(path)
            self._agenda.drop(path)
            self._waiting.forget(path)
            self._resting.forget(path)
            self._texts.forget(path)
        for path in self._sightings.vanish(vanished):
            self._left_seen.add(path)
        for path in changes.changed:
            if (deciding := self._pairing.owner(path)) is not None and deciding not in touched:
                touched.append(deciding)
        self._attention.call(touched)
        media_changed_ns = self._lookup.media_changed_ns()
        if media_changed_ns != self._media_changed_ns:
            self._media_changed_ns = media_changed_ns
            self._attention.call(self._waiting.for_media)
        elif changes.folders:
            self._attention.call(
                [path for path in self._waiting.for_media if path.rpartition("/")[0] in changes.folders]
            )

    def _waits_for_quiet(self) -> bool:
        """Tell whether media alone still waits for its folder to be quiet."""
        due_s = self._agenda.next_s(self._monotonic())
        return due_s is not None and due_s <= self._config.watch.sidecar_wait_seconds

    # one drop after another ------------------------------------------------------------------------------------------

    def _take_in(self, now: float) -> None:
        """Consider what has come up, task by task in turn, until it is time to look again."""
        self._waiting.begin_step()
        until_s = self._monotonic() + max(_STEP_S, _LOOKS * self.look_took_s)
        try:
            while self._attention and self._monotonic() < until_s:
                for task in self._attention.tasks():
                    self._consider_all(self._attention.take(task, _TOGETHER), now)
                    time.sleep(_TURN_S)
        finally:
            self._claiming.finish()

    def _consider_all(self, candidates: Sequence[Candidate], now: float) -> None:
        ready: list[Ready] = []
        for candidate in self._waiting.see_unsettled(candidates, self._stillness.is_whole, now):
            try:
                found = self._consider(candidate, now)
            except OSError as trouble:
                self._waiting.hold_for_trouble(candidate, trouble, now)
            except sqlite3.Error:
                # Without its database nothing more can be said of any drop.
                raise
            except Exception:  # a fault of ours holds the drop, never the daemon
                if self._waiting.is_new_fault(candidate.members[0]):
                    LOG.exception("%s: a fault in Reeldrop while looking at it", candidate.members[0])
                self._waiting.hold_for_our_fault(candidate.members[0], now)
            else:
                ready += [found] if found else []
        if ready:
            self._claim(ready, now)

    def _consider(self, candidate: Candidate, now: float) -> Ready | None:
        first = candidate.members[0]
        self._agenda.drop(first)
        folder_still_s = self._folder_still_s(candidate, now)
        known = self._sightings.known(first)
        since_s = self._sightings.see(candidate, now).changed_s if known else now
        judge = self._consideration.media if candidate.kind == "media" else self._consideration.job
        verdict: Ready | Later | None = self._rests(candidate, now)
        if verdict is None:
            since_s = max(since_s, self._resting.due_since_s(first) or since_s)
            verdict = judge(candidate, since_s, folder_still_s, now)
        if isinstance(verdict, Ready):
            paused = self._control.hold_of(candidate.task)
            if paused is None:
                self._waiting.release(first)
                return None if self._is_laid_aside(verdict, now) else verdict
            verdict = Later(None, paused)
        if candidate.kind != "media":
            self._sightings.see(candidate, now)
        self._waiting.note(candidate, verdict, now)
        return None

    def _rests(self, candidate: Candidate, now: float) -> Later | None:
        """Return how long a drop in inbox/scheduled/ rests yet; None where it is due, elsewhere, or says no time."""
        job = self._consideration.at_rest(candidate) if candidate.rests else None
        return self._resting.look(candidate, job, now) if job is not None else None

    def _is_laid_aside(self, ready: Ready, now: float) -> bool:
        """Lay a drop to rest that is ready before its time, or begin one time of what comes again; else do nothing."""
        if not self._resting.takes(ready):
            return False
        path = ready.candidate.members[0]
        try:
            self._resting.take(ready, now)
        except (ClaimLost, MembersChanged) as changed:
            LOG.info("%s: %s; it is looked at again", path, changed)
        self._agenda.set(path, now + self._config.watch.quiet_seconds_local)
        return True

    def _folder_still_s(self, candidate: Candidate, now: float) -> float:
        if candidate.folder is None:
            return now - self._folder_changed_s.get(candidate.members[0].rpartition("/")[0], now)
        folders = {path.rpartition("/")[0] for path in candidate.members}
        return min(now - self._folder_changed_s.get(folder, now) for folder in folders)

    def _claim(self, ready: Sequence[Ready], now: float) -> None:
        candidates = {each.candidate.members[0]: each.candidate for each in ready}
        try:
            failed = self._claiming.take(ready, now)
        except sqlite3.Error:
            raise
        except Exception:  # of one among them: each is then taken by itself
            if len(ready) > 1:
                LOG.debug("several drops can't be taken together", exc_info=True)
                for each in ready:
                    self._claim([each], now)
                return
            [path] = candidates
            if self._waiting.is_new_fault(path):
                LOG.exception("%s: a fault in Reeldrop while taking it", path)
            self._waiting.hold_for_our_fault(path, now)
            return
        for path, trouble in failed.items():
            if trouble is not None:
                self._waiting.hold_for_trouble(candidates[path], trouble, now)
            else:
                self._agenda.set(path, now + self._config.watch.quiet_seconds_local)

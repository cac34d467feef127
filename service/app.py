"""The roof: builds the rooms, starts the threads, notices when one falls, stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from service import heartbeat
from service.building import Rooms
from service.config import Config
from service.errors import Problem, Unavailable
from service.examiner import Classifier, OpenNsfw
from service.inbox.pauses import paused_in
from service.job import Hold
from service.liveness import EVERY_S, STALE_S
from service.pace import next_look_s
from service.recovery import recover
from service.store import utc_now

LOG = logging.getLogger(__name__)
#: Everything together is given this long to end; what it was doing is found again at the next start.
_STOP_S = 4.0
#: What commands and control files ask is looked for this often.
_ATTEND_S = 1.0
#: After a look that took longer than this (s), events are left unheard for so many times as long.
_COSTLY_LOOK_S = 0.05
_LOOK_REST = 5
#: A look through a slow share, and what it finds, may take so long.
_LOOK_ALLOWED_S = 900.0


class Fallen(Exception):
    """A thread of the daemon has ended by itself; the service manager must start the daemon again."""


class App(Rooms):
    """One daemon over one inbox, from `open` to `close`."""

    def __init__(self, config: Config, *, classifier: Callable[[], Classifier] = OpenNsfw) -> None:
        super().__init__(config, classifier)
        self._threads: list[threading.Thread] = []
        self._noticed: dict[str, Problem | None] = {}
        self._started_at = utc_now()
        self._said_s = -EVERY_S
        #: Called once when everything is running.
        self.on_start: Callable[[], None] | None = None

    # life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up what an earlier life left, then start the threads."""
        self._drops_examiner.start()
        self._results_examiner.start()
        backends = {lane.name for lane in self.lanes}
        admit_all, retried = self.admission.admit_all, self.retrial.resume
        recover(self.store, self.register, self._claims, self.ending, admit_all, retried, backends)
        self.releasing.resume(self.retrial.retry)
        # Before a lane can take a job: a pause outlives the daemon.
        self.control.note_pauses(paused_in(self.config.inbox_dir, self.library.tasks))
        self.intake.recall()
        self.check()
        self.housekeeping.start()
        self._start("intake", self._take_in)
        for lane in self.lanes:
            self._start(f"lane {lane.name}", lane.run)
        if self.telling:
            self._start("notifications", lambda: self.telling.run(self._stop))
        if self.on_start:
            self.on_start()
        self._wake.set()

    def _start(self, name: str, run: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                run()
            except Exception:  # of this thread: told to the roof, which falls loudly
                LOG.exception("%s: a fault in Reeldrop", name)
            finally:
                if not self._stop.is_set():
                    self._fallen.append(name)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _take_in(self) -> None:
        offline = False
        while not self._stop.is_set():
            self._beat()
            self._wake.clear()
            due_s = None
            try:
                self._check_roots()
                if offline:
                    offline = False
                    self.register.hold_queued(None)
                due_s = min_of(self._step(), self.publishing.retry_due_s())
            except Unavailable as away:
                if not offline:
                    LOG.warning("%s", away)
                offline = True
                self.register.hold_queued(Hold(away.code, away.title, away.fix, utc_now()))
            except OSError as trouble:
                LOG.warning("the inbox can't be read now: %s", trouble)
            self._rest(self._pause_s(due_s))

    def _pause_s(self, due_s: float | None) -> float:
        """Return how long to wait for an event before the next look; looking stays a small part of our time."""
        if due_s == 0.0:
            # Drops are waiting to be taken in; that took its time, and looking only a part of it.
            return 0.0
        changed_s = self.intake.changed_s
        return next_look_s(
            polling=self.watch.mode.name == "polling",
            rescan_s=self.config.watch.rescan_seconds,
            look_took_s=self.intake.look_took_s,
            changed_ago_s=None if changed_s is None else time.monotonic() - changed_s,
            due_s=due_s,
            busy=not self.intake.settled,
        )

    def _rest(self, seconds: float) -> None:
        """Wait for a wake or for the time; what commands and files ask for meanwhile isn't kept waiting."""
        until_s = time.monotonic() + seconds
        if self.intake.look_took_s > _COSTLY_LOOK_S and seconds > 0:
            # Where very many files lie, somebody who writes all the time must not make us look all the time.
            self._stop.wait(min(seconds, _LOOK_REST * self.intake.look_took_s))
        while (left_s := until_s - time.monotonic()) > 0 and not self._wake.wait(min(left_s, _ATTEND_S)):
            self._beat()
            self._attend()

    def _beat(self) -> None:
        self.pulses.beat("intake", time.monotonic(), _LOOK_ALLOWED_S)

    def _attend(self) -> None:
        """Do what somebody asks for now, whether or not the inbox can be read."""
        self.setbacks.show()
        self.hours.tell()
        try:
            if self.restocking.look() + self.requests.answer_all(self.verbs) + self.control.look():
                # What waits in the inbox may have been cancelled: its files go back at the next look.
                self._wake.set()
        except OSError as trouble:
            LOG.warning("what is asked can't be read or answered now: %s", trouble)

    def _step(self) -> float | None:
        self._attend()
        self.admission.retry_held()
        self.retrial.retry_held()
        self.publishing.retry_held()
        self.ending.close_all()
        self.register.show_again()
        self.sheets.make_owed()
        self.releasing.publish(self.control.paused_tasks)
        due_s = self.intake.step()
        if not self.lanes:
            hold = Hold("no_backend", "No ComfyUI is configured.", "Name one under backends in config.yaml.", utc_now())
            self.register.hold_queued(hold)
        return due_s

    def _check_roots(self) -> None:
        self._check_root(self.config.inbox_dir)
        self._check_root(self.config.output_dir)

    def check(self) -> None:
        """Raise Fallen if a thread of ours has ended by itself; see to file events, note what troubles us."""
        if self._fallen:
            raise Fallen(f"{self._fallen[0]} has fallen; its traceback is in the log.")
        self.say_alive()
        self.watch.supervise()
        notices = self.watch.notices() | self.intake.notices() | self.restocking.notices() | self.hours.notices()
        if notices != self._noticed:
            for code, problem in notices.items():
                self.store.set_notice(code, problem)
            self._noticed = notices

    def say_alive(self) -> None:
        """Write the heartbeat where it is time; nothing is written while the database can't be."""
        now_s = time.monotonic()
        if now_s - self._said_s < EVERY_S:
            return
        self._said_s = now_s
        # Whoever hangs in a transaction keeps this thread here too: then there is no heartbeat, and that is the news.
        if not self.store.touch():
            return
        self.pulses.beat("writer", time.monotonic(), STALE_S)
        try:
            heartbeat.write(self.config.state_dir, self._started_at, self.pulses.at(time.monotonic()))
        except OSError as trouble:
            LOG.warning("the heartbeat can't be written: %s", trouble)

    def in_one_line(self) -> str:
        """Return how things are, for a service manager's list."""
        counts = self.store.counts()
        jobs = ", ".join(f"{counts[state]} {state}" for state in ("running", "queued", "waiting") if counts.get(state))
        away = [lane.name for lane in self.lanes if lane.trouble is not None]
        return (jobs or "nothing to do") + (f"; away: {', '.join(away)}" if away else "")

    def finished(self) -> bool:
        """Return whether the newest look found nothing to do and every job that can go on by itself has ended."""
        # In the order in which work is handed on: what leaves one step while we ask is found in the next.
        return (
            self.intake.settled
            and not (self.admission.held or self.retrial.pending)
            and not self.store.can_go_on(self.resting_tasks())
            and not self.publishing.busy()
            and not self.sheets.busy()
            and not self.intake.is_following
        )

    def wake(self) -> None:
        """Look at the inbox now."""
        self._wake.set()

    def wait(self, seconds: float) -> bool:
        """Wait until asked to stop, at most so long; return whether we were."""
        return self._stop.wait(seconds)

    def ask_to_stop(self) -> None:
        """Ask the daemon to end; may be called from a signal handler."""
        self._stop.set()

    def stuck(self) -> bool:
        """Return whether there are live jobs and only somebody else can make one go on."""
        return self.intake.settled and self.store.is_stuck(self.resting_tasks())

    def close(self) -> None:
        """Stop every thread and child; nothing is lost, for stopping is a crash that we chose."""
        until_s = time.monotonic() + _STOP_S
        self._stop.set()
        self._wake.set()
        for lane in self.lanes:
            lane.stop()
        self._admitting.stop()
        self._publishers.stop()
        self.publishing.stop()
        # Each of these waits for a child or a thread of its own, so they wait side by side.
        endings: list[Callable[[], object]] = [self.housekeeping.stop, self._drops_examiner.stop]
        endings += [self._results_examiner.stop, *([self._signatures.stop] if self._signatures else [])]
        endings += [self.watch.stop]
        endings += [self._engine.stop] if self._engine else []
        threads = [threading.Thread(target=ending, daemon=True) for ending in endings]
        for thread in threads:
            thread.start()
        for thread in (*threads, *self._threads):
            thread.join(max(0.0, until_s - time.monotonic()))
        self._admitting.join(until_s)
        self._publishers.join(until_s)
        self.lease.release()
        self.store.close()


def min_of(*seconds: float | None) -> float | None:
    """Return the shortest of these waits, or None where there is none."""
    return min((each for each in seconds if each is not None), default=None)

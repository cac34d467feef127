"""The roof: builds the rooms, starts the threads, notices when one falls, stops."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.admission import Admission
from service.beginning import meet_root, prepare_folders, refuse_offline
from service.config import Config
from service.crew import Crew
from service.disk import Disk
from service.ending import Ending
from service.errors import Problem, Unavailable
from service.examination import Examination
from service.examiner import Classifier, Examiner, OpenNsfw
from service.housekeeping import Housekeeping
from service.inbox.claim import Claims
from service.inbox.lease import Lease, take
from service.inbox.roots import marker
from service.inbox.watch import Watch
from service.intake import Intake
from service.job import LIVE, Hold, Job, State, new_id
from service.lane import Lane, Server
from service.library import load
from service.outbox import Outbox
from service.publishing import Publishing
from service.recovery import recover
from service.register import Register
from service.servers import servers_of
from service.store import Store, utc_now

LOG = logging.getLogger(__name__)
#: Everything together is given this long to end; what it was doing is found again at the next start.
_STOP_S = 4.0


class Fallen(Exception):
    """A thread of the daemon has ended by itself; the service manager must start the daemon again."""


def fresh_id() -> str:
    """Return a new id; ids sort by the time they were made."""
    return new_id(time.time_ns() // 1_000_000, secrets.randbits(74))


class App:
    """One daemon over one inbox, from `open` to `close`."""

    def __init__(self, config: Config, *, classifier: Callable[[], Classifier] = OpenNsfw) -> None:
        self.config = config
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._classifier = classifier
        self._threads: list[threading.Thread] = []
        self._fallen: list[str] = []
        self._noticed: dict[str, Problem | None] = {}
        self.lanes: list[Lane] = []
        #: Called with each job right after its change was saved and shown; must be quick.
        self.on_change: Callable[[Job], None] | None = None
        #: Called once when everything is running.
        self.on_start: Callable[[], None] | None = None

    def open(self) -> None:
        """Take the inbox and build every room; raises Unavailable with the cure where something is missing."""
        config = self.config
        prepare_folders(config)
        self.lease: Lease = take(config.inbox_dir, config.state_dir)
        self.store = Store(config.state_dir / "reeldrop.db")
        for root in (config.inbox_dir, config.output_dir):
            meet_root(root, self.store)
        self.library = load(config)
        for task in self.library.tasks:
            (config.inbox_dir / task).mkdir(exist_ok=True)
        daemon = f"{socket.gethostname()}/{os.getpid()}"
        self.outbox = Outbox(config.output_dir, Disk(before=refuse_offline(config.output_dir)))
        self.register = Register(self.store, self.outbox, daemon, time.monotonic)
        if self.on_change:
            self.register.listen(self.on_change)
        work = config.state_dir / "work"
        self.ending = Ending(self.register, config.inbox_dir, work)
        self._claims = Claims(config.inbox_dir, self.lease.host, self.lease.boot, self.lease.epoch)
        self._drops_examiner = Examiner("drops", self._classifier, temporary=config.temp_dir)
        self._results_examiner = Examiner("results", self._classifier, temporary=config.temp_dir, results=True)
        servers, self._engine = servers_of(config)
        # One crew for each examiner: many photos dropped at once must not keep finished renders waiting.
        self._admitting = Crew("admission", 2, self._fallen.append)
        self._publishers = Crew("publishing", 3, self._fallen.append)
        self.publishing = Publishing(
            self.register,
            self.ending,
            self.outbox,
            self._results_examiner,
            work,
            self._publishers,
            self._wake_lanes,
            drops_examiner=self._drops_examiner,
            check_outbox=lambda: self._check_root(config.output_dir),
            engine_output=self._engine.output if self._engine else None,
            media_roots=tuple(map(Path, config.media_roots)),
        )
        self._build_lanes(servers)
        self._build_intake(work)
        self.housekeeping = Housekeeping(config, self._wake.set)

    def _build_lanes(self, servers: Mapping[str, Server]) -> None:
        self.lanes = [
            Lane(
                name,
                server,
                self.register,
                self.ending,
                self.publishing,
                monotonic=time.monotonic,
                new_client_id=lambda: uuid.uuid4().hex,
            )
            for name, server in servers.items()
        ]

    def _build_intake(self, work: Path) -> None:
        self.admission = Admission(
            self.library,
            self.register,
            self.ending,
            Examination(self._drops_examiner, self.config.inbox_dir, work, tuple(map(Path, self.config.media_roots))),
            self._admitting,
            object_info=self._object_info,
            queued=self._wake_lanes,
            new_id=fresh_id,
            new_prompt_id=lambda: str(uuid.uuid4()),
            draw_seed=lambda: secrets.randbelow(1 << 53),
        )
        self.intake = Intake(
            self.config.inbox_dir,
            self.config,
            self.library,
            self.register,
            self._claims,
            self.ending,
            self.admission.admit,
            monotonic=time.monotonic,
            new_id=fresh_id,
        )
        self.watch = Watch(self.config.inbox_dir, self._wake.set, self.config.watch.mode)

    def _object_info(self) -> Mapping[str, Any] | None:
        return next((lane.object_info for lane in self.lanes if lane.object_info is not None), None)

    def _wake_lanes(self) -> None:
        for lane in self.lanes:
            lane.wake()
        if not self.lanes:
            self._wake.set()

    # life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up what an earlier life left, then start the threads."""
        self._drops_examiner.start()
        self._results_examiner.start()
        backends = {lane.name for lane in self.lanes}
        recover(self.store, self.register, self._claims, self.ending, self.admission.admit, backends)
        self.intake.recall()
        self.check()
        self.housekeeping.start()
        self._start("intake", self._take_in)
        for lane in self.lanes:
            self._start(f"lane {lane.name}", lane.run)
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
        rescan_s = self.config.watch.rescan_seconds
        offline = False
        while not self._stop.is_set():
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
            self._wake.wait(rescan_s if due_s is None else min(due_s, rescan_s))

    def _step(self) -> float | None:
        self.admission.retry_held()
        self.publishing.retry_held()
        self.ending.close_all()
        self.register.show_again()
        due_s = self.intake.step()
        if not self.lanes:
            hold = Hold("no_backend", "No ComfyUI is configured.", "Name one under backends in config.yaml.", utc_now())
            self.register.hold_queued(hold)
        return due_s

    def _check_roots(self) -> None:
        self._check_root(self.config.inbox_dir)
        self._check_root(self.config.output_dir)

    def _check_root(self, root: Path) -> None:
        marker(root, self.store.marker(str(root)))

    def check(self) -> None:
        """Raise Fallen if a thread of ours has ended by itself; see to file events, note what troubles us."""
        if self._fallen:
            raise Fallen(f"{self._fallen[0]} has fallen; its traceback is in the log.")
        self.watch.supervise()
        if (notices := self.watch.notices() | self.intake.notices()) != self._noticed:
            for code, problem in notices.items():
                self.store.set_notice(code, problem)
            self._noticed = notices

    def finished(self) -> bool:
        """Return whether the newest look found nothing to do and every job that can go on by itself has ended."""
        live = self.store.in_states(*LIVE)
        waiting_for_media = all(job.state is State.WAITING and job.hold is not None for job in live)
        return self.intake.settled and waiting_for_media and not self.publishing.busy() and not self.admission.held

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
        """Return whether every live job is on hold, so that only somebody else can make one go on."""
        live = self.store.in_states(*LIVE)
        return bool(live) and self.intake.settled and all(job.hold is not None for job in live)

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
        endings += [self._results_examiner.stop]
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

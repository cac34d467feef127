"""Building: every room of one daemon, put together in order; who calls whom is decided here."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from service.admission import Admission
from service.backend_keys import Backend
from service.beginning import meet_root, prepare_folders, refuse_offline
from service.claim_reading import ClaimReading
from service.config import Config
from service.control import Control
from service.crew import Crew
from service.disk import Disk
from service.earlier import Earlier
from service.ending import Ending
from service.examination import Examination
from service.examiner import Classifier, Examiner, OpenNsfw
from service.fleet import Berth, Fleet
from service.hours import Hours
from service.housekeeping import Housekeeping
from service.inbox.claim import Claims
from service.inbox.lease import Lease, take
from service.inbox.lookup import Lookup
from service.inbox.roots import marker
from service.inbox.watch import Watch
from service.intake import Intake
from service.job import Hold, Job, Render, new_id
from service.lane import Lane
from service.liveness import Pulses
from service.mishaps import Mishaps
from service.neighbours import Server
from service.openings import Openings, drain, local_now
from service.outbox import Outbox
from service.patience import Habits
from service.priorities import prioritise
from service.publishing import Publishing
from service.quarantine import Quarantine
from service.register import Register
from service.releasing import Releasing
from service.requests import Request, Requests
from service.responsibility import Responsibility
from service.restocking import Restocking
from service.retrial import Retrial
from service.servers import servers_of
from service.setbacks import Setbacks, resume_group
from service.sheets import Sheets
from service.shrinking import Shrunk, shrunk
from service.signing import signatures_of
from service.store import Store
from service.telling import Telling, signing_key
from service.timetable import Timetable
from service.timing import Timing
from service.webhooks import Webhooks

#: Everything that a lane waits for has a shorter deadline.
_ROUND_ALLOWED_S = 900.0


def fresh_id() -> str:
    """Return a new id; ids sort by the time they were made."""
    return new_id(time.time_ns() // 1_000_000, secrets.randbits(74))


def _new_prompt_id() -> str:
    return str(uuid.uuid4())


class Rooms:
    """The rooms of one daemon over one inbox; `open` builds them."""

    def __init__(self, config: Config, classifier: Callable[[], Classifier] = OpenNsfw) -> None:
        self.config = config
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._classifier = classifier
        self._fallen: list[str] = []
        self.lanes: list[Lane] = []
        #: When each thread last came round.
        self.pulses = Pulses()
        #: The time in this machine's zone.
        self.now: Callable[[], datetime] = local_now
        #: Called with each job right after its change was saved and shown; must be quick.
        self.on_change: Callable[[Job], None] | None = None

    def open(self) -> None:
        """Take the inbox and build every room; raises Unavailable with the cure where something is missing."""
        config = self.config
        prepare_folders(config)
        self.lease: Lease = take(config.inbox_dir, config.state_dir)
        self.store = Store(config.state_dir / "reeldrop.db")
        for root in (config.inbox_dir, config.output_dir):
            meet_root(root, self.store)
        self.restocking = Restocking(config, self._restock, self._object_infos)
        self.library = self.restocking.library
        self._make_folders()
        daemon = f"{socket.gethostname()}/{os.getpid()}"
        outbox_disk = Disk(before=refuse_offline(config.output_dir))
        self.outbox = Outbox(config.output_dir, outbox_disk)
        self.register = Register(self.store, self.outbox, daemon, time.monotonic)
        if self.on_change:
            self.register.listen(self.on_change)
        self.timing = Timing(self.store)
        work = config.state_dir / "work"
        self.ending = Ending(self.register, config.inbox_dir, work, self._wake.set)
        self._claims = Claims(config.inbox_dir, self.lease.host, self.lease.boot, self.lease.epoch)
        self._drops_examiner = Examiner("drops", self._classifier, temporary=config.temp_dir)
        self._results_examiner = Examiner("results", self._classifier, temporary=config.temp_dir, results=True)
        self._signatures = signatures_of(config.c2pa, self._results_examiner, config.temp_dir)
        servers, self._engine = servers_of(config)
        # One crew for each examiner: many photos dropped at once must not keep finished renders waiting.
        self._admitting = Crew("admission", 2, self._fallen.append)
        self._publishers = Crew("publishing", 3, self._fallen.append)
        self._build_publishing(work)
        self._build_sheets()
        self.control = Control(
            self.register,
            self.ending,
            config.output_dir,
            outbox_disk,
            cancelling=self._cancel_running,
            resumed=self._wake_lanes,
        )
        self.openings = Openings(config.backends, self.store.backend_state, self.now)
        self.hours = Hours(self._timetable(), self.register, self.library.tasks, self._wake_lanes)
        self.setbacks = Setbacks(self.register, self._unserved())
        self._build_lanes(servers)
        self._build_intake(work)
        self.housekeeping = Housekeeping(config, self.quarantine.tidy)
        # Nobody needs a key where nobody is told.
        key = signing_key(config.state_dir) if config.notify else b""
        self.telling = Telling(config.notify, self.store, Webhooks(key), daemon)
        self.requests = Requests(config.state_dir / "requests")
        #: What commands may ask of a running daemon.
        self.verbs: dict[str, Callable[[Request], str]] = {
            "cancel": lambda request: self.control.cancel(request.target, request.task),
            "retry": lambda request: self.retrial.retry(request.target, request.task),
            "priority": self._prioritise,
            "quarantine release": lambda request: self.quarantine.carry_out(request, self.retrial.retry),
            "pause backend": lambda request: self._drain(request.target, draining=True),
            "resume backend": lambda request: self._drain(request.target, draining=False),
            "resume workflow": lambda request: self._resume("workflow", request.target),
            "resume model": lambda request: self._resume("model", request.target),
        }

    def _build_publishing(self, work: Path) -> None:
        config = self.config
        responsibility = Responsibility(self.library, self.store)
        self.quarantine = Quarantine(config.state_dir / "quarantine", self.store, responsibility)
        self.publishing = Publishing(
            self.register,
            self.ending,
            self.outbox,
            self._results_examiner,
            work,
            self._publishers,
            self._wake_lanes,
            check_outbox=lambda: self._check_root(config.output_dir),
            engine_output=self._engine.output if self._engine else None,
            quarantine=self.quarantine,
            media_roots=tuple(map(Path, config.media_roots)),
            timing=self.timing,
            signatures=self._signatures,
            new_prompt_id=_new_prompt_id,
        )

        self.releasing = Releasing(self.register, self.publishing, self.quarantine, self._wake_lanes)

    def _build_sheets(self) -> None:
        self.sheets = Sheets(
            self.register,
            self.outbox,
            self._results_examiner,
            self._publishers,
            ended=self._wake.set,
            check_outbox=lambda: self._check_root(self.config.output_dir),
            monotonic=time.monotonic,
        )

    def _make_folders(self) -> None:
        for task in self.library.tasks:
            (self.config.inbox_dir / task).mkdir(exist_ok=True)

    def _restock(self) -> None:
        self._make_folders()
        self.intake.restock(self.library)
        self.setbacks.unserved = self._unserved()
        self.hours.follow(self._timetable(), self.library.tasks)

    def _timetable(self) -> Timetable:
        return Timetable(self.config.windows, self.config.task_windows, self.now)

    def resting_tasks(self) -> frozenset[str]:
        """Return the task folders of which nothing is sent now: paused ("": all of them), or outside their windows."""
        return self.control.paused_tasks | self.hours.closed_tasks

    def _unserved(self) -> dict[str, Hold]:
        needed = {name: flow.manifest.needs.tags for name, flow in self.library.workflows.items()}
        return self.openings.unserved(needed)

    def _build_lanes(self, servers: Mapping[str, Server]) -> None:
        settings = {backend.name: backend for backend in self.config.backends}
        berths = [
            Berth(name, settings[name].weight, frozenset(settings[name].tags)) if name in settings else Berth(name)
            for name in servers
        ]
        self.fleet = Fleet(self.register, berths, self._tags_for)
        mishaps = Mishaps(
            self.register,
            self.ending,
            self.fleet,
            shrink=self._shrink,
            new_prompt_id=_new_prompt_id,
            moved=self._wake_lanes,
        )
        self.lanes = [
            Lane(
                name,
                server,
                self.register,
                self.ending,
                self.publishing,
                self.fleet,
                mishaps,
                monotonic=time.monotonic,
                new_client_id=lambda: uuid.uuid4().hex,
                fallen=self._fallen.append,
                timing=self.timing,
                paused=self.resting_tasks,
                habits=self._habits(name, settings.get(name)),
                beat=partial(self._beat_of, f"lane {name}"),
            )
            for name, server in servers.items()
        ]

    def _beat_of(self, thread: str, now_s: float) -> None:
        self.pulses.beat(thread, now_s, _ROUND_ALLOWED_S)

    def _tags_for(self, name: str) -> tuple[str, ...]:
        workflow = self.library.workflows.get(name)
        return workflow.manifest.needs.tags if workflow is not None else ()

    def _shrink(self, job: Job, render: Render, step: int) -> Shrunk | None:
        workflow = self.library.workflows.get(job.workflow or "")
        return shrunk(job, render, workflow, step) if workflow is not None else None

    def _habits(self, name: str, backend: Backend | None) -> Habits:
        if backend is None:
            return Habits(resting=lambda: self.openings.hold_of(name))
        return Habits(
            move_after_s=backend.move_after_minutes * 60,
            stall_s=backend.stall_minutes * 60,
            restart_command=backend.restart_command,
            resting=lambda: self.openings.hold_of(name),
        )

    def _build_intake(self, work: Path) -> None:
        roots = tuple(map(Path, self.config.media_roots))
        examination = Examination(
            self._drops_examiner,
            self.config.inbox_dir,
            work,
            media_roots=roots,
            is_adult=self.quarantine.responsibility.is_adult_media,
        )
        earlier = Earlier(self.store, Lookup(self.config.inbox_dir, roots))
        self.admission = Admission(
            self.library,
            ClaimReading(self.library, earlier, self.store, self._drops_examiner.tags),
            self.register,
            self.ending,
            examination,
            self._admitting,
            object_infos=self._object_infos,
            embedded=self._engine is not None,
            outbox=self.config.output_dir,
            host=socket.gethostname(),
            queued=self._wake_lanes,
            new_id=fresh_id,
            new_prompt_id=_new_prompt_id,
            draw_seed=lambda: secrets.randbelow(1 << 53),
        )
        self.retrial = Retrial(
            self.register,
            self.ending,
            self._claims,
            examination,
            self._admitting.submit,
            queued=self._wake_lanes,
            new_prompt_id=_new_prompt_id,
        )
        self.intake = Intake(
            self.config.inbox_dir,
            self.config,
            self.library,
            self.register,
            self._claims,
            self.ending,
            self.admission,
            self.control,
            monotonic=time.monotonic,
            now=self.now,
            new_id=fresh_id,
        )
        self.watch = Watch(self.config.inbox_dir, self._wake.set, self.config.watch.mode)

    def _drain(self, name: str, *, draining: bool) -> str:
        said = drain(self.store, [lane.name for lane in self.lanes], name, draining=draining)
        self._wake_lanes()
        return said

    def _prioritise(self, request: Request) -> str:
        said = prioritise(self.store, request.target, request.task, request.more.get("priority", ""))
        self._wake_lanes()
        return said

    def _resume(self, kind: str, name: str) -> str:
        said = resume_group(self.store, kind, name)
        self.setbacks.show()
        self._wake_lanes()
        return said

    def _object_infos(self) -> Mapping[str, Mapping[str, Any]]:
        return self.fleet.object_infos()

    def _wake_lanes(self) -> None:
        for lane in self.lanes:
            lane.wake()
        if not self.lanes:
            self._wake.set()

    def _cancel_running(self, job_id: str) -> None:
        self.publishing.cancel(job_id)
        self._wake_lanes()

    def _check_root(self, root: Path) -> None:
        marker(root, self.store.marker(str(root)))

"""A lane: one backend, one thread. It keeps one prompt rendering and one queued there, whatever happens in between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from service.comfy.socket import Connected, Disconnected
from service.connection import Connection, Ear, Stopped
from service.dispatch import Dispatch
from service.ending import Ending
from service.errors import Unavailable
from service.fleet import Fleet
from service.following import Following
from service.inheritance import Inheritance
from service.job import Hold
from service.mishaps import Mishaps
from service.neighbours import Publisher, Server
from service.patience import Habits, Patience, gap_s
from service.pursuit import Pursuit, Where, Why
from service.register import Register
from service.sending import Sent
from service.store import utc_now
from service.timing import Timing

LOG = logging.getLogger(__name__)

_IDLE_PROBE_S = 30.0
#: A server that refuses connections for so long has lost our prompts, and isn't coming back at once.
_REFUSED_MOVE_S = 30.0


class Lane:
    """Takes jobs one after another; every step of one may be repeated after a crash, and ends the same."""

    def __init__(
        self,
        name: str,
        server: Server,
        register: Register,
        ending: Ending,
        publisher: Publisher,
        fleet: Fleet,
        mishaps: Mishaps,
        *,
        monotonic: Callable[[], float],
        new_client_id: Callable[[], str],
        fallen: Callable[[str], None],
        timing: Timing,
        paused: Callable[[], Collection[str]] = tuple,
        habits: Habits | None = None,
        beat: Callable[[float], None] = lambda _now_s: None,
    ) -> None:
        """`beat` is told each time that the lane has come round, on its own clock."""
        self.name = name
        self._server = server
        self._register = register
        self._store = register.store
        self._fleet = fleet
        self._mishaps = mishaps
        self._monotonic = monotonic
        self._beat = beat
        self._new_client_id = new_client_id
        self._habits = habits or Habits()
        self.patience = Patience(name, self._habits, timing, monotonic, self._beside)
        #: After so long of refused connections its jobs move.
        self.refused_move_s = _REFUSED_MOVE_S
        self._ear = Ear()
        self._at = Following(
            name,
            register,
            ending,
            publisher,
            mishaps,
            monotonic=monotonic,
            patience_s=self.patience.of,
            wedged=self.patience.restart,
        )
        self._dispatch = Dispatch(
            name,
            server,
            register,
            publisher,
            fleet,
            self._at,
            self._ear,
            timing=timing,
            monotonic=monotonic,
            fallen=fallen,
            paused=paused,
            resting=self._habits.resting,
        )
        self._inheritance = Inheritance(name, server, register, publisher, self._at, self._dispatch)
        self._connection: Connection | None = None
        self._failures = 0
        self._answered_s = monotonic()
        self._life = 0
        #: Whether the server has refused a connection in this life of ours.
        self._refused = False
        #: Something may have become possible: take stock before waiting again.
        self._stir = True
        #: Why the backend is away, or None while it answers.
        self.trouble: Unavailable | None = None

    def _beside(self, work: Callable[..., object], /, *arguments: object) -> None:
        self._dispatch.beside(work, *arguments)

    def wake(self) -> None:
        """Say that there may be a job; never blocks."""
        self._ear.tell(None)

    def stop(self) -> None:
        """Ask the lane to end; what it was doing is found again at the next start."""
        self._dispatch.stop()
        self._ear.stop()

    def run(self) -> None:
        """Work until stopped."""
        try:
            while True:
                self._beat(self._monotonic())
                try:
                    self._step(self._connect())
                except Unavailable as away:
                    self._back_off(away)
        except Stopped:
            pass
        finally:
            self._disconnect()

    # the backend -----------------------------------------------------------------------------------------------------

    def _connect(self) -> Connection:
        url = self._server.url()
        if self._server.life != self._life:
            for pursuit in self._at.pursuits.values() if self._life else ():
                # The engine of ours was started anew, so it died.
                pursuit.refused()
            self._life = self._server.life
        if self._connection and self._connection.url == url:
            return self._connection
        self._disconnect()
        self._connection = Connection(url, self._new_client_id(), self._ear, self._server.reach(), self._monotonic)
        if self._failures:
            LOG.info("%s answers again", self.name)
        self._failures = 0
        self.trouble = None
        self._answered_s = self._monotonic()
        self._stir = True
        self._at.recall()
        self._at.look_now()
        self._fleet.answers(self.name, self._connection.object_info)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _back_off(self, away: Unavailable) -> None:
        # Whoever stops takes the engine of ours away too; that is no news for anybody.
        self._ear.rest(0)
        self.trouble = away
        self._refused |= away.refused
        now = self._monotonic()
        # A server that comes back may be another one: what it can do is asked anew, under a client id of its own.
        self._disconnect()
        hold = Hold(away.code, away.title, away.fix, utc_now())
        self._fleet.is_away(self.name, hold)
        self._store.note_backend(self.name, {"answers": False, "why": f"{away.title} {away.fix}"})
        self._inheritance.take_up_away(hold, refused=away.refused)
        self._at.heed()
        for pursuit in list(self._at.pursuits.values()):
            if away.refused:
                pursuit.refused()
            self._leave(pursuit, hold, refused=away.refused, away_s=now - self._answered_s)
        LOG.log(logging.DEBUG if self._failures else logging.WARNING, "%s: %s", self.name, away)
        wait_s = gap_s(self._failures)
        self._failures += 1
        self._wait_away(wait_s, refused=away.refused)

    def _wait_away(self, seconds: float, *, refused: bool) -> None:
        """Wait before the server is tried again; who is cancelled meanwhile isn't kept waiting where nothing runs."""
        until_s = self._monotonic() + seconds
        later: list[Sent] = []
        while (left_s := until_s - self._monotonic()) > 0:
            self._beat(self._monotonic())
            said = self._ear.listen(left_s)
            if isinstance(said, Sent):
                later.append(said)
            elif said is None and refused:
                self._at.heed()
                for pursuit in list(self._at.pursuits.values()):
                    if pursuit.why is Why.CANCELLED and pursuit.where is not Where.SENDING:
                        self._at.cancel(pursuit)
        for sent in later:
            self._ear.tell(sent)

    def _leave(self, pursuit: Pursuit, hold: Hold, *, refused: bool, away_s: float) -> None:
        """See to a job whose backend is away: it is cancelled, moves on, or holds."""
        with self._at.judging(pursuit):
            if pursuit.where is Where.SENDING:
                # How that went is told in a moment.
                return
            if pursuit.why is Why.CANCELLED and (refused or pursuit.where is Where.HERE):
                # Its process is gone, and with it the prompt.
                self._at.cancel(pursuit)
            elif pursuit.where is Where.HERE:
                self._at.drop(pursuit)
                self._mishaps.requeue(pursuit.job.id, again=False)
            elif away_s >= (self.refused_move_s if refused else self._habits.move_after_s) and self._mishaps.move_on(
                self.name, pursuit, sure=refused
            ):
                self._at.drop(pursuit)
            else:
                self._register.hold(pursuit.job.id, hold)

    # its jobs --------------------------------------------------------------------------------------------------------

    def _step(self, connection: Connection) -> None:
        if self._stir:
            self._stir = False
            self._at.heed()
            self._dispatch.send_lost(connection)
            self._inheritance.take_up(connection, refused=self._refused)
            self._probe(connection)
            self._dispatch.fill(connection)
            self._tell(connection)
        if not (self._at.pursuits or self._at.strays):
            self._rest(connection)
        elif due_s := self._at.due_s():
            self._take_in(self._ear.listen(due_s), connection)
        else:
            self._at.look(connection)
            self._answered_s = self._monotonic()
            self._fleet.works(self.name, len(self._at.pursuits))
            self._stir = True

    def _probe(self, connection: Connection) -> None:
        """Ask an idle server whether it is there before it is given a job: one that hangs would keep it for long."""
        if not self._at.pursuits:
            connection.client.system_stats()
            self._answered_s = self._monotonic()

    def _tell(self, connection: Connection) -> None:
        """Say what there is at the backend, for whoever asks with a command."""
        rendering = [job_id for job_id, pursuit in self._at.pursuits.items() if pursuit.rendering]
        facts = {
            "answers": True,
            "engine": connection.engine,
            "running": rendering,
            "queued": [job_id for job_id in self._at.pursuits if job_id not in rendering],
            "others_running": self._at.others_running,
            "others_queued": self._at.others_pending,
        }
        self._store.note_backend(self.name, facts)

    def _take_in(self, said: Any, connection: Connection) -> None:
        """Take in what was said: a frame, how sending went, or that something changed."""
        if isinstance(said, Sent):
            self._stir = True
            self._dispatch.note_sent(said, connection)
        elif isinstance(said, Connected | Disconnected):
            connection.take_note(said)
            self._at.miss()
            self._at.look_now()
        elif isinstance(said, str | bytes):
            connection.take_note(said)
            if self._at.hear(said):
                self._at.look_now()
        else:
            self._stir = True
            if any(self._store.asked_to_cancel(job_id) for job_id in self._at.pursuits):
                self._at.look_now()

    def _rest(self, connection: Connection) -> None:
        """Wait for a job, at most until the next probe; frames of other people's prompts are heard and dropped."""
        until_s = self._monotonic() + min(self._dispatch.next_send_s() or _IDLE_PROBE_S, _IDLE_PROBE_S)
        while not self._stir and (left_s := until_s - self._monotonic()) > 0:
            said = self._ear.listen(left_s)
            if said is None and self._monotonic() >= until_s:
                break
            self._take_in(said, connection)
            if isinstance(said, Disconnected):
                break
        self._stir = True

"""Following: what a server's queue and history say of our prompts there, and what is done about each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.comfy.answers import Queue
from service.comfy.client import Client
from service.comfy.protocol import Errored, Interrupted, Lost, StillPending, StillRunning, Succeeded, Verdict
from service.connection import Connection, Stopped
from service.disk_trouble import unavailable_of
from service.ending import Ending
from service.errors import Failed, Problem, Rejected, Unavailable, cancelled_problem, error_of, internal_problem
from service.job import Hold, Job, State
from service.mishaps import Mishaps
from service.neighbours import Publisher
from service.pursuit import Pursuit, Where, Why
from service.register import Register
from service.store import ForbiddenMove, utc_now

LOG = logging.getLogger(__name__)

#: With a socket that hears, looks are only the net below it; without one they are all that there is.
LOOK_HEARING_S = 2.0
LOOK_DEAF_S = 0.5
_LOOK_ENDING_S = 0.02
#: From here on somebody is told that the server takes its time: a long node can't be stopped in its middle.
_LINGER_S = 15.0
WEDGED_S = 20.0
#: A prompt that was deleted must be missing from queue and history for so long: it may just have ended instead.
_GONE_S = 1.0


class Following:
    """The prompts of ours at one server; used by its lane's thread alone."""

    def __init__(
        self,
        name: str,
        register: Register,
        ending: Ending,
        publisher: Publisher,
        mishaps: Mishaps,
        *,
        monotonic: Callable[[], float],
        patience_s: Callable[[Pursuit], float | None],
        wedged: Callable[[], None],
    ) -> None:
        """`patience_s`: for how long a prompt may stand still; `wedged`: called where a server lets go of none such."""
        self._name = name
        self._register = register
        self._store = register.store
        self._ending = ending
        self._publisher = publisher
        self._mishaps = mishaps
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._wedged = wedged
        self.pursuits: dict[str, Pursuit] = {}
        #: The jobs whose prompts the server has lost, and which are to be sent to it again.
        self.lost: list[Job] = []
        #: What stands still and isn't let go of for so long stands in a server that is half dead.
        self.wedged_s = WEDGED_S
        self._look_due_s = 0.0
        self._looked_s: float | None = None
        self._gone_since_s: dict[str, float] = {}
        #: What was sent here once, has moved to another backend since, and may still be here.
        self.strays: list[str] = []
        #: How many prompts of other people the newest look found.
        self.others_running = self.others_pending = 0
        self._seen: Queue | None = None

    def recall(self) -> None:
        """Remember what the server, which answers again, is to let go of."""
        self.strays = self._store.strays(self._name)

    def sent(self) -> list[Pursuit]:
        """Return what the server may have."""
        return [pursuit for pursuit in self.pursuits.values() if pursuit.where is Where.SENT]

    def drop(self, pursuit: Pursuit) -> None:
        """Follow a prompt no longer."""
        self.pursuits.pop(pursuit.job.id, None)
        self._gone_since_s.pop(pursuit.job.id, None)

    def hear(self, frame: str | bytes) -> bool:
        """Pass on a frame of the server's socket; return True where it is time to look."""
        # All of them hear all of it: whose it is not learns from it that its own isn't at work.
        times = [pursuit.hear(frame) for pursuit in self.sent()]
        return any(times)

    def miss(self) -> None:
        """Frames may have been missed: what is at work now isn't timed."""
        for pursuit in self.pursuits.values():
            pursuit.run.miss()

    def heed(self) -> None:
        """Ask back what somebody asked to cancel."""
        for pursuit in list(self.pursuits.values()):
            if pursuit.why is Why.CANCELLED or not self._store.asked_to_cancel(pursuit.job.id):
                continue
            pursuit.ask_back(Why.CANCELLED)
            if pursuit.where is Where.HERE:
                self.cancel(pursuit)

    def look_now(self) -> None:
        """Make the next look due."""
        self._look_due_s = 0.0

    def due_s(self) -> float:
        """Return in how many seconds the server is to be asked again."""
        return max(0.0, self._look_due_s - self._monotonic())

    def look(self, connection: Connection) -> None:
        """
        Ask the server's queue, then its history, and act on what they say.

        Raises Unavailable where the server can't be asked.
        """
        self.heed()
        began_s = self._monotonic()
        waiting = connection.client.queue()
        self._note(waiting, connection, began_s)
        for pursuit in self.sent():
            pending, running = pursuit.prompt_id in waiting.pending, pursuit.prompt_id in waiting.running
            # Queue before history: a prompt only ever moves from the first to the second.
            entry = None if pending or running else connection.client.history(pursuit.prompt_id)
            with self.judging(pursuit):
                verdict = pursuit.judge(
                    pending=pending, running=running, entry=entry, began_s=began_s, hears=_hears(pursuit, connection)
                )
                self._act(pursuit, verdict, connection)
        self._let_strays_go(waiting, connection.client)
        if connection.heed_deafness():
            LOG.info("%s: its socket no longer hears; it is opened anew", self._name)
            self.miss()
        self._look_due_s = self._monotonic() + self._gap_s(connection)

    def _gap_s(self, connection: Connection) -> float:
        gaps = [
            pursuit.next_look_s(
                hears=_hears(pursuit, connection),
                hearing_s=LOOK_HEARING_S,
                deaf_s=LOOK_DEAF_S,
                ending_s=_LOOK_ENDING_S,
            )
            for pursuit in self.sent()
        ]
        return min(gaps, default=LOOK_DEAF_S if self.strays else LOOK_HEARING_S)

    def _note(self, waiting: Queue, connection: Connection, began_s: float) -> None:
        mine = {pursuit.prompt_id for pursuit in self.sent()}
        self.others_running = len(waiting.running - mine)
        self.others_pending = len(waiting.pending - mine)
        seen, self._seen = self._seen, waiting
        if seen is not None and (seen.running, seen.pending) != (waiting.running, waiting.pending):
            connection.hearing.changed(self._monotonic(), since_s=self._looked_s)
        self._looked_s = began_s

    # one prompt ------------------------------------------------------------------------------------------------------

    @contextmanager
    def judging(self, pursuit: Pursuit) -> Iterator[None]:
        """Do something for one job; trouble has an owner, so each kind goes to its own."""
        try:
            yield
        except (Stopped, Unavailable):
            raise
        except Rejected as refused:
            self._fail(pursuit, *refused.problems)
        except Failed as failed:
            self._fail(pursuit, failed.problem)
        except ForbiddenMove as moved:
            LOG.info("%s: %s; left as it is", pursuit.job.name, moved)
            self.drop(pursuit)
        except OSError as trouble:
            # A disk or share of ours; the server has no part in it and keeps its connection.
            away = unavailable_of(trouble)
            LOG.warning("%s: %s", pursuit.job.name, away)
            self._register.hold(pursuit.job.id, Hold(away.code, away.title, away.fix, utc_now()))
            self.drop(pursuit)
        except Exception:  # a fault of ours fails the job, never the daemon
            LOG.exception("%s: a fault in Reeldrop while rendering it", pursuit.job.name)
            self._fail(pursuit, internal_problem("rendering it"))

    def _act(self, pursuit: Pursuit, verdict: Verdict | None, connection: Connection) -> None:
        client = connection.client
        match verdict:
            case StillPending():
                self._ask_back(pursuit, client)
            case StillRunning():
                if pursuit.why is Why.RETURNED:
                    # Too late for that: it has begun.
                    pursuit.keep()
                self._watch(pursuit)
                self._ask_back(pursuit, client)
            case Succeeded(outputs=outputs) if pursuit.why is not Why.CANCELLED:
                pursuit.succeeded()
                self._publisher.publish(pursuit.job, pursuit.render, outputs, client, connection.files)
                self.drop(pursuit)
            case Errored(problem=problem) if pursuit.why is not Why.CANCELLED:
                self.drop(pursuit)
                self._mishaps.errored(self._name, pursuit, problem, client)
            case None if pursuit.why and pursuit.was_taken:
                self._miss(pursuit)
            case None:
                pass
            case _:
                self._let_go(pursuit, verdict)

    def _miss(self, pursuit: Pursuit) -> None:
        """In neither queue nor history though it was taken: deleted, as we asked, or ended a moment ago."""
        since_s = self._gone_since_s.setdefault(pursuit.job.id, self._monotonic())
        if pursuit.why is Why.CANCELLED or self._monotonic() - since_s >= _GONE_S:
            self._let_go(pursuit, None)

    def _let_go(self, pursuit: Pursuit, verdict: Verdict | None) -> None:
        """The server has no prompt of this job any more, and made nothing of it."""
        self.drop(pursuit)
        if pursuit.why is Why.CANCELLED:
            self.cancel(pursuit)
        elif pursuit.why is Why.STALLED:
            self._mishaps.stalled(pursuit)
        elif isinstance(verdict, Interrupted):
            title = "Somebody interrupted the render at ComfyUI."
            self._fail(pursuit, Problem("interrupted", title, "Drop it again to render it."))
        elif pursuit.why is Why.RETURNED:
            self._mishaps.requeue(pursuit.job.id, again=False)
        elif isinstance(verdict, Lost) and (job := self._mishaps.lost(self._name, pursuit)):
            self.lost.append(job)

    def _watch(self, pursuit: Pursuit) -> None:
        """A prompt that stands still for too long is asked back: HTTP may answer while nothing runs any more."""
        patience_s = self._patience_s(pursuit)
        if patience_s is not None and pursuit.stands_still(patience_s) and pursuit.why is None:
            LOG.warning("%s: it has stood still for %.0f s; it is stopped", pursuit.job.name, patience_s)
            pursuit.ask_back(Why.STALLED)
        if pursuit.why is Why.STALLED and pursuit.asked_for_s > self.wedged_s:
            self._wedged()

    def _ask_back(self, pursuit: Pursuit, client: Client) -> None:
        if pursuit.ask_due():
            if pursuit.why is Why.RETURNED:
                # It may have begun since it was looked for: then it is kept, so nothing may stop it.
                client.delete(pursuit.prompt_id)
            else:
                # It acts on this prompt alone, wherever that has moved meanwhile.
                client.cancel(pursuit.prompt_id)
        if pursuit.why is Why.CANCELLED:
            pursuit.linger(_LINGER_S)

    def _let_strays_go(self, waiting: Queue, client: Client) -> None:
        """Take back what was sent here once and has moved to another backend since."""
        for prompt_id in list(self.strays):
            if prompt_id in waiting.pending or prompt_id in waiting.running:
                client.cancel(prompt_id)
            else:
                self._store.forget_stray(self._name, prompt_id)
                self.strays.remove(prompt_id)

    def cancel(self, pursuit: Pursuit) -> None:
        """End a job that somebody asked to cancel; nothing of it is at a server any more."""
        self.drop(pursuit)
        self._publisher.forget(pursuit.job)
        self._ending.end(pursuit.job.id, State.CANCELLED, error=error_of([cancelled_problem()]))

    def _fail(self, pursuit: Pursuit, *problems: Problem) -> None:
        self.drop(pursuit)
        self._ending.end(pursuit.job.id, State.FAILED, error=error_of(problems))


def _hears(pursuit: Pursuit, connection: Connection) -> bool:
    return pursuit.sent_as is not None and connection.hearing.hears(pursuit.sent_as)

"""The true following of prompts, from judging down to the client, against a simulated server on a clock of its own."""

from __future__ import annotations

import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from service.comfy.client import Client
from service.comfy.hearing import Hearing
from service.comfy.protocol import Run
from service.errors import Unavailable
from service.following import Following
from service.job import Job, Render, State
from service.patience import gap_s
from service.pursuit import Pursuit, Where, Why
from service.sending import Sent, Unwanted, send
from tests.comfy.simulated import GRAPH, OBJECT_INFO, VERSIONS, Clock, Simulated, SimulatedWire, Weather

#: The law: a lost prompt is noticed so long after its server answers again.
NOTICED_S = 15.0
_END_S = 600.0
_SETTLED_S = 30.0


@dataclass
class Book:
    """What stands behind a lane (database, publishing, ends, mishaps): it notes what it is told and what is wrong."""

    server: Simulated
    jobs: dict[str, Job] = field(default_factory=dict)
    ends: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    asked: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    #: Jobs that wait to be sent, and the losses that were noticed.
    queued: list[Job] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    #: Since when each prompt could be known to be lost.
    posted_s: dict[str, float] = field(default_factory=dict)

    # its store and register
    def asked_to_cancel(self, job_id: str) -> bool:
        return job_id in self.asked

    def strays(self, _name: str) -> list[str]:
        return []

    @property
    def store(self) -> Book:
        return self

    def hold(self, _job_id: str, _hold: object) -> None:
        return

    # its publisher
    def publish(self, job: Job, render: Render, *_: object) -> None:
        if render.prompt_id not in self.server.succeeded:
            self.wrong.append(f"{job.name} is published, and never ended well")
        self.ends[job.id].append("done")

    def forget(self, _job: Job) -> None:
        return

    # its ending
    def end(self, job_id: str, to: State, **_: object) -> None:
        self.ends[job_id].append(str(to))

    # its mishaps
    def lost(self, _name: str, pursuit: Pursuit) -> Job:
        prompt_id, now_s = pursuit.prompt_id, self.server.clock.now_s
        if self.server.knows(prompt_id):
            self.wrong.append(f"{prompt_id} counts as lost at {now_s:.2f}, and isn't")
        self.losses.append(now_s - max(self.posted_s[prompt_id], self.server.answers_since_s))
        return pursuit.job

    def requeue(self, job_id: str, *, again: bool) -> None:
        self.queued.append(self.jobs[job_id])

    def errored(self, _name: str, pursuit: Pursuit, problem: object, _client: Client) -> None:
        self.wrong.append(f"{pursuit.job.name} ended in {problem}")


class Line:
    """A connection: the true client and hearing; its socket hears what the simulated server tells this client id."""

    def __init__(self, server: Simulated, number: Callable[[], str]) -> None:
        self._server, self._number = server, number
        self.client = Client("http://127.0.0.1:9")
        self.wire = self.client._wire = SimulatedWire(server)
        self.files = self.client
        self.hearing = Hearing()
        self.object_info = OBJECT_INFO
        self.engine = "ComfyUI 0.3.64"
        self.client_id = number()
        self.extra_data: dict[str, Any] = {}

    def connect(self) -> None:
        """Ask who it is, and open the socket; raises Unavailable."""
        self.client.system_stats()
        self.client.object_info()
        self.client_id = self._number()
        self._server.frames.clear()
        self.hearing.connected(self._server.clock.now_s, self.client_id)

    def ask_again(self) -> None:
        return

    def heed_deafness(self) -> bool:
        """Take a fresh client id where the socket doesn't hear."""
        if not self.hearing.deaf(self._server.clock.now_s):
            return False
        self.client_id = self._number()
        self.hearing.connected(self._server.clock.now_s, self.client_id)
        return True

    def heard(self) -> list[str]:
        """Return the frames that have come."""
        said, self._server.frames[:] = list(self._server.frames), []
        return [frame for client_id, frame in said if client_id == self.client_id]


class Journey:
    """One case: some prompts of ours at one simulated server, followed until each has its end."""

    def __init__(self, seed: int, *, races: bool) -> None:
        self.chance = chance = random.Random(seed)
        self.clock = Clock()
        self.server = Simulated(chance, self.clock, chance.choice(VERSIONS), _weather(chance))
        self.server.steps_s = self._steps_s
        self.book = Book(self.server)
        self.line = Line(self.server, self._new_id)
        self.line.wire.beside = self._look_beside
        book: Any = self.book
        self.at = Following(
            "server", book, book, book, book,
            monotonic=self.clock, patience_s=lambda _: None, wedged=lambda: None,
        )  # fmt: skip
        self._failures = 0
        self._connected = self._refused = self._restarts = False
        #: What an earlier life of ours has sent.
        self._inherited: list[Job] = []
        self._unsent: list[Pursuit] = []
        for number in range(chance.choice((1, 1, 2))):
            job = Job(f"j{number}", "d", "job", None, "t", "", f"job-{number}", State.RUNNING, "", "")
            self.book.jobs[job.id] = job
            self.book.queued.append(job)
        self._ids = {job_id: self._new_id() for job_id in self.book.jobs}
        self.server.ours = set(self._ids.values())
        self._plan_others()
        self._plan_races() if races else self._plan_trouble()

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def _steps_s(self) -> list[float]:
        slow = self.chance.random() < 0.1
        return [self.chance.uniform(0, 8 if slow else 0.6) for _ in range(self.chance.randint(1, 4))]

    def _plan_others(self) -> None:
        for _ in range(self.chance.choice((0, 1, 2, 5))):
            other = self._new_id()
            self.server.at(self.chance.uniform(0, 4), lambda other=other: self.server.up and self.server.take(other))

    def _plan_trouble(self) -> None:
        chance, server = self.chance, self.server
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            away_s = chance.choice((0.01, 0.3, 3.0, 20.0))
            server.at(chance.uniform(0, 12), lambda away_s=away_s: server.die(chance.uniform(0, away_s)))
        if chance.random() < 0.3:
            # Often while a prompt is on its way.
            server.at(chance.uniform(0, chance.choice((0.2, 6))), lambda: server.freeze(chance.uniform(0, 25)))
        if chance.random() < 0.2:
            self.server.at(chance.uniform(0, 8), lambda: setattr(self, "_restarts", True))
        if chance.random() < 0.2:
            self.server.at(chance.uniform(0, 4), lambda: self._ask_back(Why.RETURNED))

    def _plan_races(self) -> None:
        """Cancel at the moments that matter, as near as chance comes to them."""
        chance = self.chance
        why = Why.RETURNED if chance.random() < 0.1 else Why.CANCELLED
        self.server.at(chance.choice((chance.uniform(0, 0.1), chance.uniform(0, 3))), lambda: self._ask_back(why))
        if chance.random() < 0.15:
            self.server.at(chance.uniform(0, 4), lambda: self.server.die(chance.uniform(0, 4)))

    def _ask_back(self, why: Why) -> None:
        job_id = self.chance.choice(sorted(self.book.jobs))
        if why is Why.CANCELLED:
            self.book.asked.add(job_id)
            self.at.look_now()
        elif (pursuit := self.at.pursuits.get(job_id)) and pursuit.was_taken and not pursuit.was_running:
            pursuit.ask_back(why)
            self.at.look_now()

    def _restart(self) -> None:
        """Our own process starts anew: what was sent is followed by its id alone."""
        self._restarts = False
        for pursuit in self.at.sent():
            self.at.drop(pursuit)
            self._inherited.append(pursuit.job)
        self._connected, self._refused, self._failures = False, False, 0

    # the lane's part -------------------------------------------------------------------------------------------------

    def live(self) -> Journey:
        """Follow every prompt to its end, then let the server be for a while."""
        while self.book.queued or self._inherited or self.at.pursuits or self.at.lost:
            assert self.clock.now_s < _END_S, f"no end; {self.at.pursuits} {self.book.ends}"
            try:
                self._step()
            except Unavailable as away:
                self._back_off(away)
        self.server.wait(_SETTLED_S)
        return self

    def _step(self) -> None:
        if self._restarts:
            self._restart()
        if not self._connected:
            self.line.connect()
            self._connected, self._failures = True, 0
            self.at.look_now()
        self.at.heed()
        self._take_up()
        self._send_all()
        if not self.at.pursuits:
            return
        if (due_s := self.at.due_s()) > 0:
            self.server.wait(min(due_s, 0.05))
            for frame in self.line.heard():
                self.line.hearing.heard(self.clock.now_s)
                if self.at.hear(frame):
                    self.at.look_now()
        else:
            self.at.look(self.line)  # type: ignore[arg-type]  a connection in all that it is asked

    def _take_up(self) -> None:
        while self._inherited:
            pursuit = self._pursue(self._inherited.pop(), Where.SENT)
            pursuit.inherit(gone=self._refused)
            self.book.posted_s[pursuit.prompt_id] = self.clock.now_s
            self.at.look_now()

    def _send_all(self) -> None:
        while self.at.lost:
            self._unsent.append(self._pursue(self.at.lost.pop(), Where.HERE))
        while self.book.queued:
            job = self.book.queued.pop()
            if job.id in self.book.asked:
                self.book.end(job.id, State.CANCELLED)
            else:
                self._unsent.append(self._pursue(job, Where.HERE))
        while self._unsent:
            pursuit = self._unsent.pop()
            if self.at.pursuits.get(pursuit.job.id) is pursuit:
                self._send(pursuit)

    def _pursue(self, job: Job, where: Where) -> Pursuit:
        render = Render(job.id, self._ids[job.id], dict(GRAPH), "9", {}, {}, [])  # type: ignore[arg-type]
        run = Run(render.prompt_id, GRAPH, output_node="9")
        pursuit = Pursuit(job, render, run, lambda _: None, self.clock, where=where)
        self.at.pursuits[job.id] = pursuit
        return pursuit

    def _send(self, pursuit: Pursuit) -> None:
        said: list[Sent] = []
        asked, self.book.posted_s[pursuit.prompt_id] = self.book.asked, self.clock.now_s
        line: Any = self.line
        send(pursuit, line, tuple, lambda: pursuit.job.id in asked, said.append)
        trouble = said[0].trouble
        self.at.look_now()
        if self.at.pursuits.get(pursuit.job.id) is not pursuit:
            return
        if isinstance(trouble, Unwanted):
            self.at.cancel(pursuit)
        elif trouble is not None:
            self._unsent.append(pursuit)
            raise trouble

    def _look_beside(self) -> None:
        """Look while a prompt of ours is on its way: sending has a thread of its own."""
        if self.at.due_s() > 0:
            return
        with suppress(Unavailable):
            self.at.look(self.line)  # type: ignore[arg-type]  a connection in all that it is asked

    def _back_off(self, away: Unavailable) -> None:
        self._connected, self._refused = False, self._refused or away.refused
        self.line.hearing.disconnected()
        self.at.heed()
        for pursuit in list(self.at.pursuits.values()):
            if away.refused:
                pursuit.refused()
            if pursuit.why is Why.CANCELLED and (away.refused or pursuit.where is Where.HERE):
                self.at.cancel(pursuit)
            elif pursuit.where is Where.HERE:
                self.at.drop(pursuit)
                self.book.requeue(pursuit.job.id, again=False)
        self.server.wait(gap_s(self._failures))
        self._failures += 1

    # what must be so -------------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """Return everything that went wrong."""
        wrong = list(self.book.wrong)
        wrong += [f"{prompt_id} was sent again though the server had it" for prompt_id in self.server.doubled]
        wrong += [f"somebody else's {prompt_id} was touched" for prompt_id in self.server.touched]
        wrong += [f"a loss was noticed after {late_s:.1f} s" for late_s in self.book.losses if late_s > NOTICED_S]
        for job_id in self.book.jobs:
            ends = self.book.ends[job_id]
            allowed = ("done", "cancelled") if job_id in self.book.asked else ("done",)
            if len(ends) != 1 or ends[0] not in allowed:
                wrong.append(f"{job_id} ended {ends}")
            if ends == ["cancelled"] and self.server.has(self._ids[job_id]):
                wrong.append(f"{job_id} is cancelled, and the server has it")
        return wrong


def _weather(chance: random.Random) -> Weather:
    return Weather(
        latency_s=chance.choice((0.001, 0.02, 0.2)),
        slow=chance.choice((0, 0.05)),
        lose_answer=chance.choice((0, 0, 0.5, 1)),
        lose_request=chance.choice((0, 0, 0, 0.5)),
        hurry=chance.choice((0, 0.4, 0.9)),
        lag_s=chance.choice((0, 0.009, 0.35)),
        gap=chance.random() < 0.3,
        hears=chance.choice((0, 0.5, 1)),
    )


@dataclass(frozen=True)
class Journeys:
    """How many cases there were, what happened in them, and which went wrong how."""

    cases: int
    ends: Counter[str]
    losses: int
    latest_loss_s: float
    wrong: dict[int, list[str]]


def live_many(first: int, cases: int, *, races: bool) -> Journeys:
    """Live so many cases with seeds from the first one on."""
    ends: Counter[str] = Counter()
    losses: list[float] = []
    wrong: dict[int, list[str]] = {}
    for seed in range(first, first + cases):
        journey = Journey(seed, races=races)
        try:
            faults = journey.live().faults()
        except AssertionError as stuck:
            faults = [str(stuck)]
        if faults:
            wrong[seed] = faults
        ends.update(end for each in journey.book.ends.values() for end in each)
        losses += journey.book.losses
    return Journeys(cases, ends, len(losses), round(max(losses, default=0.0), 1), wrong)

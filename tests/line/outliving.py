"""Many small jobs at servers that die, stay dead, or lose what they answer; and what must be so once all is over."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.job import Job, State
from tests.faults.harmless import Harmless
from tests.faults.proxy import Proxy
from tests.line.crashing import TINY, frames_of
from tests.line.test_servers_come_and_go import Server, rendered_since
from tests.line.world import World
from tests.workflows import SHIPPED

#: One in so many jobs takes a second or two, so that a server dies in the middle of a render, and twice under one job.
_SLOW_EVERY = 10
_SLOW = "width: 256\nheight: 256\nframes: 8\nsteps: 60\nseed: 1\n"
_SLOW_BEGINS_S = 12.0
_JOBS_END_S = 20.0
_JOB_S = 6.0
#: Why nobody hears of an answer though the server took the prompt.
LOSSES = ("the connection ends", "an error 500", "half an answer", "it comes too late")
_TOO_LATE_S = 5.0


@dataclass(frozen=True)
class Ride:
    """One run of many jobs: how many of each there were, and how many seconds it took."""

    jobs: int
    videos: int
    kills: int
    #: Prompts that the servers still standing have taken in their present lives.
    prompts: int
    retried: int
    attempts: int
    seconds: float
    cancelled: int = 0
    #: Other people's prompts beside ours.
    others: int = 0


class Run:
    """Jobs dropped together into one world; watched until each of them has ended."""

    def __init__(self, world: World, jobs: int, seed: int) -> None:
        world.classifier = Harmless
        self.world = world
        self.names = [f"job-{number:04d}" for number in range(1, jobs + 1)]
        self.retried = self.kills = 0
        self._began_s = time.monotonic()
        self._deadline_s = _JOBS_END_S + _JOB_S * jobs
        self._slow = set(self.names[_SLOW_EVERY // 2 :: _SLOW_EVERY])
        self._drop = {f"text-to-video/{name}.yaml": self._wish(name, seed) for name in self.names}

    def _wish(self, name: str, seed: int) -> str:
        # Each has a seed of its own, or the result of the first would do for all.
        wish = _SLOW if name in self._slow else TINY
        return f"prompt: a cup\n{wish.replace('seed: 1', f'seed: {seed * 1000 + self.names.index(name)}')}"

    def drop(self, *names: str) -> None:
        """Drop these jobs, every one if none is named."""
        for name in names or self.names:
            path = f"text-to-video/{name}.yaml"
            self.world.drop(path, self._drop[path])

    def jobs(self) -> list[Job]:
        """Return every job as the daemon knows it now."""
        assert self.world.app is not None
        return self.world.app.store.in_states(*State)

    def done(self) -> int:
        """Return how many jobs are done, and take those up again that were set aside."""
        assert self.world.app is not None
        jobs = self.jobs()
        for job in jobs:
            if job.aside:
                self.world.app.retrial.retry(f"{job.folder}/{job.name}")
                self.retried += 1
        return sum(job.state is State.DONE for job in jobs)

    def until(self, met: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        left_s = self._began_s + self._deadline_s - time.monotonic()
        try:
            self.world.until(met, what, max(0.0, left_s))
        except AssertionError:
            raise AssertionError(f"{what} did not come; {[_told(job) for job in self.jobs()]}") from None

    def until_done(self, count: int | None = None) -> None:
        """Wait until so many jobs are done, all of them if nothing is said."""
        wanted = len(self.names) if count is None else count
        self.until(lambda: self.done() >= wanted, f"{wanted} jobs done")

    def until_slow(self) -> None:
        """Wait a while for a job that takes long to be in the middle of its render."""
        due_s, since = time.monotonic() + _SLOW_BEGINS_S, len(self.world.changes)

        def met() -> bool:
            heard = any(job.name in self._slow and job.progress > 0.1 for job in self.world.changes[since:])
            left = any(job.name in self._slow and job.state is not State.DONE for job in self.jobs())
            return heard or not left or time.monotonic() > due_s

        self.until(met, "a moment")

    def until_returned(self) -> None:
        """Wait until every dropped file is back."""
        done = self.world.config.inbox_dir / "done"
        self.until(lambda: all((done / path).exists() for path in self._drop), "every file back")

    def check(self, prompts: int = 0) -> Ride:
        """Assert that each job is done, with one whole video, and that nothing else is there; return the count."""
        world, jobs = self.world, self.jobs()
        assert Counter(job.name for job in jobs) == Counter(self.names)
        assert {job.state for job in jobs} == {State.DONE}
        wanted = [f"text-to-video/{name}.{end}" for name in self.names for end in ("mp4", "status.json")]
        assert world.outbox() == sorted(wanted)
        assert world.inbox() == sorted(f"done/{path}" for path in self._drop)
        for name in self.names:
            frames = [(256, 256)] * 8 if name in self._slow else [(64, 64)] * 2
            assert frames_of(world.config.output_dir / f"text-to-video/{name}.mp4") == frames
            assert world.status(f"text-to-video/{name}")["state"] == "done"
        assert ended_each(world) == [1] * len(jobs)
        assert list((world.config.state_dir / "work").glob("*")) == []
        videos = sum(path.endswith(".mp4") for path in world.outbox())
        attempts = max(job.attempt for job in jobs)
        return Ride(len(jobs), videos, self.kills, prompts, self.retried, attempts, self.seconds)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return round(time.monotonic() - self._began_s, 1)


def ended_each(world: World) -> list[int]:
    """Return of each job how often it has ended."""
    connection = sqlite3.connect(world.config.state_dir / "reeldrop.db")
    words = "SELECT count(*) FROM events WHERE event IN ('done', 'failed', 'rejected', 'cancelled') GROUP BY job"
    try:
        return [count for (count,) in connection.execute(words)]
    finally:
        connection.close()


def _told(job: Job) -> str:
    return f"{job.name} {job.state} {job.stage} attempt {job.attempt} {job.hold.code if job.hold else ''}"


def outlive_kills(folder: Path, seed: int, *, jobs: int, kills: int) -> Ride:
    """Kill the only server so often in the middle of the jobs, and start it again a moment later."""
    chance = random.Random(seed)
    marks = sorted(chance.choices(range(jobs), k=kills))
    with ExitStack() as stack:
        server = serve(stack, folder / "server")
        run = Run(stack.enter_context(World(folder / "world", server.url, workflows_dir=str(SHIPPED))), jobs, seed)
        run.drop()
        for mark in marks:
            # After the last one was started again something must be left to kill it under.
            run.until_done(min(jobs - 1, max(mark, run.done())))
            if chance.random() < 0.5:
                run.until_slow()
            time.sleep(chance.uniform(0, 0.3))
            server.process.kill()
            run.kills += 1
            time.sleep(chance.uniform(0, 1))
            server.start_again()
        run.until_done()
        run.until_returned()
        return run.check(rendered_since(server))


def outlive_lost_answers(folder: Path, seed: int, *, jobs: int) -> Ride:
    """Lose the answer to each POST /prompt after the server has taken it, one way or another."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        server = serve(stack, folder / "server")
        proxy = stack.enter_context(Proxy(server.url))
        # Twice as many: what is sent again isn't answered either.
        for number in range(1, 2 * jobs + 1):
            _lose(proxy, chance, number)
        run = Run(stack.enter_context(World(folder / "world", proxy.url, workflows_dir=str(SHIPPED))), jobs, seed)
        run.drop()
        run.until_done()
        run.until_returned()
        ride = run.check(rendered_since(server))
        assert ride.prompts == jobs == proxy.prompts_sent, f"{ride.prompts} prompts for {jobs} jobs"
        return ride


def _lose(proxy: Proxy, chance: random.Random, number: int) -> None:
    # A late answer takes seconds, so there are few of them.
    match chance.choices(LOSSES, weights=(10, 5, 5, 0.4))[0]:
        case "the connection ends":
            proxy.lose_answer("/prompt", number, method="POST")
        case "an error 500":
            proxy.fail("/prompt", number, method="POST", reaches=True)
        case "half an answer":
            proxy.cut_body("/prompt", number, bytes_=chance.randrange(30))
        case _:
            proxy.delay("/prompt", _TOO_LATE_S, number, method="POST")


def outlive_a_server(folder: Path, seed: int, *, jobs: int, moves_after_s: float) -> Ride:
    """Have three servers, and kill one of them for good in the middle of the jobs."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        servers = [serve(stack, folder / f"server-{number}") for number in range(3)]
        backends: list[Any] = [{"name": f"server-{n}", "url": server.url} for n, server in enumerate(servers)]
        world = World(folder / "world", None, backends=backends, engine="off")
        run = Run(stack.enter_context(world), jobs, seed)
        assert world.app is not None
        for lane in world.app.lanes:
            lane.refused_move_s = moves_after_s
        world.app.publishing.refused_patience_s = moves_after_s
        run.drop()
        run.until_done(chance.randrange(jobs // 4, jobs // 2))
        doomed = servers.pop(chance.randrange(len(servers)))
        # While it has something of ours, or there would be nothing to move.
        name = next(each["name"] for each in backends if each["url"] == doomed.url)
        run.until(lambda: any(job.state is State.RUNNING and job.backend == name for job in run.jobs()), "work there")
        doomed.process.kill()
        run.kills += 1
        run.until_done()
        run.until_returned()
        return run.check(sum(rendered_since(server) for server in servers))


def serve(stack: ExitStack, folder: Path) -> Server:
    """Start a server in a process of its own that ends with the stack."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder)
    stack.callback(lambda: shutil.rmtree(folder, ignore_errors=True))
    # Its process is another one in each of its lives.
    stack.callback(lambda: server.process.end())  # noqa: PLW0108
    return server

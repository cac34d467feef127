"""A ComfyUI on a clock that is an argument: its queue, worker and history move between any two requests.

It does what was measured of true servers (docs/comfyui.md), and whatever else a seed draws: it dies, comes back, stands
still, loses answers and requests. `SimulatedWire` takes the place of a client's HTTP, so all above it is the true code.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from service.comfy.wire import Wire
from service.errors import Unavailable

#: A client waits so long for the next byte.
_READ_S = 10.0
#: As they differ in cancelling: the last one has a door for it.
VERSIONS = ("0.3.64", "0.8.0", "0.33.0")
OBJECT_INFO = {
    "EmptyImage": {"input": {"required": {}}, "output": ["IMAGE"], "output_node": False},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True},
}
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}


@dataclass
class Clock:
    """Seconds since the beginning, moved by whoever waits."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(eq=False)
class Prompt:
    """One prompt in the server's queue; an interrupt acts between two of its steps, in the last one it is lost."""

    id: str
    number: float
    client_id: str
    steps_s: list[float]
    interrupted: bool = False


@dataclass
class Weather:
    """What a case does to its server: chances of each kind of trouble, and how long things take."""

    latency_s: float = 0.02
    slow: float = 0.05
    lose_answer: float = 0.0
    lose_request: float = 0.0
    #: The chance that what runs ends, or what waits begins, right after the queue was told.
    hurry: float = 0.4
    #: From "it has succeeded" to history; meanwhile the queue still says that it runs, or (`gap`) nothing does.
    lag_s: float = 0.0
    gap: bool = False
    hears: float = 1.0


@dataclass
class Simulated:
    """The server. `ours` are the prompt ids of the client that is tested; everybody else's must be left alone."""

    chance: random.Random
    clock: Clock
    version: str
    weather: Weather
    ours: set[str] = field(default_factory=set)
    steps_s: Callable[[], list[float]] = lambda: [0.1]

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._numbers = itertools.count()
        self.up, self.life = True, 1
        self.frozen_until_s = 0.0
        #: Since when it has answered without a break.
        self.answers_since_s = 0.0
        self.running: Prompt | None = None
        self.pending: list[Prompt] = []
        self.history: dict[str, dict[str, Any]] = {}
        #: What it has taken in this life, what it still has in its hands without showing it, and what ended well.
        self.taken: set[str] = set()
        self.between: set[str] = set()
        self.on_the_way: set[str] = set()
        self.succeeded: set[str] = set()
        #: Faults of the client: prompts that it sent though the server had them, and other people's that it touched.
        self.doubled: list[str] = []
        self.touched: list[str] = []
        self.frames: list[tuple[str, str]] = []

    # time ------------------------------------------------------------------------------------------------------------

    def at(self, when_s: float, act: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._events, (when_s, next(self._order), act))

    def _work_at(self, when_s: float, act: Callable[[], None]) -> None:
        """Let the server itself do something; it doesn't if it has died, and does so later if it stands still."""
        life = self.life

        def work() -> None:
            if self.life != life or not self.up:
                return
            if self.clock.now_s < self.frozen_until_s:
                self.at(self.frozen_until_s, work)
                return
            act()

        self.at(when_s, work)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until_s = self.clock.now_s + seconds
        while self._events and self._events[0][0] <= until_s:
            when_s, _, act = heapq.heappop(self._events)
            self.clock.now_s = max(self.clock.now_s, when_s)
            act()
        self.clock.now_s = max(self.clock.now_s, until_s)

    # what befalls it -------------------------------------------------------------------------------------------------

    def die(self, away_s: float) -> None:
        """Die and forget everything; come back after a time."""
        if not self.up:
            return
        self.up, self.running, self.pending, self.history = False, None, [], {}
        self.taken, self.between, self.on_the_way, self.frames = set(), set(), set(), []
        self.frozen_until_s = 0.0
        self.at(self.clock.now_s + away_s, self._come_back)

    def _come_back(self) -> None:
        self.up, self.life, self._numbers = True, self.life + 1, itertools.count()
        self.answers_since_s = self.clock.now_s

    def freeze(self, seconds: float) -> None:
        """Stand still, with every connection open."""
        if self.up:
            self.frozen_until_s = self.answers_since_s = self.clock.now_s + seconds

    def late(self, method: str, path: str, said: dict[str, Any]) -> None:
        """Read a request that came while it stood still a moment after it goes on, though nobody waits for it."""

        def read() -> None:
            self.on_the_way.discard(said.get("prompt_id", ""))
            self.answer(method, path, said)

        self._work_at(self.frozen_until_s + self.chance.uniform(0, 0.5), read)

    def knows(self, prompt_id: str) -> bool:
        """Return whether it has a prompt now, or will have once a request that was sent has arrived."""
        shown = {prompt.id for prompt in self.pending} | ({self.running.id} if self.running else set())
        return prompt_id in shown | set(self.history) | self.between | self.on_the_way

    def has(self, prompt_id: str) -> bool:
        """Return whether it runs or will run a prompt."""
        return any(prompt.id == prompt_id for prompt in (*self.pending, *filter(None, [self.running])))

    # its worker ------------------------------------------------------------------------------------------------------

    def take(self, prompt_id: str, client_id: str = "") -> float:
        """Queue a prompt."""
        if prompt_id in self.ours and prompt_id in self.taken:
            self.doubled.append(prompt_id)
        self.taken.add(prompt_id)
        prompt = Prompt(prompt_id, next(self._numbers), client_id, self.steps_s())
        self.pending.append(prompt)
        self._work_at(self.clock.now_s + 0.001, self._begin)
        return prompt.number

    def _begin(self) -> None:
        if self.running is not None or not self.pending:
            return
        prompt = self.running = min(self.pending, key=lambda each: (each.number, each.id))
        self.pending.remove(prompt)
        self._tell(prompt, "execution_start")
        self._work_at(self.clock.now_s + prompt.steps_s[0], lambda: self._step(prompt, 1))

    def _step(self, prompt: Prompt, number: int) -> None:
        if self.running is not prompt:
            return
        if number >= len(prompt.steps_s):
            self._end(prompt, well=True)
        elif prompt.interrupted:
            self._end(prompt, well=False)
        else:
            self._work_at(self.clock.now_s + prompt.steps_s[number], lambda: self._step(prompt, number + 1))

    def _end(self, prompt: Prompt, *, well: bool) -> None:
        word = "execution_success" if well else "execution_interrupted"
        status = {"status_str": "success" if well else "error", "completed": well, "messages": [[word, {}]]}
        image = {"filename": "x.png", "subfolder": "", "type": "output"}
        entry = {"outputs": {"9": {"images": [image]}} if well else {}, "status": status}
        self._tell(prompt, word)
        if not well and prompt.id not in self.ours:
            self.touched.append(prompt.id)
        if self.weather.gap:
            self.running = None
            self.between.add(prompt.id)

        def over() -> None:
            self.history[prompt.id] = entry
            self.between.discard(prompt.id)
            if well:
                self.succeeded.add(prompt.id)
            if self.running is prompt:
                self.running = None
            self._begin()

        self._work_at(self.clock.now_s + self.weather.lag_s, over)

    def _hurry(self) -> None:
        """End at once what runs, if it is in its last step, or what waits begins."""
        if self.running is not None and not self.running.interrupted:
            self.running.steps_s = [0.0]
            self._step(self.running, 1)
        self._begin()

    def _tell(self, prompt: Prompt, kind: str) -> None:
        if self.chance.random() < self.weather.hears:
            self.frames.append((prompt.client_id, json.dumps({"type": kind, "data": {"prompt_id": prompt.id}})))

    # its doors -------------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, said: dict[str, Any]) -> tuple[int, Any]:
        """Return status and body of an answer."""
        match method, path.split("/")[1:]:
            case "GET", ["queue"]:
                told = self._queue()
                if self.chance.random() < self.weather.hurry:
                    self._work_at(self.clock.now_s, self._hurry)
                return 200, told
            case "GET", ["history", prompt_id]:
                return 200, {prompt_id: self.history[prompt_id]} if prompt_id in self.history else {}
            case "GET", ["system_stats"]:
                return 200, {"system": {"comfyui_version": self.version}}
            case "GET", ["object_info"]:
                return 200, OBJECT_INFO
            case "POST", ["prompt"]:
                number = self.take(said["prompt_id"], said["client_id"])
                return 200, {"prompt_id": said["prompt_id"], "number": number, "node_errors": {}}
            case "POST", ["queue"]:
                return 200, self._delete(said["delete"])
            case "POST", ["interrupt"]:
                return 200, self._interrupt(said["prompt_id"])
            case "POST", ["api", "jobs", prompt_id, "cancel"] if self.version == VERSIONS[-1]:
                had = self._delete([prompt_id]) | self._interrupt(prompt_id)
                return 200, {"cancelled": bool(had)}
        return 405, {}

    def _queue(self) -> dict[str, Any]:
        waiting = list(self.pending)
        self.chance.shuffle(waiting)
        running = [self.running] if self.running else []
        rows = [[[each.number, each.id, {}, {}, []] for each in part] for part in (running, waiting)]
        return {"queue_running": rows[0], "queue_pending": rows[1]}

    def _delete(self, ids: list[str]) -> dict[str, Any]:
        gone = [prompt for prompt in self.pending if prompt.id in ids]
        for prompt in gone:
            self.pending.remove(prompt)
            self.taken.discard(prompt.id)
        self.touched += [prompt.id for prompt in gone if prompt.id not in self.ours]
        return dict.fromkeys((prompt.id for prompt in gone), True)

    def _interrupt(self, prompt_id: str) -> dict[str, Any]:
        if self.running is None or self.running.id != prompt_id:
            return {}
        self.running.interrupted = True
        return {prompt_id: True}


class SimulatedWire(Wire):
    """HTTP to a simulated server: each way takes time, and may lose what goes along it."""

    def __init__(self, server: Simulated) -> None:
        super().__init__("http://127.0.0.1:9", 2, 10)
        self._server = server
        #: What its lane does while a prompt is on its way, for that is sent beside it.
        self.beside: Callable[[], None] = lambda: None

    def ask(
        self, method: str, path: str, *, overall_s: float, longest_bytes: int = 0, **named: Any
    ) -> tuple[requests.Response, bytes]:
        """Answer as the server does then, or raise Unavailable."""
        server, began_s = self._server, self._server.clock.now_s
        sent = named.get("json") or json.loads(named.get("data") or "{}")
        mine = sent.get("prompt_id", "") if path == "/prompt" else ""
        server.on_the_way.add(mine)
        try:
            if mine:
                self._travel(mine, began_s + overall_s)
            server.wait(self._latency_s())
            if not server.up:
                raise _away("refused", refused=True)
            life = server.life
            self._thaw(method, path, sent, began_s + min(overall_s, _READ_S))
            if server.life != life or not server.up or self._loses(mine, server.weather.lose_request):
                raise _away("cut_off")
            status, said = server.answer(method, path, sent)
        finally:
            if server.clock.now_s >= server.frozen_until_s:
                server.on_the_way.discard(mine)
        server.wait(self._latency_s())
        if self._loses(mine, server.weather.lose_answer):
            raise _away("cut_off")
        answer = requests.Response()
        answer.status_code = status
        answer.headers["Content-Type"] = "application/json"
        return answer, json.dumps(said).encode()

    def _travel(self, mine: str, due_s: float) -> None:
        """Take a prompt to the server, sometimes almost too slowly; whoever waits looks meanwhile."""
        server = self._server
        if server.chance.random() >= server.weather.slow:
            return
        life, until_s = server.life, server.clock.now_s + server.chance.uniform(0, due_s - server.clock.now_s)
        while server.clock.now_s < until_s:
            server.wait(0.05)
            if server.up:
                self.beside()
        if not server.up or server.life != life or server.clock.now_s >= due_s:
            server.on_the_way.discard(mine)
            raise _away("cut_off")

    def _latency_s(self) -> float:
        chance, weather = self._server.chance, self._server.weather
        return chance.uniform(0.2, 1.5) if chance.random() < weather.slow else chance.uniform(0, 2 * weather.latency_s)

    def _loses(self, mine: str, chance: float) -> bool:
        return bool(mine) and self._server.chance.random() < chance

    def _thaw(self, method: str, path: str, sent: dict[str, Any], due_s: float) -> None:
        """Wait while the server stands still; what nobody waits for any more is read by it all the same."""
        server = self._server
        left_s = server.frozen_until_s - server.clock.now_s
        if left_s <= 0:
            return
        life, is_late = server.life, server.frozen_until_s >= due_s
        if is_late and method == "POST":
            server.late(method, path, sent)
        until_s = min(server.frozen_until_s + 0.001, due_s)
        # Its death breaks the connection, whoever waits on it.
        while server.up and server.life == life and server.clock.now_s < until_s:
            server.wait(min(0.05, until_s - server.clock.now_s))
        if is_late and server.up and server.life == life:
            raise _away("timed_out")


def _away(code: str, *, refused: bool = False) -> Unavailable:
    return Unavailable(code, "The simulated server doesn't answer.", "Wait.", refused=refused)

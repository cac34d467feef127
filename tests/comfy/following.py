"""Small graphs that every server runs without models, and how a test follows them."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from service.comfy.client import Client
from service.comfy.protocol import Lost, Run, StillPending, StillRunning, Verdict
from service.comfy.socket import Connected, Message, Socket
from service.errors import Unavailable


def picture_graph(color: int | None = None, width: int = 64) -> dict[str, Any]:
    """One picture of one colour, drawn and saved by nodes that need no model; a new one each time."""
    shade = uuid.uuid4().int % 0xFFFFFF if color is None else color
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": width, "height": 64, "batch_size": 1, "color": shade}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"t/{uuid.uuid4().hex}"}},
    }


def new_id() -> str:
    return str(uuid.uuid4())


def until(look: Callable[[], Any], seconds: float = 10) -> Any:
    """Return the first answer that is true; fail at the deadline."""
    due = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < due, "the deadline passed"
        time.sleep(0.01)
    return found


def look(client: Client, run: Run) -> Verdict | None:
    """One look as the lane does it: queue, then history."""
    began_s = time.monotonic()
    try:
        waiting = client.queue()
        entry = client.history(run.prompt_id)
    except Unavailable as away:
        if away.refused:
            run.refused(began_s)
        return None
    return run.reconcile(run.prompt_id in waiting.pending, run.prompt_id in waiting.running, entry, now_s=began_s)


def verdict_of(client: Client, run: Run, seconds: float = 20) -> Verdict:
    """Look until the prompt has its end."""
    found: Verdict = until(lambda: _end(look(client, run)), seconds)
    return found


def _end(verdict: Verdict | None) -> Verdict | None:
    return None if isinstance(verdict, StillPending | StillRunning) else verdict


def send_until_known(client: Client, run: Run, graph: dict[str, Any], client_id: str) -> Verdict:
    """Send a prompt as the lane does: after trouble it is looked for, and only a lost one is sent again."""
    while True:
        run.posted(time.monotonic())
        with suppress(Unavailable):
            client.submit(run.prompt_id, graph, client_id)
        verdict = verdict_of(client, run)
        if not isinstance(verdict, Lost):
            return verdict


class Ears:
    """What a socket delivered, in order."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.all: list[Message] = []

    def put(self, message: Message) -> None:
        self._queue.put(message)

    def next(self, seconds: float = 5) -> Message:
        message = self._queue.get(timeout=seconds)
        self.all.append(message)
        return message

    def wait_for(self, wanted: Callable[[Message], bool], seconds: float = 10) -> Message:
        due = time.monotonic() + seconds
        while not wanted(message := self.next(max(0.01, due - time.monotonic()))):
            pass
        return message

    def wait_for_kind(self, kind: type, seconds: float = 10) -> Any:
        return self.wait_for(lambda message: isinstance(message, kind), seconds)


@contextmanager
def listening(url: str, client_id: str | None = None) -> Iterator[tuple[Socket, Ears]]:
    """A socket that is connected, and what it hears."""
    ears = Ears()
    socket = Socket(url, client_id or uuid.uuid4().hex, ears.put)
    socket.start()
    try:
        ears.wait_for_kind(Connected)
        yield socket, ears
    finally:
        socket.stop()

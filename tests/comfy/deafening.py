"""A server that keeps one socket for each client id, as a true one does, and may hear late of a socket's end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.comfy.scripted import Asked, http
from tests.comfy.websockets import accept, frame


class Deafening:
    """Answers a `Scripted`'s /ws, /prompt and /queue; the nth socket's end is noticed after `late_s[n]` seconds."""

    def __init__(self, *late_s: float) -> None:
        self._late_s = list(late_s)
        self._lock = threading.Lock()
        self._listening: dict[str, Callable[[bytes], None]] = {}
        self._sends: list[Callable[[bytes], None]] = []
        self.pending: list[list[Any]] = []
        #: What happened to sockets, in order.
        self.happened: list[str] = []

    def __call__(self, asked: Asked, send: Callable[[bytes], None]) -> None:
        path, _, query = asked.target.partition("?")
        if path == "/ws":
            self._listen(query.removeprefix("clientId="), asked, send)
        elif path == "/prompt":
            said = json.loads(asked.body)
            with self._lock:
                self.pending.append([len(self.pending), said["prompt_id"]])
            self.tell_everybody()
            answer = {"prompt_id": said["prompt_id"], "number": 1, "node_errors": {}}
            send(http(200, json.dumps(answer).encode()))
        else:
            send(http(200, json.dumps({"queue_running": [], "queue_pending": self.pending}).encode()))

    def tell_everybody(self) -> None:
        """The broadcast that follows every change of the queue."""
        status = {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": len(self.pending)}}}}
        with self._lock:
            listening = list(self._listening.values())
        for send in listening:
            send(frame(1, json.dumps(status).encode()))

    def drop_newest(self) -> None:
        """Say something that ends the newest socket for its client."""
        self._sends[-1](frame(5))

    def _listen(self, client_id: str, asked: Asked, send: Callable[[bytes], None]) -> None:
        send(accept(asked))
        with self._lock:
            self._listening[client_id] = send
            late_s = self._late_s[len(self._sends)] if len(self._sends) < len(self._late_s) else 0.0
            self._sends.append(send)
            self.happened.append(f"opened {client_id}")
        send(frame(1, json.dumps({"type": "status", "data": {"sid": client_id}}).encode()))
        asked.wait_for_end()
        time.sleep(late_s)
        with self._lock:
            # Whoever listens under this id now is forgotten with the old socket.
            self._listening.pop(client_id, None)
            self.happened.append(f"closed {client_id}")

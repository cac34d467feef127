"""What shall go wrong, and what came by: the part of the proxy that tests talk to. Thread-safe."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass
class Fault:
    """One planned fault: which requests it is for, which of them it strikes, and how."""

    kind: str
    path: str
    method: str | None
    nth: int | None
    more: dict[str, Any] = field(default_factory=dict)
    seen: int = 0

    def strikes(self, method: str, path: str) -> bool:
        if not path.startswith(self.path) or (self.method is not None and method != self.method):
            return False
        self.seen += 1
        return self.nth is None or self.seen == self.nth


class Script:
    """Faults are planned by these methods; each returns the proxy itself, so that they can be written in one line.

    `nth` counts from 1 and from when the fault was planned; None means every time. Paths are prefixes without query.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._drops: list[int] = []
        self._repeats: list[int] = []
        self._requests: list[tuple[str, str]] = []
        self._reached: list[tuple[str, str]] = []
        self.messages = 0
        self.sockets = 0

    # ── planning ────────────────────────────────────────────────────────────────────────────────────────────────────

    def fail(self, path: str, nth: int | None = 1, *, status: int = 500, method: str | None = None,
             reaches: bool = False) -> Self:  # fmt: skip
        """Answer with `status`; with `reaches` the server has got the request all the same."""
        return self._plan("fail", path, nth, method, status=status, reaches=reaches)

    def lose_request(self, path: str, nth: int | None = 1, *, method: str | None = None) -> Self:
        """Close the connection before the server has got the request."""
        return self._plan("lose_request", path, nth, method)

    def lose_answer(self, path: str, nth: int | None = 1, *, method: str | None = None) -> Self:
        """Let the server get the request, and close the connection instead of answering."""
        return self._plan("lose_answer", path, nth, method)

    def delay(self, path: str, seconds: float, nth: int | None = None, *, method: str | None = None,
              before: bool = False) -> Self:  # fmt: skip
        """Answer late; with `before` the server gets the request late, too."""
        return self._plan("delay", path, nth, method, seconds=seconds, before=before)

    def answer_html(self, path: str = "/", nth: int | None = None, *, status: int = 200) -> Self:
        """Answer as the login page of something else would."""
        return self._plan("html", path, nth, None, status=status)

    def answer(self, path: str, body: bytes, nth: int | None = None, *, status: int = 200,
               content_type: str = "application/json") -> Self:  # fmt: skip
        """Answer with this body; the server gets nothing."""
        return self._plan("answer", path, nth, None, body=body, status=status, content_type=content_type)

    def cut_body(self, path: str, nth: int | None = 1, *, bytes_: int = 0) -> Self:
        """Send the head and this many bytes of the body, then close."""
        return self._plan("cut", path, nth, None, bytes=bytes_)

    def drip(self, path: str, seconds: float, nth: int | None = 1) -> Self:
        """Send the answer, head too, one byte each `seconds`."""
        return self._plan("drip", path, nth, None, seconds=seconds)

    def drop_socket_after(self, n: int) -> Self:
        """Close a WebSocket without a word once n more messages went to a client; 0 drops those that are open now."""
        with self._lock:
            self._drops.append(self.messages + n)
        return self

    def repeat_message(self, n: int) -> Self:
        """Send the nth message from now twice."""
        with self._lock:
            self._repeats.append(self.messages + n)
        return self

    def heal(self) -> Self:
        """Forget all planned faults."""
        with self._lock:
            self._faults.clear()
            self._drops.clear()
            self._repeats.clear()
        return self

    def _plan(self, kind: str, path: str, nth: int | None, method: str | None, **more: Any) -> Self:
        with self._lock:
            self._faults.append(Fault(kind, path, method, nth, more))
        return self

    # ── what came by ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Every request that clients made, as (method, path without query), in order."""
        with self._lock:
            return list(self._requests)

    @property
    def reached(self) -> list[tuple[str, str]]:
        """The requests that the server got."""
        with self._lock:
            return list(self._reached)

    @property
    def prompts_sent(self) -> int:
        """How many POST /prompt the server got."""
        return self.reached.count(("POST", "/prompt"))

    # ── for the proxy ───────────────────────────────────────────────────────────────────────────────────────────────

    def note(self, method: str, target: str) -> list[Fault]:
        """Note a request and return the faults that strike it."""
        path = urlsplit(target).path
        with self._lock:
            self._requests.append((method, path))
            return [fault for fault in self._faults if fault.strikes(method, path)]

    def note_reached(self, method: str, target: str) -> None:
        with self._lock:
            self._reached.append((method, urlsplit(target).path))

    def note_message(self) -> tuple[bool, bool]:
        """Note a message to a client; return whether it is sent twice, and whether the socket is dropped after it."""
        with self._lock:
            self.messages += 1
            twice = self.messages in self._repeats
            drop = [at for at in self._drops if at <= self.messages]
            self._drops = [at for at in self._drops if at > self.messages]
            return twice, bool(drop)

"""The sockets that listen: who hears what, and nobody stalls anybody."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

log = logging.getLogger(__name__)

FEATURES = {"supports_preview_metadata": True, "max_upload_size": 100 * 1024 * 1024}

#: A subscriber that is this far behind is cut off; it may come back and ask history.
MOST_MESSAGES_BEHIND = 2000
MOST_BYTES_BEHIND = 64 * 1024 * 1024

#: Closing handshakes wait no longer than this.
CLOSE_DEADLINE_S = 1.0


@dataclass
class Subscriber:
    """One socket with its own bounded queue and its own writer."""

    socket: web.WebSocketResponse
    abort: Callable[[], None]
    features: dict[str, Any] = field(default_factory=dict)
    waiting: deque[str | bytes] = field(default_factory=deque)
    bytes_waiting: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    cut: bool = False

    def push(self, frame: str | bytes) -> None:
        """Queue a frame; a subscriber too far behind is cut off instead. Called in the event loop."""
        if self.cut:
            return
        self.waiting.append(frame)
        self.bytes_waiting += len(frame)
        if len(self.waiting) > MOST_MESSAGES_BEHIND or self.bytes_waiting > MOST_BYTES_BEHIND:
            log.warning("A WebSocket client that doesn't read is cut off, %d messages behind.", len(self.waiting))
            self.cut = True
            self.waiting.clear()
            # It doesn't read, so it would not hear a polite close either.
            self.abort()
        self.news.set()

    async def write(self) -> None:
        """Send what is queued, for ever; ends when the socket does or when it was cut off."""
        while not self.cut:
            await self.news.wait()
            self.news.clear()
            while self.waiting:
                frame = self.waiting.popleft()
                self.bytes_waiting -= len(frame)
                if isinstance(frame, str):
                    await self.socket.send_str(frame)
                else:
                    await self.socket.send_bytes(frame)


class Hub:
    """All subscribers. The methods of an Audience may be called from any thread; the rest runs in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, remaining: Callable[[], int]) -> None:
        self._loop = loop
        self._remaining = remaining
        self._subscribers: dict[str, Subscriber] = {}
        #: The client of the running prompt and its node, told to that client when it connects in mid-run.
        self._now: tuple[str, str] | None = None

    def tell(self, event: str, data: dict[str, Any], client: str | None) -> None:
        """Send a JSON message to a client, or to everybody."""
        self._deliver(json.dumps({"type": event, "data": data}), client)

    def show(self, frame: bytes, client: str | None) -> None:
        """Send a binary frame to a client, or to everybody."""
        self._deliver(frame, client)

    def tell_node(self, node_id: str | None, prompt_id: str, client: str | None) -> None:
        """Say which node runs now; None after the last. Without a client nobody is told."""
        if client is None:
            return
        self._now = (client, node_id) if node_id is not None else None
        told = {"node": node_id, "display_node": node_id, "prompt_id": prompt_id}
        if node_id is None:
            del told["display_node"]
        self.tell("executing", told, client)

    def tell_status(self, remaining: int) -> None:
        """Tell everybody how many prompts run or wait."""
        self.tell("status", _status(remaining), None)

    def listens(self, client: str | None) -> bool:
        """Return whether any socket would hear it."""
        return bool(self._subscribers) if client is None else client in self._subscribers

    def takes_metadata(self, client: str | None) -> bool:
        """Return whether this client asked for previews with metadata; nobody in particular never did."""
        subscriber = self._subscribers.get(client) if client is not None else None
        return subscriber is not None and bool(subscriber.features.get("supports_preview_metadata"))

    def _deliver(self, frame: str | bytes, client: str | None) -> None:
        self._loop.call_soon_threadsafe(self._push, frame, client)

    def _push(self, frame: str | bytes, client: str | None) -> None:
        if client is not None:
            subscriber = self._subscribers.get(client)
            if subscriber is not None:
                subscriber.push(frame)
            return
        for subscriber in list(self._subscribers.values()):
            subscriber.push(frame)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Answer GET /ws: status first, then whatever comes; the client's first message may name its features."""
        socket = web.WebSocketResponse(timeout=CLOSE_DEADLINE_S, max_msg_size=1024 * 1024)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        client = request.query.get("clientId") or uuid.uuid4().hex
        subscriber = Subscriber(socket, abort=transport.abort)
        self._subscribers[client] = subscriber
        subscriber.push(json.dumps({"type": "status", "data": {**_status(self._remaining()), "sid": client}}))
        if self._now is not None and self._now[0] == client:
            subscriber.push(json.dumps({"type": "executing", "data": {"node": self._now[1]}}))
        writer = asyncio.create_task(subscriber.write())
        reader = asyncio.create_task(self._read(subscriber))
        try:
            await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # As there: the id goes, even if a newer socket has taken it, which is deaf from then on.
            self._subscribers.pop(client, None)
            for task in (writer, reader):
                task.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)
        return socket

    async def _read(self, subscriber: Subscriber) -> None:
        is_first = True
        async for message in subscriber.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            said = _parsed(message.data)
            if is_first and said.get("type") == "feature_flags":
                features = said.get("data")
                subscriber.features = features if isinstance(features, dict) else {}
                subscriber.push(json.dumps({"type": "feature_flags", "data": FEATURES}))
            is_first = False


def _status(remaining: int) -> dict[str, Any]:
    return {"status": {"exec_info": {"queue_remaining": remaining}}}


def _parsed(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}

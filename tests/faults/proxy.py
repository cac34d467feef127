"""A scripted HTTP and WebSocket proxy that stands before any server, the engine or a true ComfyUI.

    with Proxy(engine_url) as proxy:
        proxy.lose_answer("/prompt").drop_socket_after(3)
        ... the client talks to proxy.url ...
        assert proxy.prompts_sent == 1

It runs in a thread of its own, on a real port of the loopback, and takes one request per connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self
from urllib.parse import urlsplit

from tests.faults.frames import BINARY, TEXT, read_frame
from tests.faults.script import Fault, Script

_DEADLINE_S = 10
_HTML = b"<!doctype html><html><title>Router login</title><body>Please log in.</body></html>"


class _CutError(Exception):
    """The connection to the client shall end here, without a word."""


class _Taken(asyncio.StreamReaderProtocol):
    """A connection from the moment on that it is taken: its task may not have begun when everything is to be closed."""

    def __init__(
        self, known: set[asyncio.BaseTransport], take: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
    ) -> None:
        super().__init__(asyncio.StreamReader(limit=2**20), take)
        self._known = known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._taken = transport
        self._known.add(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._known.discard(self._taken)
        super().connection_lost(exc)


class Proxy(Script):
    """Stands before `upstream` (which may be set anew, when a server came back elsewhere); `url` is for the client."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.upstream = upstream
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.BaseTransport] = set()
        self._frozen: asyncio.Event | None = None
        self._swallowing = False
        self._passed_on: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def stop(self) -> None:
        self._do(self._leave())
        self._do(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_DEADLINE_S)
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def refuse(self) -> Self:
        """Close everything and stop listening: connections are refused, as after a crash."""
        self._do(self._leave())
        return self

    def accept(self) -> Self:
        """Listen again, on the same port."""
        self._do(self._listen())
        return self

    def freeze(self) -> Self:
        """Take connections but answer nobody, as a stopped process does."""
        self._do(self._set_frozen(asyncio.Event()))
        return self

    def thaw(self) -> Self:
        """Go on with all that waited."""
        self._do(self._set_frozen(None))
        return self

    def drop_socket_after(self, n: int) -> Self:
        """Close a WebSocket without a word once n more messages went to a client; 0 drops those that are open now."""
        return self._do(self._drop_now()) if n == 0 else super().drop_socket_after(n)

    def swallow_messages(self, *, but: bytes | None = None) -> Self:
        """Keep sockets open and pass on nothing that is said on them, but for messages that hold some bytes."""
        self._swallowing, self._passed_on = True, but
        return self

    def pass_messages(self) -> Self:
        """Pass on again what is said on sockets; what was swallowed stays so."""
        self._swallowing = False
        return self

    # ── on the loop ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(_DEADLINE_S) or self

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Taken(self._transports, self._take), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _leave(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        # A connection that was taken a moment ago makes itself known only in the next rounds of the loop.
        await _settle()
        await self._end(list(self._tasks))
        for transport in list(self._transports):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await _settle()

    async def _drop_now(self) -> None:
        await self._end([task for task in self._tasks if task.get_name() == "websocket"])

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _set_frozen(self, frozen: asyncio.Event | None) -> None:
        before, self._frozen = self._frozen, frozen
        if before is not None:
            before.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer, task)
        except (_CutError, OSError, asyncio.IncompleteReadError):
            _reset(writer)
        except asyncio.CancelledError:
            _reset(writer)  # our own stop: the task ends here, there is nobody to tell
        finally:
            try:
                await _close(writer)
            finally:
                self._tasks.discard(task)  # only now: whoever stops the loop waits for the tasks that are known

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        faults = self.note(method, target)
        if self._frozen is not None:
            await self._frozen.wait()
        if b"upgrade: websocket" in head.lower():
            task.set_name("websocket")
            await self._relay(head, reader, writer, faults)
            return
        body = await _read_body(head, reader)
        answer = await self._answer(method, target, head, body, faults)
        await _send(writer, answer, faults)

    async def _answer(self, method: str, target: str, head: bytes, body: bytes, faults: list[Fault]) -> bytes:
        for fault in faults:
            if fault.kind == "lose_request":
                raise _CutError
            if fault.kind == "html":
                return _http(fault.more["status"], _HTML, "text/html; charset=utf-8")
            if fault.kind == "answer":
                return _http(fault.more["status"], fault.more["body"], fault.more["content_type"])
            if fault.kind == "fail" and not fault.more["reaches"]:
                return _http(fault.more["status"], b"scripted trouble", "text/plain")
            if fault.kind == "delay" and fault.more["before"]:
                await asyncio.sleep(fault.more["seconds"])
        answer = await self._ask_upstream(method, target, head, body)
        for fault in faults:
            if fault.kind == "lose_answer":
                raise _CutError
            if fault.kind == "fail":
                return _http(fault.more["status"], b"scripted trouble", "text/plain")
            if fault.kind == "delay" and not fault.more["before"]:
                await asyncio.sleep(fault.more["seconds"])
        return answer

    async def _ask_upstream(self, method: str, target: str, head: bytes, body: bytes) -> bytes:
        upstream = urlsplit(self.upstream)
        reader, writer = await asyncio.open_connection(upstream.hostname, upstream.port)
        try:
            self.note_reached(method, target)
            lines = [
                line
                for line in head.rstrip().split(b"\r\n")
                if not line.lower().startswith((b"connection:", b"transfer-encoding:", b"content-length:", b"host:"))
            ]
            lines += [b"Connection: close", b"Host: " + upstream.netloc.encode()]
            lines += [b"Content-Length: %d" % len(body)] if body or method != "GET" else []
            writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            await writer.drain()
            return await reader.read(-1)
        finally:
            await _close(writer)

    async def _relay(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: list[Fault]
    ) -> None:
        if any(fault.kind in {"fail", "html"} for fault in faults):
            writer.write(_http(503, b"scripted trouble", "text/plain"))
            return
        upstream = urlsplit(self.upstream)
        up_reader, up_writer = await asyncio.open_connection(upstream.hostname, upstream.port, limit=2**20)
        self.sockets += 1
        asking = asyncio.create_task(_copy(reader, up_writer))
        try:
            up_writer.write(head)
            writer.write(await up_reader.readuntil(b"\r\n\r\n"))
            await self._pass_messages(up_reader, writer)
        finally:
            self.sockets -= 1
            asking.cancel()
            try:
                await asyncio.gather(asking, return_exceptions=True)
            finally:
                await _close(up_writer)

    async def _pass_messages(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, ends, raw = await read_frame(reader)
            if self._swallowing and not (self._passed_on and self._passed_on in raw):
                continue
            if self._frozen is not None:
                await self._frozen.wait()
            writer.write(raw)
            if ends and kind in {0, TEXT, BINARY}:
                twice, drop = self.note_message()
                if twice:
                    writer.write(raw)
                if drop:
                    await writer.drain()
                    raise _CutError
            await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()  # the client left, so the server shall know


async def _read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if b"chunked" in headers.get(b"transfer-encoding", b""):
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return body
    return await reader.readexactly(int(headers.get(b"content-length", b"0")))


async def _send(writer: asyncio.StreamWriter, answer: bytes, faults: list[Fault]) -> None:
    for fault in faults:
        if fault.kind == "cut":
            head, _, body = answer.partition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n" + body[: fault.more["bytes"]])
            await writer.drain()
            return
        if fault.kind == "drip":
            for at in range(len(answer)):
                writer.write(answer[at : at + 1])
                await writer.drain()
                await asyncio.sleep(fault.more["seconds"])
            return
    writer.write(answer)
    await writer.drain()


def _http(status: int, body: bytes, content_type: str) -> bytes:
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _reset(writer: asyncio.StreamWriter) -> None:
    """Make the closing a hard one, as when a process dies."""
    connected = writer.get_extra_info("socket")
    if connected is not None and connected.fileno() >= 0:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


async def _settle() -> None:
    """Let connections that were closed just now be gone before the loop is."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass
    except asyncio.CancelledError:
        writer.transport.abort()

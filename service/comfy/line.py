"""One WebSocket connection from its dialling to its goodbye; every wait on it has a deadline or can be cut off."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from service.comfy import frames
from service.comfy.frames import Closed, Decoder, Ping, ProtocolError

_CONNECT_S = 2.0
_FAREWELL_S = 1.0
#: SO_LINGER's on and 0 s: closing resets the connection.
_AT_ONCE = struct.pack("ii", 1, 0)
_CHUNK_BYTES = 65536
_LONGEST_HEAD_BYTES = 32768
#: So much of a message that is still under way is a sign of life; a byte now and then is none.
_LIFE_BYTES = 65536


@dataclass(frozen=True)
class Address:
    """Where a server's WebSocket is: `host` and `port` to dial, `name` as its Host header says it, `path` on it."""

    host: str
    port: int
    name: str
    path: str
    tls: ssl.SSLContext | None
    headers: tuple[str, ...]


@dataclass(frozen=True)
class Patience:
    """How long a connection may take, in seconds: to open, to stay quiet before a ping, to say nothing at all."""

    handshake_s: float
    ping_after_s: float
    silent_for_s: float


class Line:
    """A connection to be; `open`, `read` and `hang_up` are one thread's, `cut` is everybody's.

    `open` and `read` raise ProtocolError or OSError when the connection is, or becomes, of no use.
    """

    def __init__(self, address: Address, patience: Patience) -> None:
        self._address = address
        self._patience = patience
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None
        self._is_cut = False
        self._decoder = Decoder()
        self._rest = b""

    def open(self, query: str, first_message: str) -> None:
        """Connect, shake hands and send the first message, all within the patience for it."""
        due = time.monotonic() + self._patience.handshake_s
        address = self._address
        wire = self._keep(socket.create_connection((address.host, address.port), _CONNECT_S))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if address.tls is not None:
            secured = address.tls.wrap_socket(wire, server_hostname=address.host, do_handshake_on_connect=False)
            wire = self._keep(secured)
            secured.settimeout(_left_s(due))
            secured.do_handshake()
        key = frames.new_key()
        target = f"{address.path}?{query}"
        wire.settimeout(_left_s(due))
        wire.sendall(frames.opening(address.name, target, key, list(address.headers)))
        head, rest = self._read_head(wire, due)
        frames.check_opening(head, key)
        self._rest = rest
        wire.settimeout(self._patience.ping_after_s)
        wire.sendall(frames.text(first_message))

    def read(self, tell: Callable[[str | bytes], None]) -> None:
        """Hand on each message until the connection ends; asks for a sign of life where it stays quiet."""
        wire = self._wire
        assert wire is not None, "a line is read after it was opened"
        life_s = pinged_s = time.monotonic()
        counted = 0
        data = self._rest
        while True:
            if self._take(wire, data, tell) or self._decoder.received_bytes - counted >= _LIFE_BYTES:
                life_s, counted = time.monotonic(), self._decoder.received_bytes
            now = time.monotonic()
            if now - life_s > self._patience.silent_for_s:
                raise TimeoutError("the server says nothing any more")
            if now - max(life_s, pinged_s) > self._patience.ping_after_s:
                wire.sendall(frames.ping())
                pinged_s = now
            data = self._receive(wire)

    def hang_up(self, *, politely: bool) -> None:
        """Close the connection; politely: wait a moment until the server has closed its side too.

        Its end must have reached the server before the same client id connects again.
        """
        wire = self._wire
        if wire is None:
            return
        parted = False
        with suppress(OSError):
            wire.shutdown(socket.SHUT_WR)
            parted = politely and self._hear_goodbye(wire)
        if not parted:
            # Whoever still sends is told at once that nobody listens: a server may wait for its slowest reader.
            with suppress(OSError):
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        with self._lock:
            self._wire = None
        wire.close()

    def _hear_goodbye(self, wire: socket.socket) -> bool:
        """Return whether the server closed its side while we waited; what it still says is dropped."""
        due = time.monotonic() + _FAREWELL_S
        while not self._is_cut and (left_s := due - time.monotonic()) > 0:
            wire.settimeout(left_s)
            if not wire.recv(_CHUNK_BYTES):
                return True
        return False

    def cut(self) -> None:
        """End the connection now, whatever it is doing; its thread wakes at once."""
        with self._lock:
            self._is_cut = True
            if self._wire is not None:
                with suppress(OSError):  # it may have ended by itself just now
                    self._wire.shutdown(socket.SHUT_RDWR)

    def _keep(self, wire: socket.socket) -> socket.socket:
        """Remember what `cut` is to end; whoever was cut before that ends here."""
        with self._lock:
            self._wire = wire
            is_cut = self._is_cut
        if is_cut:
            raise ConnectionAbortedError("cut off")
        return wire

    def _read_head(self, wire: socket.socket, due: float) -> tuple[bytes, bytes]:
        """Return the answer's head, and what came behind it already."""
        got = b""
        while b"\r\n\r\n" not in got:
            if len(got) > _LONGEST_HEAD_BYTES:
                raise ProtocolError("its answer is no handshake")
            wire.settimeout(_left_s(due))
            more = wire.recv(4096)
            if not more:
                raise ConnectionAbortedError("the server closed the connection instead of opening it")
            got += more
        head, _, rest = got.partition(b"\r\n\r\n")
        return head, rest

    def _receive(self, wire: socket.socket) -> bytes:
        wire.settimeout(self._patience.ping_after_s / 3)
        try:
            data = wire.recv(_CHUNK_BYTES)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionAbortedError("the server closed the connection")
        return data

    def _take(self, wire: socket.socket, data: bytes, tell: Callable[[str | bytes], None]) -> bool:
        """Hand on what these bytes complete; return whether that was anything."""
        said = self._decoder.feed(data)
        pings = [each for each in said if isinstance(each, Ping)]
        for each in said:
            if isinstance(each, Closed):
                raise ConnectionAbortedError("the server closed the connection")
            if isinstance(each, str | bytes):
                tell(each)
        if pings:
            # One answer for all of them, as the protocol allows: a flood of pings gets no flood of pongs.
            wire.sendall(frames.pong(pings[-1].data))
        return bool(said)


def _left_s(due: float) -> float:
    left_s = due - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("it took too long to open")
    return left_s

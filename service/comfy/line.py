"""One WebSocket connection from its dialling to its goodbye; every wait on it has a deadline or can be cut off."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import websocket

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
        #: What shakes hands and masks what we say. What the server says is read by a decoder of ours: the library has
        #: no limit for a frame, nor for fragments.
        self._speaker = websocket.WebSocket(skip_utf8_validation=True)

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
        self._speaker = self._shake_hands(wire, query, due)
        wire.settimeout(self._patience.ping_after_s)
        with _translated():
            self._speaker.send(first_message)

    def read(self, tell: Callable[[str | bytes], None]) -> None:
        """Hand on each message until the connection ends; asks for a sign of life where it stays quiet."""
        wire = self._wire
        assert wire is not None, "a line is read after it was opened"
        life_s = pinged_s = time.monotonic()
        counted = 0
        data = b""
        while True:
            if self._take(data, tell) or self._decoder.received_bytes - counted >= _LIFE_BYTES:
                life_s, counted = time.monotonic(), self._decoder.received_bytes
            now = time.monotonic()
            if now - life_s > self._patience.silent_for_s:
                raise TimeoutError("the server says nothing any more")
            if now - max(life_s, pinged_s) > self._patience.ping_after_s:
                with _translated():
                    self._speaker.ping()
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

    def _shake_hands(self, wire: socket.socket, query: str, due: float) -> websocket.WebSocket:
        address = self._address
        scheme = "ws" if address.tls is None else "wss"
        speaker = websocket.WebSocket(skip_utf8_validation=True)
        with _translated():
            speaker.connect(  # type: ignore[no-untyped-call]
                f"{scheme}://{address.name}{address.path}?{query}",
                socket=_Doorway(wire, due),
                host=address.name,
                header=list(address.headers),
                suppress_origin=True,  # a foreign Origin gets 403, no Origin never does
                redirect_limit=0,
            )
        return speaker

    def _receive(self, wire: socket.socket) -> bytes:
        wire.settimeout(self._patience.ping_after_s / 3)
        try:
            data = wire.recv(_CHUNK_BYTES)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionAbortedError("the server closed the connection")
        return data

    def _take(self, data: bytes, tell: Callable[[str | bytes], None]) -> bool:
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
            with _translated():
                self._speaker.pong(pings[-1].data)
        return bool(said)


class _Doorway:
    """A connected socket as the library sees it: what is read during the handshake is bounded in bytes and time."""

    def __init__(self, wire: socket.socket, due: float) -> None:
        self._wire = wire
        self._due = due
        self._left_bytes = _LONGEST_HEAD_BYTES

    def recv(self, size: int) -> bytes:
        self._wire.settimeout(_left_s(self._due))
        got = self._wire.recv(min(size, self._left_bytes))
        self._left_bytes -= len(got)
        if self._left_bytes <= 0:
            raise ProtocolError("its answer is no handshake")
        return got

    def send(self, data: bytes) -> int:
        return self._wire.send(data)

    def gettimeout(self) -> float | None:
        return self._wire.gettimeout()

    def settimeout(self, seconds: float | None) -> None:
        self._wire.settimeout(seconds)

    def fileno(self) -> int:
        return self._wire.fileno()

    def close(self) -> None:
        """The line closes it, in its own way."""


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the library raises into what a line raises."""
    try:
        yield
    except websocket.WebSocketBadStatusException as refused:
        status = refused.status_code
        if status in {401, 403}:
            raise ProtocolError(
                f"it doesn't let us in (HTTP {status}): give this backend its `headers` or `token`"
            ) from None
        raise ProtocolError(
            f"it answers HTTP {status}: let the proxy before it, if there is one, pass WebSockets on"
        ) from None
    except websocket.WebSocketTimeoutException:
        raise TimeoutError("it took too long") from None
    except websocket.WebSocketConnectionClosedException:
        raise ConnectionAbortedError("the server closed the connection instead of opening it") from None
    except (websocket.WebSocketException, ValueError, LookupError) as odd:
        # Whatever a hostile head makes the library stumble over.
        raise ProtocolError(f"its handshake is none ({type(odd).__name__})") from None


def _left_s(due: float) -> float:
    left_s = due - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("it took too long to open")
    return left_s

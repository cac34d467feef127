"""ComfyUI's WebSocket: frames in, messages out. It always reads, on its own thread, and never waits for its reader.

What websocket-client leaves to its user: no wait has a time limit of its own, a half frame hangs past ping and pong,
and a proxy named in the environment is taken for 127.0.0.1 too, whatever its `http_no_proxy` says. So it gets sockets
that we connected. What the server leaves to its client: if a new socket opens with a client id whose old socket is
still open there, the old one's end makes the new one deaf for good. So the old socket is closed first, and only then
the same client id connects again: what is said of prompts sent under it comes in as before. A server that hears of the
old one's end too late makes us deaf all the same; whoever finds that out (hearing.py) asks for a fresh id by `renew`.
"""

from __future__ import annotations

import json
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlsplit

import websocket

from service.comfy.access import headers_for, tls_context, without_login

_LOG = logging.getLogger(__name__)

_CONNECT_S = 2.0
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 5.0
_STOP_S = 1.0
_FAREWELL_S = 1.0
_CHUNK_BYTES = 65536
_FEATURES = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}


@dataclass(frozen=True)
class Connected:
    """A new connection is up; prompts sent from now on take this client id."""

    client_id: str


@dataclass(frozen=True)
class Disconnected:
    """There is no connection; `refused` says that nothing listens there, so the server's process is gone."""

    reason: str
    refused: bool


Message = str | bytes | Connected | Disconnected


class Socket:
    """One server's socket, kept open from `start` to `stop`; `deliver` is called on our thread and must not block.

    A server that is silent for `ping_after_s` is pinged, and left when it says nothing for `silent_for_s`.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        deliver: Callable[[Message], None],
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        tls_verify: bool | Path = True,
        handshake_s: float = 5.0,
        ping_after_s: float = 15.0,
        silent_for_s: float = 35.0,
    ) -> None:
        parts = urlsplit(without_login(base_url))
        scheme = {"http": "ws", "https": "wss"}[parts.scheme]
        self._url = f"{scheme}://{parts.netloc}{parts.path}/ws"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if scheme == "wss" else 80)
        self._tls = tls_context(tls_verify) if scheme == "wss" else None
        self._headers = [f"{name}: {value}" for name, value in headers_for(base_url, headers).items()]
        self._first_client_id = client_id
        self._client_id = client_id
        self._renewals = 0
        self._heard_s: float | None = None
        self._deliver = deliver
        self._handshake_s, self._ping_after_s, self._silent_for_s = handshake_s, ping_after_s, silent_for_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="comfy-socket", daemon=True)
        self._lock = threading.Lock()
        self._wire: socket.socket | None = None

    @property
    def client_id(self) -> str:
        """The id that prompts sent from now on take; another one only after `renew`."""
        return self._client_id

    @property
    def heard_s(self) -> float | None:
        """When the newest message of the present connection came, by time.monotonic(); None before the first."""
        return self._heard_s

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def renew(self) -> str:
        """Leave the present connection, if there is one, for one under a fresh client id, and return that id at once.

        Prompts sent under the earlier id are heard no more. Told as any loss: Disconnected, then Connected.
        """
        with self._lock:
            self._renewals += 1
            self._client_id = f"{self._first_client_id}-{self._renewals}"
        self._cut()
        return self._client_id

    def alive(self) -> bool:
        """Return whether the thread still does its work, connected or not."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Close the connection and end the thread, within about a second."""
        self._stopping.set()
        self._cut()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            self._keep_connected()
        except Exception:  # noqa: BLE001  the thread's one net: its owner sees that it is no longer alive
            _LOG.exception("the reader of %s fell", self._url)

    def _keep_connected(self) -> None:
        wait_s = _FIRST_WAIT_S
        told: bool | None = None
        while not self._stopping.is_set():
            heard, trouble = self._live_once()
            if self._stopping.is_set():
                return
            refused = isinstance(trouble, ConnectionRefusedError)
            # Told once for each loss, and once more when connections begin to be refused.
            if heard or told is not refused:
                self._deliver(Disconnected(f"{type(trouble).__name__}: {trouble}", refused))
            told = refused
            wait_s = _FIRST_WAIT_S if heard else min(wait_s * 2, _LONGEST_WAIT_S)
            self._stopping.wait(wait_s * random.uniform(0.5, 1))  # noqa: S311  only spreads the load

    def _live_once(self) -> tuple[bool, Exception | None]:
        """Live one connection from its opening to its end; return whether it was up, and what ended it."""
        opened = websocket.WebSocket(skip_utf8_validation=True)
        heard = False
        try:
            client_id = self._connect(opened)
            heard = True
            self._tell(Connected(client_id))
            self._read(opened)
        except (websocket.WebSocketException, OSError) as trouble:
            return heard, trouble
        finally:
            self._hang_up()
            opened.shutdown()  # type: ignore[no-untyped-call]
        return heard, None

    def _connect(self, opened: websocket.WebSocket) -> str:
        client_id = self.client_id
        wire = self._dial(client_id)
        # The library's own limit counts for each byte of the handshake.
        guard = threading.Timer(self._handshake_s, self._cut)
        guard.daemon = True
        guard.start()
        try:
            if self._tls is not None:
                secured = self._tls.wrap_socket(wire, server_hostname=self._host, do_handshake_on_connect=False)
                wire = self._keep(secured, client_id)
                secured.do_handshake()
            opened.connect(  # type: ignore[no-untyped-call]
                f"{self._url}?clientId={quote(client_id, safe='')}",
                socket=wire,
                header=self._headers,
                suppress_origin=True,  # a foreign Origin gets 403, no Origin never does
                redirect_limit=0,
            )
        finally:
            guard.cancel()
        # Only as the very first message does it bring previews that name their prompt.
        opened.send(json.dumps(_FEATURES))
        opened.settimeout(self._ping_after_s / 3)
        return client_id

    def _dial(self, client_id: str) -> socket.socket:
        wire = socket.create_connection((self._host, self._port), _CONNECT_S)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return self._keep(wire, client_id)

    def _keep(self, wire: socket.socket, client_id: str) -> socket.socket:
        """Remember what `_cut` is to end; whoever was told to stop or to renew before that ends here."""
        with self._lock:
            self._wire = wire
            overtaken = client_id != self._client_id or self._stopping.is_set()
        if overtaken:
            raise ConnectionAbortedError("another client id is wanted by now")
        return wire

    def _hang_up(self) -> None:
        """Close the present connection, and wait a moment until the server has heard of it.

        Its end must reach the server before the same client id connects again.
        """
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is None:
            return
        with suppress(OSError):
            wire.shutdown(socket.SHUT_WR)
            due = time.monotonic() + _FAREWELL_S
            while not self._stopping.is_set() and (left_s := due - time.monotonic()) > 0:
                wire.settimeout(left_s)
                if not wire.recv(_CHUNK_BYTES):
                    break
        wire.close()

    def _read(self, opened: websocket.WebSocket) -> None:
        heard_at = pinged_at = time.monotonic()
        while not self._stopping.is_set():
            try:
                kind, data = opened.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                now = time.monotonic()
                if now - heard_at > self._silent_for_s:
                    raise
                if now - max(heard_at, pinged_at) > self._ping_after_s:
                    opened.ping()
                    pinged_at = now
                continue
            heard_at = time.monotonic()
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException("the server closed the connection")
            if kind == websocket.ABNF.OPCODE_BINARY:
                self._tell(bytes(data))
            elif kind == websocket.ABNF.OPCODE_TEXT:
                self._tell(data.decode("utf-8", "replace"))

    def _tell(self, message: Message) -> None:
        self._heard_s = None if isinstance(message, Connected) else time.monotonic()
        if not self._stopping.is_set():
            self._deliver(message)

    def _cut(self) -> None:
        """End the present connection from any thread: its reader wakes at once."""
        with self._lock:
            if self._wire is None:
                return
            with suppress(OSError):  # it may have ended by itself just now
                self._wire.shutdown(socket.SHUT_RDWR)

"""ComfyUI's WebSocket: frames in, messages out. It always reads, on its own thread, and never waits for its reader.

What the server leaves to its client: if a new socket opens with a client id whose old socket is still open there, the
old one's end makes the new one deaf for good. So the old socket is closed first, and only then the same client id
connects again: what is said of prompts sent under it comes in as before. A server that hears of the old one's end too
late makes us deaf all the same; whoever finds that out (hearing.py) asks for a fresh id by `renew`.

No proxy of the environment is asked, for nobody but us dials. Without a socket every job still ends right, by looks
alone; so whatever is wrong with it is logged and tried again, and never fails anything.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from service.comfy.access import headers_for, tls_context, without_login
from service.comfy.frames import ProtocolError
from service.comfy.line import Address, Line, Patience

_LOG = logging.getLogger(__name__)

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 5.0
#: A connection that lived for less says nothing about how soon the next one may be tried.
_SETTLED_S = 5.0
_STOP_S = 1.0
_FEATURES = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})


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

    A server that is silent for `ping_after_s` is pinged, and left when it says nothing for `silent_for_s`. ValueError:
    address or headers are none. Unavailable: the certificates under `tls_verify` can't be read.
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
        self._shown = without_login(base_url)
        self._address = _address_of(self._shown, headers_for(base_url, headers), tls_verify=tls_verify)
        self._patience = Patience(handshake_s, ping_after_s, silent_for_s)
        self._first_client_id = client_id
        self._client_id = client_id
        self._renewals = 0
        self._heard_s: float | None = None
        self._deliver = deliver
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="comfy-socket", daemon=True)
        self._lock = threading.Lock()
        self._line: Line | None = None

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
            _LOG.exception("the reader of %s fell", self._shown)

    def _keep_connected(self) -> None:
        wait_s = _FIRST_WAIT_S / 2
        told: bool | None = None
        logged = ""
        while not self._stopping.is_set():
            began_s = time.monotonic()
            was_up, trouble = self._live_once()
            if self._stopping.is_set():
                return
            refused = isinstance(trouble, ConnectionRefusedError)
            # Told once for each loss, and once more when connections begin to be refused.
            if was_up or told is not refused:
                self._deliver(Disconnected(str(trouble), refused))
            told = refused
            if isinstance(trouble, ProtocolError) and str(trouble) != logged:
                logged = str(trouble)
                _LOG.warning("no progress from %s, though results come all the same: %s", self._shown, logged)
            settled = was_up and not isinstance(trouble, ProtocolError) and time.monotonic() - began_s > _SETTLED_S
            wait_s = _FIRST_WAIT_S if settled else min(wait_s * 2, _LONGEST_WAIT_S)
            self._stopping.wait(wait_s * random.uniform(0.5, 1))  # noqa: S311  only spreads the load

    def _live_once(self) -> tuple[bool, Exception]:
        """Live one connection from its opening to its end; return whether it was up, and what ended it."""
        with self._lock:
            client_id = self._client_id
            line = self._line = Line(self._address, self._patience)
        was_up = False
        try:
            if self._stopping.is_set():
                raise ConnectionAbortedError("stopped")
            # Only as the very first message do these features bring previews that name their prompt.
            line.open(f"clientId={quote(client_id, safe='')}", _FEATURES)
            was_up = True
            self._heard_s = None
            self._tell(Connected(client_id))
            line.read(self._hear)
        except (ProtocolError, OSError) as trouble:
            return was_up, trouble
        finally:
            line.hang_up(politely=not self._stopping.is_set())
        raise AssertionError("a line is read until it ends")

    def _hear(self, message: str | bytes) -> None:
        self._heard_s = time.monotonic()
        self._tell(message)

    def _tell(self, message: Message) -> None:
        if not self._stopping.is_set():
            self._deliver(message)

    def _cut(self) -> None:
        with self._lock:
            line = self._line
        if line is not None:
            line.cut()


def _address_of(url: str, headers: Mapping[str, str], *, tls_verify: bool | Path) -> Address:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    return Address(
        host=host,
        port=parts.port or (443 if secure else 80),
        name=parts.netloc if parts.netloc.isascii() else _ascii_name(host, parts.port),
        path=f"{quote(parts.path, safe='/%:@')}/ws",
        tls=tls_context(tls_verify) if secure else None,
        headers=tuple(f"{name}: {value}" for name, value in headers.items()),
    )


def _ascii_name(host: str, port: int | None) -> str:
    name = host.encode("idna").decode()
    return f"{name}:{port}" if port else name

"""HTTP that always comes back: every exchange has one deadline for the whole of it, not only for each read.

A socket's timeout starts anew with every byte, so a server that drips one byte a second holds a `timeout=10` call for
hours. Here each read waits only as long as the exchange as a whole may still last. One requests session a thread, for
sessions aren't promised to be thread-safe. Proxies and passwords of the environment are not for this server: off.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from service.comfy.access import headers_for, tls_context, without_login
from service.comfy.wire_trouble import StoppedError, not_comfyui, trouble_of
from service.errors import Unavailable

_CHUNK_BYTES = 65536
#: Answers of ComfyUI are far below this, but for /object_info, which says itself how long it may be.
_LONGEST_BODY_BYTES = 16 * 1024 * 1024
#: A stopped exchange ends within this.
_STOP_LOOK_S = 0.2
_DUE = threading.local()


def _next_wait_s() -> float:
    """Return how long this thread's next wait may last; raise TimeoutError if its exchange's time is over."""
    left = float(getattr(_DUE, "at", float("inf"))) - time.monotonic()
    if left <= 0:
        raise TimeoutError("the exchange as a whole took too long")
    return min(left, float(getattr(_DUE, "read_s", left)))


class _PatientReader(io.RawIOBase):
    """A socket's reading end that waits no longer than the exchange may last, and ends soon after a stop."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # Never read from; while it is open the socket's own close waits, as http.client expects.
        self._raw = connected.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        due = time.monotonic() + _next_wait_s()
        stop: threading.Event | None = getattr(_DUE, "stop", None)
        while True:
            if stop is not None and stop.is_set():
                raise StoppedError
            left_s = max(0.001, due - time.monotonic())
            self._socket.settimeout(left_s if stop is None else min(left_s, _STOP_LOOK_S))
            try:
                return self._socket.recv_into(buffer)
            except TimeoutError:
                if time.monotonic() >= due:
                    raise

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _PatientSocket:
    """A connected socket that reads and sends within the exchange's time; all else is the socket's own."""

    def __init__(self, connected: socket.socket) -> None:
        self._connected = connected

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)

    def sendall(self, data: Any) -> None:
        self._connected.settimeout(_next_wait_s())
        self._connected.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_PatientReader(self._connected))


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = _PatientSocket(self.sock)


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        # The context has judged the certificate as the configuration wants; the library would warn of that each time.
        self.is_verified = True
        self.sock = _PatientSocket(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        if self._context is not None:
            named["ssl_context"] = self._context
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Session(requests.Session):
    """A session that leaves redirects alone; the library would take even one that it isn't to follow apart."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  the name is the library's
        return None


class Wire:
    """One server's HTTP side; `connect_s` and `read_s` bound each wait, `overall_s` of each call the whole exchange."""

    def __init__(
        self,
        base_url: str,
        connect_s: float,
        read_s: float,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        tls_verify: bool | Path = True,
    ) -> None:
        #: The address without user and password: for people, and for requests, which have both in their headers.
        self.shown = without_login(base_url)
        self._headers = headers_for(base_url, headers)
        self._tls_verify = tls_verify
        self._context = tls_context(tls_verify) if self.shown.startswith("https:") else None
        self._waits = (connect_s, read_s)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[tuple[weakref.ref[threading.Thread], requests.Session]] = []

    def close(self) -> None:
        """Close every thread's connections; a later call opens new ones."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
            self._local = threading.local()
        for _, session in sessions:
            session.close()

    @contextmanager
    def open(
        self, method: str, path: str, *, overall_s: float, stop: threading.Event | None = None, **named: Any
    ) -> Iterator[requests.Response]:
        """Send a request and give its streamed answer; raise Unavailable for whatever goes wrong, within `overall_s`.

        Once `stop` is set it ends within a moment, however long the server keeps silent: Unavailable (stopping).
        What the caller raises inside the block passes through, save the libraries' and the socket's own errors.
        """
        _DUE.at, _DUE.read_s, _DUE.stop = time.monotonic() + overall_s, self._waits[1], stop
        try:
            with self._session().request(
                method,
                self.shown + path,
                timeout=(min(self._waits[0], overall_s), self._waits[1]),
                stream=True,
                allow_redirects=False,
                **named,
            ) as answer:
                yield answer
        except (requests.RequestException, HTTPError, OSError, StoppedError) as trouble:
            raise trouble_of(trouble, self.shown) from trouble
        finally:
            del _DUE.at, _DUE.read_s, _DUE.stop

    def ask(
        self, method: str, path: str, *, overall_s: float, longest_bytes: int = _LONGEST_BODY_BYTES, **named: Any
    ) -> tuple[requests.Response, bytes]:
        """Send a request and return its answer with the whole body; raise Unavailable as `open` does."""
        with self.open(method, path, overall_s=overall_s, **named) as answer:
            body = bytearray()
            for chunk in answer.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > longest_bytes:
                    raise self.not_comfyui("it sends more than any answer of ComfyUI holds")
            return answer, bytes(body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        return session if session is not None else self._new_session()

    def _new_session(self) -> requests.Session:
        session = _Session()
        session.trust_env = False
        session.mount("http://", _Adapter())
        session.mount("https://", _Adapter(self._context))
        session.headers.update(self._headers)
        session.verify = str(self._tls_verify) if isinstance(self._tls_verify, Path) else self._tls_verify
        with self._lock:
            self._local.session = session
            ended = [entry for entry in self._sessions if (owner := entry[0]()) is None or not owner.is_alive()]
            self._sessions = [entry for entry in self._sessions if entry not in ended]
            self._sessions.append((weakref.ref(threading.current_thread()), session))
        for _, old in ended:
            old.close()
        return session

    def not_comfyui(self, why: str, headers: Mapping[str, str] | None = None) -> Unavailable:
        """Return the trouble of an answer that no ComfyUI gives."""
        return not_comfyui(self.shown, why, headers)

"""An exchange over HTTP that always ends: one time for the whole of it, not only for each read.

A socket's timeout starts anew with every byte, so a server that drips one byte a second holds a `timeout=10` call for
hours. Here each read waits only as long as the exchange as a whole may still last.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: A stopped exchange ends within this.
_STOP_LOOK_S = 0.2
_DUE = threading.local()


class StoppedError(Exception):
    """Whoever asked has been told to stop."""


@contextmanager
def lasting(overall_s: float, read_s: float, stop: threading.Event | None = None) -> Iterator[None]:
    """Let this thread's exchange take so long in all, each of its reads so long, and end soon after a stop."""
    _DUE.at, _DUE.read_s, _DUE.stop = time.monotonic() + overall_s, read_s, stop
    try:
        yield
    finally:
        del _DUE.at, _DUE.read_s, _DUE.stop


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


class PlainConnection(HTTPConnection):
    """A connection without TLS."""

    def connect(self) -> None:
        """Connect, and read from then on within the exchange's time."""
        super().connect()
        self.sock = _PatientSocket(self.sock)


class SecureConnection(HTTPSConnection):
    """A TLS connection whose certificate the context has judged."""

    def connect(self) -> None:
        """Connect, and read from then on within the exchange's time."""
        super().connect()
        # The context has judged the certificate as the configuration wants; the library would warn of that each time.
        self.is_verified = True
        self.sock = _PatientSocket(self.sock)


class PlainPool(HTTPConnectionPool):
    """Connections without TLS to one server."""

    ConnectionCls = PlainConnection


class SecurePool(HTTPSConnectionPool):
    """TLS connections to one server."""

    ConnectionCls = SecureConnection


class Adapter(HTTPAdapter):
    """What a session sends by: `secure_pool` makes its TLS connections, `plain_pool` the others."""

    plain_pool: type[HTTPConnectionPool] = PlainPool
    secure_pool: type[HTTPSConnectionPool] = SecurePool

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Make the pool with this context and these connections."""
        if self._context is not None:
            named["ssl_context"] = self._context
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": self.plain_pool, "https": self.secure_pool}


class Session(requests.Session):
    """A session that leaves redirects alone; the library would take even one that it isn't to follow apart."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  the name is the library's
        """Return none."""
        return None

"""Webhooks: the door to those who are told. No redirects, no proxies, and never to this machine's own addresses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from socket import socket
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

import service
from service.exchange import (
    Adapter,
    PlainConnection,
    PlainPool,
    SecureConnection,
    SecurePool,
    Session,
    StoppedError,
    lasting,
)
from service.tidings import may_connect as usually
from service.tidings import signature_of

_CONNECT_S, _OVERALL_S = 3.0, 15.0
_APPRISE_S = 40.0
_STOP_LOOK_S = 0.3
#: What the child of apprising answers by its exit code.
_APPRISE_WORDS = {
    1: "Apprise could not deliver it.",
    2: "Apprise isn't installed: pip install 'reeldrop[notify]'.",
    3: "Apprise does not know this kind of target.",
}


class NotToldError(Exception):
    """A target could not be told now; the message says why, without the target's address."""


class _AddressRefusedError(OSError):
    """A name led to an address that nothing is sent to."""


class Webhooks:
    """Sends to addresses of http and https, each judged once it is connected to and before anything is sent."""

    def __init__(self, key: bytes, *, may_connect: Callable[[str], bool] = usually) -> None:
        self._key = key
        self._session = Session()
        # Neither passwords (.netrc) nor proxies of the environment: behind a proxy no address could be judged.
        self._session.trust_env = False
        adapter = _adapter(may_connect)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def send(self, url: str, body: bytes, stop: threading.Event) -> None:
        """Send a signed body; raises NotToldError unless it was taken (an answer from 200 to 299)."""
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Reeldrop",
            # One connection a message: every one is judged.
            "Connection": "close",
            "Reeldrop-Timestamp": timestamp,
            "Reeldrop-Signature": signature_of(self._key, timestamp, body),
        }
        try:
            with lasting(_OVERALL_S, _OVERALL_S, stop):
                timeout = (_CONNECT_S, _OVERALL_S)
                # Of the answer nothing but its head is read.
                answer = self._session.post(
                    url, data=body, headers=headers, timeout=timeout, stream=True, allow_redirects=False
                )
                answer.close()
        except StoppedError:
            raise NotToldError("Reeldrop stops.") from None
        except (requests.RequestException, HTTPError, OSError, UnicodeError) as trouble:
            raise NotToldError(_words_of(trouble)) from None
        if not 200 <= answer.status_code < 300:
            raise NotToldError(f"It answers {answer.status_code}.")


def send_by_apprise(target: str, title: str, text: str, stop: threading.Event) -> None:
    """Let Apprise tell a target, in a child with a deadline; raises NotToldError."""
    said: bytes | None = json.dumps({"target": target, "title": title, "body": text}).encode()
    argv = [sys.executable, "-m", "service.apprising"]
    folder, silent = Path(service.__file__).parents[1], subprocess.DEVNULL
    try:
        child = subprocess.Popen(argv, cwd=folder, stdin=subprocess.PIPE, stdout=silent, stderr=silent)
    except OSError as trouble:
        raise NotToldError(f"Apprise can't be started: {trouble.strerror}.") from None
    due_s = time.monotonic() + _APPRISE_S
    with child:
        while child.returncode is None:
            try:
                child.communicate(said, timeout=_STOP_LOOK_S)
            except subprocess.TimeoutExpired:
                said = None
                if stop.is_set() or time.monotonic() > due_s:
                    child.kill()
                    raise NotToldError(f"Apprise took more than {_APPRISE_S:.0f} seconds.") from None
    if child.returncode:
        raise NotToldError(_APPRISE_WORDS.get(child.returncode, _APPRISE_WORDS[1]))


def shown(address: str) -> str:
    """Return what is said of a target: its kind and host, for the rest may be a key; of Apprise's the kind alone."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}" if parts.scheme in ("http", "https") else f"{parts.scheme}://…"


def _words_of(trouble: BaseException) -> str:
    # The library's own words hold the whole address.
    inner: BaseException | None = trouble
    while inner is not None:
        if isinstance(inner, _AddressRefusedError):
            return "Its name leads to an address that nothing is sent to: this machine, its links, a cloud's services."
        inner = inner.__cause__ or inner.__context__
    slow = isinstance(trouble, (requests.Timeout, TimeoutError))
    return "It takes too long to answer." if slow else f"It can't be reached ({type(trouble).__name__})."


def _adapter(may_connect: Callable[[str], bool]) -> Adapter:
    def judged(connected: socket) -> socket:
        if not may_connect(str(connected.getpeername()[0])):
            connected.close()
            raise _AddressRefusedError
        return connected

    class Plain(PlainConnection):
        def _new_conn(self) -> socket:
            return judged(super()._new_conn())

    class Secure(SecureConnection):
        def _new_conn(self) -> socket:
            return judged(super()._new_conn())

    class PlainOnes(PlainPool):
        ConnectionCls = Plain

    class SecureOnes(SecurePool):
        ConnectionCls = Secure

    class Guarded(Adapter):
        plain_pool = PlainOnes
        secure_pool = SecureOnes

    return Guarded()

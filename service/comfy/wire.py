"""HTTP that always comes back: every exchange has one deadline for the whole of it, not only for each read.

One requests session a thread, for sessions aren't promised to be thread-safe. Proxies and passwords of the environment
are not for this server: off.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from service.comfy.access import headers_for, tls_context, without_login
from service.comfy.wire_trouble import not_comfyui, trouble_of
from service.errors import Unavailable
from service.exchange import Adapter, Session, StoppedError, lasting

_CHUNK_BYTES = 65536
#: Answers of ComfyUI are far below this, but for /object_info, which says itself how long it may be.
_LONGEST_BODY_BYTES = 16 * 1024 * 1024


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
        try:
            with (
                lasting(overall_s, self._waits[1], stop),
                self._session().request(
                    method,
                    self.shown + path,
                    timeout=(min(self._waits[0], overall_s), self._waits[1]),
                    stream=True,
                    allow_redirects=False,
                    **named,
                ) as answer,
            ):
                yield answer
        except (requests.RequestException, HTTPError, OSError, StoppedError) as trouble:
            raise trouble_of(trouble, self.shown) from trouble

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
        session = Session()
        session.trust_env = False
        session.mount("http://", Adapter())
        session.mount("https://", Adapter(self._context))
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

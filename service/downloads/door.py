"""The way to a file: each hop allowed, over TLS, to a public address; a token goes to its own host alone."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import ProxyManager

from service.downloads.patience import Patience
from service.downloads.trouble import AddressRefusedError, BrokenError, loop, private, words_of
from service.errors import Rejected
from service.exchange import Adapter, SecureConnection, SecurePool, Session, lasting
from service.model_hosts import TOKEN_VARIABLES, Hosts, token_variable_of

_MOST_HOPS = 8
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass
class Answer:
    """A streamed answer, the host that gave it, and what the first host said of the file on the way."""

    response: requests.Response
    host: str
    #: Whether another host sent us here.
    redirected: bool
    size: int | None = None
    sha256: str | None = None


class Door:
    """
    Opens addresses that `hosts` allows; `environment` has the tokens, and the proxies that its variables name.

    Of the answers of others nothing is believed: redirects are looked at one by one, and a name that leads to an
    address which isn't public is refused after the connection, by the address that was really connected to.
    """

    def __init__(
        self,
        hosts: Hosts,
        environment: Mapping[str, str],
        patience: Patience,
        tokens: Mapping[str, str] = TOKEN_VARIABLES,
    ) -> None:
        self._hosts = hosts
        self._environment = environment
        self._patience = patience
        self._tokens = tokens
        self._session = Session()
        # The environment's passwords (.netrc) are not for these hosts.
        self._session.trust_env = False
        self._session.mount("https://", _adapter(hosts))

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def has_token_for(self, url: str) -> bool:
        """Return whether the environment has a token for an address."""
        return bool(self._token(url))

    def _token(self, url: str) -> str:
        return self._environment.get(token_variable_of(url, self._tokens) or "", "").strip()

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        """
        Ask for an address and give the answer at the end of its redirects.

        Raise Rejected where a hop isn't allowed, BrokenError where a server or the network fails.
        """
        answer = None
        try:
            with lasting(self._patience.head_s, self._patience.read_s):
                answer = self._arrive(url, headers)
            with lasting(float("inf"), self._patience.read_s):
                yield answer
        except AddressRefusedError as refused:
            raise Rejected(private(refused.host)) from None
        except (requests.RequestException, HTTPError, ssl.SSLError, TimeoutError) as trouble:
            raise BrokenError(words_of(trouble, urlsplit(url).hostname or "")) from trouble
        finally:
            if answer is not None:
                answer.response.close()

    def _arrive(self, url: str, headers: Mapping[str, str]) -> Answer:
        size = digest = None
        for hop in range(_MOST_HOPS):
            if (problem := self._hosts.problem_of(url)) is not None:
                raise Rejected(problem)
            response = self._ask(url, headers)
            if hop == 0:
                size, digest = _linked(response.headers)
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return Answer(response, urlsplit(url).hostname or "", hop > 0, size, digest)
            response.close()
            url = urljoin(url, response.headers["location"])
        raise Rejected(loop(urlsplit(url).hostname or ""))

    def _ask(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        token = self._token(url)
        return self._session.get(
            url,
            headers={**headers, **({"Authorization": f"Bearer {token}"} if token else {})},
            timeout=(self._patience.connect_s, self._patience.read_s),
            stream=True,
            allow_redirects=False,
            proxies=get_environ_proxies(url),
        )


def _linked(headers: Mapping[str, str]) -> tuple[int | None, str | None]:
    """Return size and sum of the file that a redirect of Hugging Face leads to (X-Linked-Size, X-Linked-Etag)."""
    size, digest = headers.get("x-linked-size", ""), headers.get("x-linked-etag", "").strip('"').lower()
    is_sum = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    return (int(size) if size.isdecimal() and size.isascii() else None), (digest if is_sum else None)


def _adapter(hosts: Hosts) -> Adapter:
    """Return what connects to public addresses alone; through a proxy of the environment the address is its own."""

    class Connection(SecureConnection):
        def _new_conn(self) -> socket:
            connected = super()._new_conn()
            peer = str(connected.getpeername()[0])
            if self.proxy is None and not hosts.may_connect(peer):
                connected.close()
                raise AddressRefusedError(self.host)
            return connected

    class Pool(SecurePool):
        ConnectionCls = Connection

    class Guarded(Adapter):
        secure_pool = Pool

        def proxy_manager_for(self, proxy: str, **named: Any) -> ProxyManager:
            manager: ProxyManager = super().proxy_manager_for(proxy, **{"ssl_context": context, **named})
            manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": Pool}
            return manager

    context = ssl.create_default_context()
    # A machine without authorities of its own, as a small container, still knows the public ones.
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return Guarded(context)

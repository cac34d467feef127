"""Servers behind TLS, over HTTP and WebSocket: whose certificate counts, and what is said when none does."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from service.comfy.client import Client
from service.comfy.socket import Connected, Disconnected, Socket
from service.errors import Unavailable
from tests.comfy.following import Ears
from tests.comfy.scripted import Asked, Scripted, always, http
from tests.comfy.websockets import accept, frame

HERE = Path(__file__).parent / "tls"
CERTIFICATE = HERE / "cert.pem"
STATS = http(200, b'{"system": {"comfyui_version": "0.3.64"}}')


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, HERE / "key.pem")
    return context


def hear(asked: Asked, send: Callable[[bytes], None]) -> None:
    send(accept(asked) + frame(1, b'{"a": 1}') + frame(2, bytes(200_000)))
    asked.wait_for_end()


@pytest.mark.parametrize("verify", [CERTIFICATE, False])
def test_a_server_behind_tls_is_asked_and_heard(verify: Path | bool) -> None:
    with Scripted(always(STATS), tls()) as server:
        client = Client(server.url, tls_verify=verify)
        assert client.system_stats() == client.system_stats()
        client.close()
    ears = Ears()
    with Scripted(hear, tls()) as server:
        socket = Socket(server.url, "me", ears.put, tls_verify=verify)
        socket.start()
        assert [ears.next() for _ in range(3)] == [Connected("me"), '{"a": 1}', bytes(200_000)]
        assert socket.renew() == "me-1"
        assert ears.wait_for_kind(Connected).client_id == "me-1"
        socket.stop()
        assert not socket.alive()


def test_a_certificate_that_nobody_vouches_for_is_a_hold_with_the_cure() -> None:
    ears = Ears()
    with Scripted(always(STATS), tls()) as server:
        with pytest.raises(Unavailable) as caught:
            Client(server.url).system_stats()
        socket = Socket(server.url, "me", ears.put)
        socket.start()
        assert "certificate" in ears.wait_for_kind(Disconnected).reason.lower()
        socket.stop()
        assert server.asked == [], "nothing was said to a server that may be anybody"
    assert caught.value.code == "tls_untrusted"
    assert "`tls_verify`" in caught.value.fix


def test_the_environment_has_no_say_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(CERTIFICATE))
    with Scripted(always(STATS), tls()) as server, pytest.raises(Unavailable):
        Client(server.url).system_stats()


def test_https_to_a_server_that_speaks_plain_http_says_so() -> None:
    with Scripted(always(STATS)) as server, pytest.raises(Unavailable) as caught:
        Client(server.url.replace("http:", "https:"), read_s=1).system_stats()
    assert caught.value.code == "tls_broken"
    assert "http://" in caught.value.fix


def test_http_to_a_server_that_speaks_tls_is_a_hold() -> None:
    with Scripted(always(STATS), tls()) as server, pytest.raises(Unavailable) as caught:
        Client(server.url.replace("https:", "http:"), read_s=1).system_stats()
    assert caught.value.fix


def test_a_silent_handshake_ends_in_time() -> None:
    with Scripted(lambda asked, _: asked.wait_for_end()) as server:
        ears = Ears()
        socket = Socket(server.url.replace("http:", "https:"), "me", ears.put, handshake_s=0.5)
        socket.start()
        ears.wait_for_kind(Disconnected, 4)
        socket.stop()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_of_authorities_that_is_none_is_a_hold(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_bytes(content)
    for open_ in (Client, lambda url, **named: Socket(url, "me", print, **named)):
        with pytest.raises(Unavailable) as caught:
            open_("https://127.0.0.1:1", tls_verify=path)
        assert caught.value.code == "tls_authority_missing"
        assert "authority.pem" in caught.value.title

"""The socket against servers that don't keep to the protocol, on real sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from service.comfy.socket import Connected, Disconnected, Socket
from tests.comfy.following import Ears, until
from tests.comfy.scripted import Answer, Asked, Scripted, always, http
from tests.comfy.websockets import accept, frame


@contextmanager
def against(respond: Answer, **limits: float) -> Iterator[tuple[Socket, Ears, Scripted]]:
    with Scripted(respond) as server:
        ears = Ears()
        socket = Socket(server.url, "me", ears.put, **limits)
        socket.start()
        try:
            yield socket, ears, server
        finally:
            socket.stop()
            server.stopping.set()


def saying(*parts: bytes, stay: bool = True) -> Any:
    """Accept, send these bytes, and stay until the test ends."""

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        send(accept(asked))
        for part in parts:
            send(part)
        if stay:
            STAYING.wait(10)

    return respond


#: Set at the end of a test: who stays on the line may leave.
STAYING = threading.Event()


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    STAYING.clear()
    yield
    STAYING.set()


@pytest.mark.parametrize(
    "answer", [http(200, b"<html>login</html>", "text/html"), http(302, location="/x"), b"", b"junk\r\n"]
)
def test_what_is_no_websocket_is_tried_again_and_told_once(answer: bytes) -> None:
    with against(always(answer)) as (socket, ears, server):
        assert ears.wait_for_kind(Disconnected).refused is False
        until(lambda: len(server.asked) >= 3, 5)
        assert socket.alive()
        assert ears.all == [ears.all[0]]
        assert ears._queue.empty()


def test_it_gives_its_name_and_no_origin() -> None:
    with against(always(http(403))) as (_, ears, server):
        ears.wait_for_kind(Disconnected)
        assert server.asked[0].target == "/ws?clientId=me"
        assert "origin" not in server.asked[0].headers


def test_frames_come_as_they_are_even_large_broken_up_or_badly_coded() -> None:
    large = bytes(range(256)) * 40_000
    parts = (
        frame(1, b'{"a": 1}'),
        frame(2, large),
        frame(1, b"one ", ends=False),
        frame(0, b"text"),
        frame(1, b"\xff"),
    )
    with against(saying(*parts)) as (_, ears, __):
        assert ears.next() == Connected("me")
        assert [ears.next() for _ in range(4)] == ['{"a": 1}', large, "one text", "\ufffd"]
        STAYING.set()


def test_a_server_that_closes_politely_is_left_and_asked_again() -> None:
    with against(saying(frame(8, b"\x03\xe8"), stay=False)) as (_, ears, __):
        ears.wait_for_kind(Connected)
        assert ears.wait_for_kind(Disconnected).refused is False
        assert ears.wait_for_kind(Connected).client_id == "me"


def test_a_fresh_id_is_there_at_once_and_connects_anew() -> None:
    with against(saying()) as (socket, ears, server):
        ears.wait_for_kind(Connected)
        assert socket.renew() == socket.client_id == "me-1"
        assert ears.wait_for_kind(Disconnected).refused is False
        assert ears.wait_for_kind(Connected).client_id == "me-1"
        assert [asked.target for asked in server.asked] == ["/ws?clientId=me", "/ws?clientId=me-1"]
        STAYING.set()


def test_renewing_in_the_middle_of_a_handshake_never_leaves_it_under_the_old_id() -> None:
    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        if asked.target.endswith("=me"):
            until(lambda: socket.client_id != "me", 5)
        send(accept(asked))
        STAYING.wait(10)

    with against(respond) as (socket, ears, server):
        until(lambda: server.asked, 5)
        socket.renew()
        assert ears.wait_for_kind(Connected).client_id == "me-1"
        STAYING.set()


def test_it_knows_when_it_last_heard_something() -> None:
    with against(saying(frame(1, b"{}"))) as (socket, ears, _):
        before = time.monotonic()
        ears.wait_for(lambda message: message == "{}")
        assert socket.heard_s is not None
        assert before <= socket.heard_s <= time.monotonic()
        STAYING.set()


def test_a_handshake_that_drips_is_cut_off() -> None:
    def drip(_: Asked, send: Callable[[bytes], None]) -> None:
        send(b"HTTP/1.1 101 ")
        while not STAYING.wait(0.05):
            send(b"x")

    began = time.monotonic()
    with against(drip, handshake_s=0.4) as (_, ears, __):
        ears.wait_for_kind(Disconnected)
        assert 0.3 < time.monotonic() - began < 2
        STAYING.set()


def test_a_silent_server_is_pinged_and_left_when_it_stays_silent() -> None:
    with against(saying(), ping_after_s=0.3, silent_for_s=1.0) as (_, ears, __):
        ears.wait_for_kind(Connected)
        began = time.monotonic()
        ears.wait_for_kind(Disconnected)
        assert 0.8 < time.monotonic() - began < 3
        STAYING.set()


def test_half_a_frame_does_not_hold_it_for_ever() -> None:
    with against(saying(frame(2, b"x" * 1000)[:500]), ping_after_s=0.3, silent_for_s=0.8) as (_, ears, __):
        ears.wait_for_kind(Connected)
        ears.wait_for_kind(Disconnected)
        STAYING.set()


def test_half_a_frame_is_completed_later() -> None:
    whole = frame(2, b"x" * 1000)

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        send(accept(asked))
        send(whole[:500])
        STAYING.wait(0.5)
        send(whole[500:])
        STAYING.wait(5)

    with against(respond, ping_after_s=0.3, silent_for_s=5) as (_, ears, __):
        ears.wait_for_kind(Connected)
        assert ears.next() == b"x" * 1000
        STAYING.set()


def test_an_ear_that_raises_ends_the_thread_and_its_owner_can_see_it() -> None:
    with Scripted(saying(frame(1, b"{}"))) as server:

        def deliver(_: object) -> None:
            raise RuntimeError("a fault of the owner")

        socket = Socket(server.url, "me", deliver)
        socket.start()
        until(lambda: not socket.alive(), 5)
        socket.stop()
        STAYING.set()


@pytest.mark.parametrize(
    ("url", "host", "name", "path"),
    [("http://127.0.0.1:8188", "127.0.0.1", "127.0.0.1:8188", "/ws"),
     ("http://me:hush@h/comfy/", "h", "h", "/comfy/ws"),
     ("http://[::1]:8188", "::1", "[::1]:8188", "/ws"),
     ("http://bücher.example:81/a b", "bücher.example", "xn--bcher-kva.example:81", "/a%20b/ws")],
)  # fmt: skip
def test_every_kind_of_address_is_dialled_and_named_as_it_is(url: str, host: str, name: str, path: str) -> None:
    address = Socket(url, "me", print)._address
    assert (address.host, address.name, address.path) == (host, name, path)


def test_stopping_in_the_middle_of_a_goodbye_takes_no_second() -> None:
    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        send(accept(asked) + frame(5))
        STAYING.wait(10)

    with against(respond) as (socket, ears, _):
        ears.wait_for_kind(Connected)
        began = time.monotonic()
        socket.stop()
        assert time.monotonic() - began < 0.8
        assert not socket.alive()
        STAYING.set()

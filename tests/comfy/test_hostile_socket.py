"""A WebSocket whose other side is anything but ComfyUI's: told as a loss, tried again, in bounded time and memory."""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import Callable

import pytest

from service.comfy.frames import LONGEST_MESSAGE_BYTES
from service.comfy.socket import Connected, Disconnected, Socket
from tests.comfy.following import Ears, until
from tests.comfy.scripted import Answer, Asked, Scripted, always, http
from tests.comfy.websockets import accept, frame

MEGABYTE = 2**20


def opened_by(*pieces: bytes, endless: bytes = b"", times: int = 10**9) -> Answer:
    """Accept, send the pieces, then the endless one until the client leaves; else stay until it does."""

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        send(accept(asked))
        for piece in pieces:
            send(piece)
        for _ in range(times if endless else 0):
            send(endless)
        asked.wait_for_end()

    return respond


HOSTILE = {
    "a frame of hundreds of megabytes": opened_by(frame(2, claims=800 * MEGABYTE), endless=bytes(MEGABYTE), times=800),
    "a frame of 64 MB": opened_by(frame(2, bytes(64 * MEGABYTE))),
    "a frame longer than any disk": opened_by(frame(2, claims=2**63 - 1), endless=bytes(MEGABYTE)),
    "a frame of an unknown kind": opened_by(frame(5, b"?")),
    "an extension nobody asked for": opened_by(frame(1 | 0x40, b"{}")),
    "masked as only a client may": opened_by(frame(1, b"{}", mask=b"abcd")),
    "a message that never ends": opened_by(frame(2, bytes(MEGABYTE), ends=False), endless=frame(0, bytes(MEGABYTE),
                                                                                               ends=False)),
    "a message that never ends, of nothing": opened_by(frame(1, ends=False), endless=frame(0, ends=False) * 1000),
    "a continuation of nothing": opened_by(frame(0, b"x")),
    "pings that never end": opened_by(endless=frame(9, b"still there?") * 1000),
    "pongs that never end": opened_by(endless=frame(10) * 1000),
    "a ping that is too long": opened_by(frame(9, bytes(70_000))),
    "bytes of something else": opened_by(endless=b"\x00\xff" * 500),
    "closed at once": opened_by(frame(8)),
    "closed with half a frame": lambda asked, send: send(accept(asked) + frame(2, bytes(100))[:50]),
}  # fmt: skip

NEVER_UP = {
    "HTTP 200": always(http(200, b"<html>", "text/html")),
    "HTTP 200 and a body without end": lambda asked, send: [
        send(http(200, b"", content_length="99999999999999")), *(send(bytes(MEGABYTE)) for _ in range(300))],
    "a redirect": always(http(302, location="/ws")),
    "a redirect to another host": always(http(301, location="http://127.0.0.1:9/ws")),
    "a wrong token": always(http(401)),
    "closed in the handshake": lambda asked, send: send(accept(asked)[:40]),
    "no word": always(b""),
    "another protocol": always(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "a wrong answer to the riddle": lambda asked, send: send(accept(asked).replace(b"Accept: ", b"Accept: A")),
    "a head without end": lambda asked, send: [send(b"HTTP/1.1 101 X\r\n"), *(send(b"X: y\r\n" * 10_000)
                                                                             for _ in range(1000))],
}  # fmt: skip


@pytest.mark.parametrize("what", [*HOSTILE, *NEVER_UP])
def test_each_is_told_as_a_loss_and_tried_again_in_bounded_memory(what: str) -> None:
    respond = (HOSTILE | NEVER_UP)[what]
    ears = Ears()
    with Scripted(respond) as server:
        socket = Socket(server.url, "me", ears.put, handshake_s=1, ping_after_s=0.6, silent_for_s=2)
        tracemalloc.start()
        socket.start()
        try:
            began = time.monotonic()
            if what in HOSTILE:
                ears.wait_for_kind(Connected)
            lost = ears.wait_for_kind(Disconnected)
            assert time.monotonic() - began < 5
            until(lambda: len(server.asked) >= 2, 5)
            assert socket.alive()
        finally:
            socket.stop()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            server.stopping.set()
    assert lost.refused is False
    assert 0 < len(lost.reason) < 300
    # The server's own frame of 64 MB is in this process, too.
    assert peak < 3 * LONGEST_MESSAGE_BYTES + (130 * MEGABYTE if "64 MB" in what else 0), f"{peak / 1e6:.0f} MB"


def test_a_head_without_end_is_left_by_its_length_not_by_the_clock() -> None:
    ears = Ears()
    with Scripted(NEVER_UP["a head without end"]) as server:
        socket = Socket(server.url, "me", ears.put, handshake_s=30)
        socket.start()
        assert "no handshake" in ears.wait_for_kind(Disconnected, 5).reason
        socket.stop()


@pytest.mark.parametrize("silent", ["after its handshake", "in its handshake", "with half a frame", "drop by drop"])
def test_silence_ends_in_time(silent: str) -> None:
    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        if silent != "in its handshake":
            send(accept(asked))
        if silent == "with half a frame":
            send(frame(2, bytes(1000))[:500])
        while silent == "drop by drop" and not server.stopping.wait(0.05):
            send(frame(2, bytes(1000), ends=False)[:1] if not sent else b"\x00")
            sent.append(1)
        asked.wait_for_end()

    ears, sent = Ears(), list[int]()
    with Scripted(respond) as server:
        socket = Socket(server.url, "me", ears.put, handshake_s=0.5, ping_after_s=0.3, silent_for_s=0.8)
        socket.start()
        ears.wait_for_kind(Disconnected, 4)
        server.stopping.set()
        socket.stop()


def test_a_preview_as_large_as_any_seen_passes_and_many_of_them_do() -> None:
    picture = bytes(5_883_434)
    ears = Ears()
    with Scripted(opened_by(*[frame(2, picture)] * 5)) as server:
        socket = Socket(server.url, "me", ears.put)
        socket.start()
        ears.wait_for_kind(Connected)
        assert [ears.next(10) == picture for _ in range(5)] == [True] * 5
        socket.stop()


def test_why_there_is_no_progress_is_logged_once_with_its_cure(caplog: pytest.LogCaptureFixture) -> None:
    ears = Ears()
    with caplog.at_level(logging.WARNING), Scripted(always(http(401))) as server:
        socket = Socket(server.url, "me", ears.put)
        socket.start()
        until(lambda: len(server.asked) >= 3, 5)
        socket.stop()
    (said,) = [record.getMessage() for record in caplog.records if record.name == "service.comfy.socket"]
    assert "`token`" in said
    assert "results come all the same" in said


def test_a_server_that_hangs_up_at_once_is_asked_less_and_less_often() -> None:
    ears = Ears()
    with Scripted(opened_by(frame(8))) as server:
        socket = Socket(server.url, "me", ears.put)
        socket.start()
        time_to_settle = time.monotonic() + 2.5
        until(lambda: time.monotonic() > time_to_settle, 5)
        socket.stop()
        assert 2 <= len(server.asked) <= 6


def test_headers_go_with_the_handshake() -> None:
    ears = Ears()
    with Scripted(always(http(403))) as server:
        url = server.url.replace("//", "//me:hush@")
        socket = Socket(url, "me", ears.put, headers={"X-Of-Our-Proxy": "1"})
        socket.start()
        ears.wait_for_kind(Disconnected)
        socket.stop()
        (asked, *_) = server.asked
    assert asked.headers["x-of-our-proxy"] == "1"
    assert asked.headers["authorization"].startswith("Basic ")
    assert asked.headers["host"] == server.url.removeprefix("http://")

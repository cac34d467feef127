"""WebSocket frames: what RFC 6455 allows is read however it is cut up; all else ends the connection, never a crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.comfy.frames import Closed, Decoder, Ping, Pong, ProtocolError
from tests.comfy.websockets import frame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ANSWER = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GOOD = f"HTTP/1.1 101 X\r\nUPGRADE: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ANSWER}"

MESSAGES = (
    frame(1, b'{"a": 1}') + frame(9, b"still there?") + frame(2, b"p", ends=False) + frame(10) + frame(0, b"icture")
    + frame(2, bytes(70_000)) + frame(1, b"x" * 200) + frame(1, b"\xff") + frame(1) + frame(8, b"\x03\xe8bye")
)  # fmt: skip
SAID = ['{"a": 1}', Ping(b"still there?"), Pong(), b"picture", bytes(70_000), "x" * 200, "\ufffd", "", Closed()]


@pytest.mark.parametrize("piece", [1, 2, 3, 1000, 65_536, 1_000_000])
def test_messages_are_the_same_however_they_are_cut_up(piece: int) -> None:
    decoder, said = Decoder(), []
    for start in range(0, len(MESSAGES), piece):
        said += decoder.feed(MESSAGES[start : start + piece])
    assert said == SAID
    assert decoder.received_bytes == len(MESSAGES)


def test_what_comes_behind_a_goodbye_is_not_read() -> None:
    assert Decoder().feed(frame(8) + frame(1, b"more") + b"\xff" * 10) == [Closed()]


def test_a_preview_as_large_as_any_seen_passes() -> None:
    assert Decoder().feed(frame(2, bytes(5_900_000))) == [bytes(5_900_000)]


@pytest.mark.parametrize(
    ("hostile", "why"),
    [
        (frame(2, claims=33 * 2**20), "announces a message of"),
        (frame(2, claims=2**40), "announces a message of"),
        (frame(1, claims=2**64 - 1), "announces a message of"),
        (frame(2, b"x" * 100, ends=False) + frame(0, claims=32 * 2**20), "announces a message of"),
        (frame(3), "unknown kind 3"),
        (frame(11), "unknown kind 11"),
        (frame(1 | 0x40, b"{}"), "extension"),
        (frame(1, b"{}", mask=b"abcd"), "masks"),
        (frame(0, b"x"), "never began"),
        (frame(1, b"x", ends=False) + frame(2, b"y"), "before the last one ended"),
        (frame(9, b"x" * 126), "control frame"),
        (frame(9, ends=False), "control frame"),
        (frame(1, b"", ends=False) + frame(0, b"", ends=False) * 20_000, "never ends"),
        (frame(9) * 10_001, "nothing but pings"),
    ],
)
def test_what_must_not_come_ends_the_connection(hostile: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        Decoder().feed(hostile)


def test_a_frame_that_claims_too_much_is_refused_by_its_head_alone() -> None:
    decoder = Decoder(longest_bytes=1000)
    with pytest.raises(ProtocolError):
        decoder.feed(frame(2, claims=1001))
    assert Decoder(longest_bytes=1000).feed(frame(2, bytes(1000))) == [bytes(1000)]


def test_heartbeats_between_messages_are_no_flood() -> None:
    decoder = Decoder()
    for _ in range(5):
        decoder.feed(frame(9) * 9_000 + frame(1, b"{}"))


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_bytes_whatever_raise_anything_else(pieces: list[bytes]) -> None:
    decoder = Decoder(longest_bytes=1000)
    try:
        for piece in pieces:
            decoder.feed(piece)
    except ProtocolError:
        return
    assert len(decoder._waiting) + len(decoder._message) <= 1000 + 10

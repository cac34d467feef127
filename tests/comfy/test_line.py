"""A connection's beginning: what we ask for, and what an answer that opens nothing becomes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.comfy.frames import ProtocolError
from service.comfy.line import Address, Line, Patience


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[Line, list[bytes]]]:
    """A server that takes one request, answers these bytes and closes; and a line that leads to it."""
    asked: list[bytes] = []

    def serve() -> None:
        taken, _ = listener.accept()
        with taken:
            taken.settimeout(5)
            got = b""
            while b"\r\n\r\n" not in got and (more := taken.recv(4096)):
                got += more
            asked.append(got)
            taken.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        address = Address("127.0.0.1", port, f"127.0.0.1:{port}", "/ws", None, ("Authorization: Bearer t",))
        line = Line(address, Patience(5, 5, 10))
        try:
            yield line, asked
        finally:
            line.hang_up(politely=False)
            thread.join(5)


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "handshake is none"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP 200.*pass WebSockets on"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", "closed the connection"),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/ws\r\n\r\n", "handshake is none"),
        ("HTTP/1.1 401 X\r\n\r\n", "`headers` or `token`"),
        ("HTTP/1.1 403 X\r\n\r\n", "`headers` or `token`"),
        ("HTTP/1.1\r\n\r\n", "handshake is none"),
        (
            (
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
            ),
            "handshake is none",
        ),
        ("HTTP/1.1 101 X\r\n\r\n", "handshake is none"),
        ("HTTP/1.1 101 X\r\n" + "X-More: x\r\n" * 10_000, "no handshake"),
    ],
)
def test_an_answer_that_opens_nothing_says_why(head: str, why: str) -> None:
    with answering(head.encode("latin-1")) as (line, asked):
        with pytest.raises((ProtocolError, ConnectionError), match=why):
            line.open("clientId=a", "{}")
        assert asked[0].startswith(b"GET /ws?clientId=a HTTP/1.1\r\n")
        assert b"Authorization: Bearer t\r\n" in asked[0]
        assert b"origin:" not in asked[0].lower()

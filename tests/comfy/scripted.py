"""A small server that answers exactly what a test writes down, byte for byte, on a real socket."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: socket.socket = field(repr=False)

    def wait_for_end(self) -> None:
        """Read and drop what the client sends until it closes its side."""
        self.connection.settimeout(10)
        while self.connection.recv(65536):
            pass


#: Gets the request and a function that sends bytes; the connection is closed when it returns.
Answer = Callable[[Asked, Callable[[bytes], None]], None]


def http(status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> bytes:
    """A whole HTTP answer; a header given as `content_length` replaces the true one."""
    lines = {"Content-Type": content_type, "Content-Length": str(len(body)), "Connection": "close"}
    lines |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return head.encode() + b"\r\n" + body


def always(answer: bytes) -> Answer:
    return lambda _, send: send(answer)


def in_turn(*answers: Answer | bytes) -> Answer:
    """The first request gets the first answer, and so on; the last one is kept."""
    waiting = list(answers)

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, bytes):
            send(answer)
        else:
            answer(asked, send)

    return respond


@dataclass
class Scripted:
    """A context manager: `url` while it runs, and all that was `asked`; with `tls` it speaks that."""

    respond: Answer
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 10

            def setup(self) -> None:
                if outer.tls is not None:
                    self.request = outer.tls.wrap_socket(self.request, server_side=True)
                super().setup()

            def finish(self) -> None:
                super().finish()
                if outer.tls is not None:
                    self.request.close()  # the server knows only the plain one below it

            def handle(self) -> None:
                try:
                    asked = self.read()
                    outer.asked.append(asked)
                    outer.respond(asked, self.send)
                except (OSError, ValueError):
                    return  # the client left

            def send(self, data: bytes) -> None:
                self.wfile.write(data)
                self.wfile.flush()

            def read(self) -> Asked:
                method, target, _ = self.rfile.readline().decode().split(" ", 2)
                headers = {}
                while line := self.rfile.readline().decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                body = self.rfile.read(int(headers.get("content-length", "0")))
                return Asked(method, target, headers, body, self.connection)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                """A client that leaves in the middle, or trusts no certificate of ours, is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()  # waits for the answers under way
        self._thread.join()

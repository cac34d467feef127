"""A server of files over TLS that can be told to misbehave: cut off, drip, lie about lengths, redirect, forget."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

TLS = Path(__file__).resolve().parents[1] / "comfy" / "tls"
Act = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request; `shelf` is the server's."""

    protocol_version = "HTTP/1.1"
    shelf: ShelfServer

    def do_GET(self) -> None:
        self.close_connection = True
        self.shelf.asked.append((self.path, dict(self.headers)))
        acts = self.shelf.acts[self.path]
        act = acts.pop(0) if acts else serve
        with contextlib.suppress(OSError):
            act(self)

    def log_message(self, *_: Any) -> None:
        pass

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    @property
    def content(self) -> bytes:
        return self.shelf.files[self.path]

    def wanted_range(self) -> int | None:
        asked = self.headers.get("Range")
        if asked is None or self.headers.get("If-Range", self.shelf.mark(self.path)) != self.shelf.mark(self.path):
            return None
        return int(asked.removeprefix("bytes=").rstrip("-"))


class ShelfServer:
    """Serves `files` by path on a port of the loopback; `acts` are what it does instead, one a request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.marks: dict[str, str] = {}
        self.acts: defaultdict[str, list[Act]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, str]]] = []
        handler = type("Handler", (Exchange,), {"shelf": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  a client that left is nobody's trouble
        self.port = self._server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def mark(self, path: str) -> str:
        usual = hashlib.sha256(self.files.get(path, b"")).hexdigest()[:16]
        return self.marks.get(path, f'"{usual}"')

    def ranges(self, path: str) -> list[str | None]:
        return [headers.get("Range") for asked, headers in self.asked if asked == path]


def serve(exchange: Exchange) -> None:
    """Answer as a good server does, ranges included."""
    if exchange.path not in exchange.shelf.files:
        exchange.head(404, Content_Length="0")
        return
    content, mark = exchange.content, exchange.shelf.mark(exchange.path)
    start = exchange.wanted_range()
    if start is None:
        exchange.head(200, Content_Length=str(len(content)), ETag=mark)
        exchange.wfile.write(content)
    elif start >= len(content):
        exchange.head(416, Content_Range=f"bytes */{len(content)}", Content_Length="0")
    else:
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        exchange.head(206, Content_Length=str(len(content) - start), Content_Range=span, ETag=mark)
        exchange.wfile.write(content[start:])


def cut_after(count: int) -> Act:
    """Announce everything, send so many bytes more, and hang up."""

    def act(exchange: Exchange) -> None:
        start = exchange.wanted_range() or 0
        content, mark = exchange.content, exchange.shelf.mark(exchange.path)
        more = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        exchange.head(206 if start else 200, Content_Length=str(len(content) - start), ETag=mark, **more)
        exchange.wfile.write(content[start : start + count])

    return act


def ignore_range(exchange: Exchange) -> None:
    exchange.head(200, Content_Length=str(len(exchange.content)), ETag=exchange.shelf.mark(exchange.path))
    exchange.wfile.write(exchange.content)


def answer(status: int, body: bytes = b"", **headers: str) -> Act:
    def act(exchange: Exchange) -> None:
        exchange.head(status, Content_Length=str(len(body)), **headers)
        exchange.wfile.write(body)

    return act


def redirect(url: str, **headers: str) -> Act:
    return answer(302, b"", Location=url, **headers)


def drip(exchange: Exchange) -> None:
    exchange.head(200, Content_Length=str(len(exchange.content)), ETag=exchange.shelf.mark(exchange.path))
    for at in range(len(exchange.content)):
        exchange.wfile.write(exchange.content[at : at + 1])
        time.sleep(0.02)


def silence(exchange: Exchange) -> None:
    time.sleep(1.5)


def without_length(exchange: Exchange) -> None:
    exchange.head(200, ETag=exchange.shelf.mark(exchange.path))
    exchange.wfile.write(exchange.content)


class Tunnel:
    """A proxy that knows CONNECT alone and leads everything to one server; `asked` are the hosts it was asked for."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(4096)
                self.asked.append(head.split()[1].decode())
                server = socket.create_connection(("127.0.0.1", self._to))
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pour, args=(server, client), daemon=True)
                back.start()
                _pour(client, server)
                back.join(5)
                client.close()
                server.close()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

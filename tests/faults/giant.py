"""A server that hands out one very large file, in parts by Range, and breaks off again and again."""

from __future__ import annotations

import os
import re
import socketserver
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 1 << 20


def grow(clip: Path, size: int) -> Path:
    """Make a clip as large as this with a hole behind it: a box of MP4 that players pass over; its disk stays small."""
    had = clip.stat().st_size
    with clip.open("ab") as file:
        file.write((1).to_bytes(4, "big") + b"free" + (size - had).to_bytes(8, "big"))
        file.truncate(size)
    return clip


class Giant:
    """A context manager: serves `path` at `url` for whatever is asked, `breaks_at` bytes a connection at most."""

    def __init__(self, path: Path, breaks_at: int) -> None:
        self.asked: list[int] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                head = b""
                while line := self.rfile.readline().strip():
                    head += line + b"\n"
                size = path.stat().st_size
                found = re.search(rb"(?im)^range: bytes=(\d+)-", head)
                start = int(found[1]) if found else 0
                outer.asked.append(start)
                status = "206 Partial Content" if found else "200 OK"
                place = f"Content-Range: bytes {start}-{size - 1}/{size}\r\n" if found else ""
                self.wfile.write(
                    f'HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\nETag: "one"\r\n{place}'
                    f"Content-Length: {size - start}\r\nConnection: close\r\n\r\n".encode()
                )
                self.wfile.flush()
                self.send(start, min(size, start + breaks_at))

            def send(self, start: int, end: int) -> None:
                with path.open("rb") as file:
                    while start < end:
                        try:
                            start += os.sendfile(
                                self.connection.fileno(), file.fileno(), start, min(_CHUNK_BYTES, end - start)
                            )
                        except OSError:
                            return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

"""One result file from the server's disk to ours: streamed, resumed after a break, whole or not at all."""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Protocol

import requests

from service.comfy.verdict import OutputFile
from service.comfy.wire import Wire
from service.errors import Failed, Problem, Unavailable

_CHUNK_BYTES = 262144
#: Whoever is slower than this for the whole of a file takes too long.
_SLOWEST_BYTES_PER_S = 250_000
#: Breaks in a row that brought not one byte more.
_MOST_IDLE_BREAKS = 3


class Files(Protocol):
    """What brings results over: a client, or a folder shared with the server."""

    def fetch(
        self, file: OutputFile, target: Path, *, overall_s: float = 600, stop: threading.Event | None = None
    ) -> int:
        """Bring a result to `target`, whole or not at all, and return its size in bytes."""


@dataclass
class _Copy:
    """How far a copy is: bytes had, bytes in all once known, and the mark by which the server knows its file again."""

    had: int = 0
    whole: int | None = None
    etag: str | None = None
    #: When it is given up, on our own clock; a large file gets more time as soon as its size is known.
    due_s: float = 0.0

    @property
    def complete(self) -> bool:
        return self.whole is not None and self.had == self.whole


def fetch(wire: Wire, file: OutputFile, target: Path, *, overall_s: float, stop: threading.Event | None = None) -> int:
    """Bring `file` to `target` and return its size in bytes; `target` appears whole, or not at all.

    It isn't synced: after a power cut it is fetched again.

    Raise Failed (result_missing) if the server has no such file, Unavailable if it stays broken for `overall_s` (and a
    second more for each 250 kB), our disk has no room for it, or `stop` is set.
    """
    with NamedTemporaryFile(dir=target.parent, prefix=".fetch-", suffix=target.suffix, delete=False) as draft:
        try:
            size = _copy(wire, file, draft, time.monotonic() + overall_s, stop)
            draft.flush()
            Path(draft.name).replace(target)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    return size


def _copy(wire: Wire, file: OutputFile, draft: IO[bytes], due: float, stop: threading.Event | None) -> int:
    copy, idle_breaks = _Copy(due_s=due), 0
    while not copy.complete:
        before = copy.had
        try:
            _copy_some(wire, file, draft, copy, stop)
        except Unavailable as trouble:
            idle_breaks = 0 if copy.had > before else idle_breaks + 1
            broken_for_good = trouble.code not in {"cut_off", "timeout"} or idle_breaks >= _MOST_IDLE_BREAKS
            if broken_for_good or time.monotonic() >= copy.due_s:
                raise
    return copy.had


def _copy_some(wire: Wire, file: OutputFile, draft: IO[bytes], copy: _Copy, stop: threading.Event | None) -> None:
    where = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
    # Compressed on the way its length would say nothing about the file's.
    headers = {"Accept-Encoding": "identity"}
    if copy.had:
        headers["Range"] = f"bytes={copy.had}-"
        headers |= {"If-Range": copy.etag} if copy.etag else {}
    left_s = max(copy.due_s - time.monotonic(), 0.001)
    with wire.open("GET", "/view", overall_s=left_s, stop=stop, params=where, headers=headers) as answer:
        _check(wire, file, answer)
        known = copy.whole
        _begin(answer, draft, copy)
        if copy.whole is not None and known is None:
            copy.due_s += copy.whole / _SLOWEST_BYTES_PER_S
        check_room((copy.whole or 0) - copy.had, Path(draft.name).parent)
        # Each piece is kept as it comes: iter_content would lose what it has of a chunk when the transfer breaks.
        while chunk := answer.raw.read1(_CHUNK_BYTES):
            draft.write(chunk)
            copy.had += len(chunk)
    if copy.whole is None:
        copy.whole = copy.had
    if not copy.complete:
        raise Unavailable("cut_off", "The server broke off in the middle of a result.", "It is asked again by itself.")


def check_room(needed: int, folder: Path) -> None:
    """Raise Unavailable where a folder's disk has no room for so many bytes: asked before they are fetched."""
    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < needed:
        title = f"No space is left for a result of {needed / 1e6:.0f} MB."
        raise Unavailable("disk_full", title, "Free some space; the job goes on by itself.")


def _check(wire: Wire, file: OutputFile, answer: requests.Response) -> None:
    if answer.status_code in {400, 403, 404}:
        raise Failed(
            Problem(
                "result_missing",
                f"The server no longer has the result {file.filename}.",
                "Retry the job; it is rendered again.",
                f"HTTP {answer.status_code} for {file.subfolder or '.'}/{file.filename} in {file.type}",
            )
        )
    if answer.status_code == 416:
        raise Unavailable("cut_off", "The result on the server became shorter.", "It is asked again by itself.")
    if answer.status_code >= 500:
        raise Unavailable("server_error", "The server can't hand out a result.", "Look into the server's log.")
    if answer.status_code not in {200, 206} or answer.headers.get("Content-Type", "").startswith("text/html"):
        raise wire.not_comfyui(f"it answers HTTP {answer.status_code} for a result", answer.headers)


def _begin(answer: requests.Response, draft: IO[bytes], copy: _Copy) -> None:
    """Take the answer's place in the file: go on where we were, or begin anew if the server sends all of it."""
    place = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status_code == 206 and place and int(place[1]) == copy.had:
        copy.whole = int(place[2])
        return
    draft.seek(0)
    draft.truncate()
    copy.had = 0
    if answer.status_code == 206:
        raise Unavailable("cut_off", "The server sent another part than was asked for.", "It is asked again by itself.")
    length = answer.headers.get("Content-Length", "")
    copy.whole = int(length) if length.isdigit() else None
    copy.etag = answer.headers.get("ETag")

"""One model file from its host to its folder: resumed after breaks, checked, and named only once it is whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from service.disk_trouble import is_full
from service.downloads import trouble
from service.downloads.door import Answer, Door
from service.downloads.part import Part
from service.downloads.patience import Patience
from service.downloads.trouble import BrokenError
from service.downloads.work import Wanted, Work
from service.errors import Problem, Rejected, Unavailable

_CHUNK_BYTES = 1 << 18
#: Between two looks at the room on the disk, and how much of it a pull leaves free for everybody else.
_ROOM_EACH_BYTES = 1 << 26
SPARE_BYTES = 1 << 29
_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Fetched:
    """A file that is whole: its SHA-256, who said what it must be, and whether some of it was there before."""

    sha256: str
    #: "models.yaml", a host's name, or None where nobody said.
    checked_by: str | None
    resumed: bool


class Transfer:
    """
    Fetches files one after another.

    `told(what, done, whole)` hears of progress: what is "fetching" or "checking", bytes, whole None where unknown.
    `free(folder)` says how many bytes a disk has left.
    """

    def __init__(
        self,
        door: Door,
        patience: Patience,
        told: Callable[[str, int, int | None], None],
        free: Callable[[Path], int],
    ) -> None:
        self._door = door
        self._patience = patience
        self._told = told
        self._free = free

    def fetch(self, wanted: Wanted) -> Fetched:
        """
        Bring a file to its target and return its sum.

        Raise Rejected where it can't be had (and nothing is kept of what isn't it), Unavailable where time or the
        operator must act (the part stays), FileExistsError where something lies under its name, OSError.
        """
        work = Work(wanted, Part(wanted.target, wanted.url))
        work.resumed = work.part.had > 0
        idle = 0
        while not work.is_whole:
            before = work.part.had
            try:
                self._fetch_some(work)
            except BrokenError as broken:
                idle = 0 if work.part.had - before >= self._patience.least_bytes else idle + 1
                if idle >= self._patience.tries:
                    raise trouble.given_up(wanted.model, str(broken)) from broken
                time.sleep(min(self._patience.pause_s * 2 ** max(0, idle - 1), 30))
            except OSError as error:
                if not is_full(error):
                    raise
                raise self._full(work) from error
        return self._check(work)

    def _fetch_some(self, work: Work) -> None:
        with self._door.open(wanted_url := work.wanted.url, work.range_headers()) as answer:
            self._judge(work, answer, wanted_url)
            if work.is_whole:
                return
            with closing(work.begin(answer)) as writing:
                self._refuse_without_room(work)
                self._copy(work, answer, writing)

    def _judge(self, work: Work, answer: Answer, url: str) -> None:
        """Take what the answer's head says, or raise what is wrong with it."""
        model, status = work.wanted.model, answer.response.status_code
        if status == 416:
            work.judge_range(answer)
            return
        if status in (401, 403) and not answer.redirected:
            raise Rejected(trouble.forbidden(model, has_token=self._door.has_token_for(url)))
        if status in (404, 410) and not answer.redirected:
            raise Rejected(trouble.gone(model))
        if status not in (200, 206):
            raise BrokenError(f"{answer.host} answers {status}.")
        what = _what_else(answer)
        if what is not None:
            raise Rejected(trouble.not_a_model(model, what))
        work.learn(answer)

    def _copy(self, work: Work, answer: Answer, writing: IO[bytes]) -> None:
        pace = _Pace(self._patience, answer.host)
        since_look = 0
        # Each piece is kept as it comes: a larger read would lose what it has when the transfer breaks.
        while chunk := answer.response.raw.read1(_CHUNK_BYTES):
            writing.write(chunk)
            work.part.had += len(chunk)
            self._told("fetching", work.part.had, work.whole)
            pace.note(len(chunk))
            since_look += len(chunk)
            if since_look >= _ROOM_EACH_BYTES:
                since_look = 0
                self._refuse_without_room(work)
        work.end(answer)

    def _refuse_without_room(self, work: Work) -> None:
        if self._free(work.wanted.target.parent) < work.left + SPARE_BYTES:
            raise self._full(work)

    def _full(self, work: Work) -> Unavailable:
        return trouble.disk_full(work.wanted.model, work.left + SPARE_BYTES, self._free(work.wanted.target.parent))

    def _refused(self, work: Work, problem: Problem) -> Rejected:
        work.part.drop()
        return Rejected(problem)

    def _check(self, work: Work) -> Fetched:
        """Read what lies on the disk, which is what will be used, and give it its name."""
        model = work.wanted.model
        if (what := _no_model(work.part.path)) is not None:
            raise self._refused(work, trouble.not_a_model(model, what))
        if model.size_bytes is not None and work.part.had != model.size_bytes:
            raise self._refused(work, trouble.wrong_size(model, work.part.had, model.size_bytes))
        found, should, where = self._sum_of(work), model.sha256 or work.linked_sum, work.checked_by
        if should is not None and found != should:
            raise self._refused(work, trouble.wrong_sum(model, found, should, str(where)))
        work.part.become_whole()
        return Fetched(found, where, work.resumed)

    def _sum_of(self, work: Work) -> str:
        digest, done = hashlib.sha256(), 0
        with work.part.path.open("rb") as content:
            while chunk := content.read(1 << 22):
                digest.update(chunk)
                done += len(chunk)
                self._told("checking", done, work.part.had)
        return digest.hexdigest()


class _Pace:
    """Whoever drips is stuck: less than so many bytes in a window ends the connection."""

    def __init__(self, patience: Patience, host: str) -> None:
        self._patience = patience
        self._host = host
        self._since = time.monotonic()
        self._bytes = 0

    def note(self, count: int) -> None:
        self._bytes += count
        now = time.monotonic()
        if now - self._since >= self._patience.window_s:
            if self._bytes < self._patience.least_bytes:
                raise BrokenError(f"{self._host} sends too slowly.")
            self._since, self._bytes = now, 0


def _what_else(answer: Answer) -> str | None:
    kind = answer.response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        return "a web page"
    return "a message" if kind in ("application/json", "application/problem+json", "text/xml") else None


def _no_model(path: Path) -> str | None:
    """Return what a file is that only has a model's name, as far as its first bytes tell."""
    with path.open("rb") as content:
        start = content.read(512).lstrip().lower()
    if start.startswith(_POINTER):
        return "a note that it lies elsewhere"
    return "a web page" if start.startswith((b"<!doctype html", b"<html")) else None

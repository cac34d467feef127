"""How far one model file is: what is known of it, what of it is here, and where the next answer must go on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from service.downloads import trouble
from service.downloads.door import Answer
from service.downloads.part import Part
from service.downloads.trouble import BrokenError
from service.errors import Rejected
from service.model_list import Model


@dataclass(frozen=True)
class Wanted:
    """A model to fetch, and where its file shall lie."""

    model: Model
    target: Path

    @property
    def url(self) -> str:
        """Its address."""
        return str(self.model.url)

    @property
    def host(self) -> str:
        """The host of its address."""
        return urlsplit(self.url).hostname or ""


class Work:
    """One file on its way."""

    def __init__(self, wanted: Wanted, part: Part) -> None:
        self.wanted = wanted
        self.part = part
        self.resumed = False
        self.whole: int | None = None
        self.is_whole = False
        self.linked_sum: str | None = None
        #: Where the answer that was judged last begins.
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes still to come, 0 where nobody knows."""
        return max(0, (self.whole or self.wanted.model.size_bytes or 0) - self.part.had)

    @property
    def checked_by(self) -> str | None:
        """Who says what its sum must be: the list, or the host of its address."""
        return "models.yaml" if self.wanted.model.sha256 else self.wanted.host if self.linked_sum else None

    def range_headers(self) -> dict[str, str]:
        """Ask for the rest, if what is there can be told to be the same file's beginning."""
        # Compressed on the way its length would say nothing about the file's.
        headers = {"Accept-Encoding": "identity"}
        if self.part.had and not (self.part.mark or self.wanted.model.sha256):
            self.part.had, self.resumed = 0, False
        if self.part.had:
            headers["Range"] = f"bytes={self.part.had}-"
            headers |= {"If-Range": self.part.mark} if self.part.mark else {}
        return headers

    def learn(self, answer: Answer) -> None:
        """Note size and sum that the answer tells; raise Rejected where they aren't the list's."""
        model, headers = self.wanted.model, answer.response.headers
        if headers.get("content-encoding", "identity") != "identity":
            raise BrokenError(f"{answer.host} sends the file in another form than was asked.")
        length = headers.get("content-length", "")
        start = 0
        if answer.response.status_code == 206:
            start, total = _range_of(headers.get("content-range", ""))
            if start != self.part.had:
                self.start_over()
                raise BrokenError(f"{answer.host} sent another part of the file than was asked.")
        else:
            total = int(length) if length.isdecimal() else None
        total = total if total is not None else answer.size
        if total is not None and model.size_bytes is not None and total != model.size_bytes:
            raise Rejected(trouble.wrong_size(model, total, model.size_bytes))
        if answer.sha256 and model.sha256 and answer.sha256 != model.sha256:
            raise Rejected(trouble.wrong_sum(model, answer.sha256, model.sha256, "models.yaml"))
        self.whole, self.linked_sum, self.at = total, answer.sha256, start

    def begin(self, answer: Answer) -> IO[bytes]:
        """Open the part where the answer goes on."""
        if self.at == 0:
            self.resumed = False
        return self.part.begin(self.at, _mark_of(answer))

    def judge_range(self, answer: Answer) -> None:
        """The server has nothing beyond what we have: it is whole, or was another file's."""
        _, total = _range_of(answer.response.headers.get("content-range", ""))
        size = self.wanted.model.size_bytes
        if total is not None and total == self.part.had and size in (None, total):
            self.whole, self.is_whole, self.linked_sum = total, True, answer.sha256
            return
        self.start_over()
        raise BrokenError(f"{answer.host} has less of the file than is here already.")

    def start_over(self) -> None:
        """Forget what came so far."""
        self.part.drop()
        self.resumed = False

    def end(self, answer: Answer) -> None:
        """The answer has ended: say whether the file is whole."""
        if self.whole is not None and self.part.had < self.whole:
            raise BrokenError(f"{answer.host} broke off.")
        if self.whole is not None and self.part.had > self.whole:
            self.start_over()
            raise BrokenError(f"{answer.host} sent more than the file holds.")
        self.is_whole = True


def _mark_of(answer: Answer) -> str | None:
    """Return what If-Range takes: a strong mark, or the time of change; the sum's own is as good as any."""
    mark = str(answer.response.headers.get("etag", ""))
    if mark.startswith('"'):
        return mark
    return answer.response.headers.get("last-modified") if not mark else None


def _range_of(text: str) -> tuple[int, int | None]:
    """Return where a Content-Range begins (-1: it can't be read) and the size of the whole."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", text.strip(), re.ASCII)
    if found is None:
        return -1, None
    return int(found[1]) if found[1] else -1, int(found[2]) if found[2] != "*" else None

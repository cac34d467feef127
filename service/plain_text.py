"""The bytes of a file become text, or are refused with the place of what is no text in them."""

from __future__ import annotations

import re

from service.errors import Problem, Rejected

MAX_BYTES = 1_000_000
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_SAVE_AGAIN = "Save it again with the encoding UTF-8."


def decode(data: bytes) -> str:
    """Return the text of a UTF-8 file, its byte order mark taken off; raise Rejected for any other bytes."""
    if len(data) > MAX_BYTES:
        raise Rejected(Problem("too_large", "The file is larger than 1 MB.", "Write a shorter file."))
    if data.startswith(_WIDE_MARKS) or (b"\x00" in data[:4] and not data.startswith(bytes(4))):
        raise Rejected(Problem("not_utf8", "The file is UTF-16, not UTF-8.", _SAVE_AGAIN).at(1, 1))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        raise Rejected(
            Problem(
                "not_utf8", "The file is not UTF-8 text.", _SAVE_AGAIN,
                f"the byte 0x{data[error.start]:02x} is no part of a UTF-8 character",
            ).at(*place_of(before, len(before)))
        ) from None  # fmt: skip
    bad = _FORBIDDEN.search(text)
    if bad is None:
        return text
    title = f"The file holds a control character (U+{ord(bad[0]):04X})."
    raise Rejected(Problem("control_character", title, "Delete that character.").at(*place_of(text, bad.start())))


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, counted from 1, of an offset into a text."""
    breaks = list(_BREAK.finditer(text, 0, offset))
    return len(breaks) + 1, offset - (breaks[-1].end() if breaks else 0) + 1

"""Small finished files of every kind: with a structural end, without one, and job files."""

from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image

ENDED = ("jpg", "png", "gif", "webp", "mp4", "mov", "heic")
PLAIN = ("bmp", "tiff", "avi", "mkv", "yaml")


@cache
def sample(suffix: str) -> bytes:
    """Return a finished file of this kind, 1 to 7 KB."""
    if suffix in _MADE:
        return _MADE[suffix]()
    picture = Image.frombytes("RGB", (44, 33), _content(44 * 33 * 3))
    file = io.BytesIO()
    picture.save(file, {"jpg": "jpeg"}.get(suffix, suffix))
    return file.getvalue()


def _content(size: int) -> bytes:
    return random.Random(size).randbytes(size).replace(b"\0", b"\x01")


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def _mp4() -> bytes:
    """The index first, as for the web: every header is there long before the content."""
    return _box(b"ftyp", b"isom\0\0\2\0isom") + _box(b"moov", _content(300)) + _box(b"mdat", _content(3000))


def _mov() -> bytes:
    return _box(b"ftyp", b"qt  \0\0\2\0qt  ") + _box(b"mdat", _content(3000)) + _box(b"moov", _content(300))


def _heic() -> bytes:
    return _box(b"ftyp", b"heic\0\0\0\0mif1") + _box(b"meta", _content(200)) + _box(b"mdat", _content(2000))


def _avi() -> bytes:
    content = b"AVI " + _content(3000)
    return b"RIFF" + len(content).to_bytes(4, "little") + content


def _yaml() -> bytes:
    return b"".join(b"# a line %d of many\n" % number for number in range(60)) + b"prompt: a fishing harbour at dawn\n"


_MADE = {
    "mp4": _mp4,
    "mov": _mov,
    "heic": _heic,
    "avi": _avi,
    "mkv": lambda: b"\x1a\x45\xdf\xa3" + _content(3000),
    "yaml": _yaml,
}

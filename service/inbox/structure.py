"""Does a media file have its end, does a picture move? Told from headers and the tail, without decoding anything."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_TAIL_BYTES = 64 * 1024
#: Crafted files could hold millions of tiny parts; after so many the decoder, which has limits, may judge.
_MOST_PARTS = 10_000
_MOST_BLOCKS = 250_000

_FIRST_BYTES = 12
_JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_GIFS = (b"GIF87a", b"GIF89a")
_RIFF = b"RIFF"
_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"uuid", b"styp"})
_BOXES = _FIRST_BOXES | frozenset(b"moof mfra meta sidx ssix emsg prft pdin udta idat".split())
_PICTURE_BRANDS = frozenset(b"heic heix hevc hevx heim heis mif1 msf1 avif avis miaf".split())
_ENDED = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".heif", ".avif", ".mp4", ".m4v", ".mov"})


def structural_end(path: Path) -> bool:
    """
    Tell whether a media file is there to its end, as far as its kind says where that is.

    Its first bytes say the kind, whatever its name says. True for kinds without an end of their own and for what is no
    media (the examiner will say so). False for an empty file, one that stops within its first bytes, or one that can't
    be read now. Never reads more than headers and 64 KB at the end.
    """
    try:
        with _opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(_FIRST_BYTES)
            if len(first) < _FIRST_BYTES:
                return size > 0 and (path.suffix.lower() not in _ENDED or not _could_begin(first))
            return _has_end(file, first, size)
    except OSError:
        return False


def is_animated(path: Path) -> bool:
    """
    Tell whether a file is a GIF with more than one frame or a WebP that says it is animated, whatever its name says.

    False for everything else and for what can't be read now. Never reads more than the headers of a GIF's first frame,
    at most 64 MB of them, and never raises.
    """
    try:
        with _opened(path) as file:
            first = file.read(_FIRST_BYTES)
            if first.startswith(_RIFF) and first[8:] == b"WEBP":
                head = file.read(9)
                return head[:4] == b"VP8X" and len(head) == 9 and bool(head[8] & 0x02)
            return first.startswith(_GIFS) and _gif_frames(file) > 1
    except OSError:
        return False


def _opened(path: Path) -> BinaryIO:
    """Open a plain file; raises OSError for anything else, and never waits."""
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(opened, "rb")
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        file.close()
        raise OSError("no plain file")
    return file


def _gif_frames(file: BinaryIO) -> int:
    """Count a GIF's frames up to the second one."""
    file.seek(10)
    frames, flags = 0, file.read(3)[:1]
    file.seek(_colours(flags), os.SEEK_CUR)
    for _ in range(_MOST_PARTS):
        mark = file.read(1)
        if mark == b"!":
            file.seek(1, os.SEEK_CUR)
        elif mark == b",":
            frames += 1
            if frames > 1:
                break
            file.seek(_colours(file.read(9)[8:]) + 1, os.SEEK_CUR)
        else:
            break
        if not _skip_blocks(file):
            break
    return frames


def _colours(flags: bytes) -> int:
    """Return how many bytes a GIF's colour table has, by the flags before it."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _skip_blocks(file: BinaryIO) -> bool:
    """Go behind a GIF's row of data blocks; False if the file ends in it, or it is longer than we look."""
    for _ in range(_MOST_BLOCKS):
        length = file.read(1)
        if not length or not length[0]:
            return bool(length)
        file.seek(length[0], os.SEEK_CUR)
    return False


def _has_end(file: BinaryIO, first: bytes, size: int) -> bool:
    if first.startswith(_JPEG):
        return _jpeg(file, size)
    if first.startswith(_PNG):
        return b"IEND\xaeB`\x82" in _tail(file, size)
    if first.startswith(_GIFS):
        # The trailer follows the end of the last block, and some programs fill up with zeros.
        return _tail(file, size).rstrip(b"\0").endswith(b"\0\x3b")
    if first.startswith(_RIFF) and first[8:] == b"WEBP":
        # Programs that write while they encode fill in the length at the end.
        length = int.from_bytes(first[4:8], "little")
        return length > 4 and size >= 8 + length
    if first[4:8] in _FIRST_BOXES:
        return _boxes(file, size, {b"meta", b"moov"} if first[8:] in _PICTURE_BRANDS else {b"moov"})
    return True


def _could_begin(first: bytes) -> bool:
    """Tell whether so few bytes can be the beginning of a kind that has an end."""
    if any(box.startswith(first[4:8]) for box in _FIRST_BOXES):
        return True
    return any(magic.startswith(first[: len(magic)]) for magic in (_JPEG, _PNG, *_GIFS, _RIFF))


def _jpeg(file: BinaryIO, size: int) -> bool:
    """JPEG: the end marker after the first scan; behind it there may be a second picture, a video, a maker's notes."""
    scan, trailer = _jpeg_scan(file)
    if scan is None:
        return False
    if _tail(file, size, 4) == b"SEFT":
        return True
    # Phones write the length of an appended video into the metadata: the picture ends before it.
    end = size - trailer if 0 < trailer < size - scan else size
    begin = max(scan, end - _TAIL_BYTES)
    return b"\xff\xd9" in _at(file, begin, max(0, end - begin))


def _jpeg_scan(file: BinaryIO) -> tuple[int | None, int]:
    """Return where the first scan begins, None if the file stops before, and how many bytes are said to be appended."""
    trailer = 0
    file.seek(2)
    for _ in range(_MOST_PARTS):
        mark = file.read(4)
        while mark[:2] == b"\xff\xff":
            mark = mark[1:] + file.read(1)
        if len(mark) < 4 or mark[0] != 0xFF:
            # Not a header at all: damaged, which is for the decoder to say; a short read is a file that stops here.
            return (None if len(mark) < 4 else file.tell()), trailer
        length = int.from_bytes(mark[2:], "big")
        if mark[1] == 0xDA:
            return file.tell() + length - 2, trailer
        if mark[1] == 0xE1:
            segment = file.read(max(0, length - 2))
            trailer = max(trailer, _appended(segment))
        else:
            file.seek(max(0, length - 2), os.SEEK_CUR)
    return file.tell(), trailer


def _appended(segment: bytes) -> int:
    lengths = re.findall(rb'(?:MicroVideoOffset|Item:Length)="(\d{1,12})"', segment)
    return sum(map(int, lengths))


def _boxes(file: BinaryIO, size: int, index: set[bytes]) -> bool:
    """ISO boxes: each whole up to the end of the file, the content and one kind of index among them."""
    found: set[bytes] = set()
    for count, (kind, end) in enumerate(_walk(file, size)):
        if count >= _MOST_PARTS:
            return True
        if kind is None or end > size:
            # What is no box behind the boxes is a trailer; before them, it is space that is still to be filled.
            return kind is None and b"mdat" in found and not index.isdisjoint(found)
        found.add(kind)
    return b"mdat" in found and not index.isdisjoint(found)


def _walk(file: BinaryIO, size: int) -> Iterator[tuple[bytes | None, int]]:
    """Yield kind and end of each top-level box; kind None for what isn't one."""
    place = 0
    while place < size:
        header = _at(file, place, 16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0 and kind in _BOXES:
            length = size - place
        place += length
        if length < 8 or (kind not in _BOXES and place > size):
            yield None, size
            return
        yield kind, place


def _at(file: BinaryIO, place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


def _tail(file: BinaryIO, size: int, count: int = _TAIL_BYTES) -> bytes:
    return _at(file, max(0, size - count), count)

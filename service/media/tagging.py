"""Tags in GIF and WebP files, into which ffmpeg writes none: a comment, an XMP packet; nothing is decoded."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from html import escape, unescape
from pathlib import Path
from typing import BinaryIO, Final

#: The formats that are tagged here.
FORMATS: Final = ("gif", "webp")
_MARK: Final = b"reeldrop-tags:"
_NAMESPACE: Final = "https://reeldrop.invalid/ns/1.0/"
_XMP_FLAG: Final = 0x04
#: Nothing that we write is longer; what is longer isn't read.
_LONGEST: Final = 2_000_000
_EXTENSION, _COMMENT, _IMAGE, _TRAILER = 0x21, 0xFE, 0x2C, 0x3B


def write(path: Path, tags: Mapping[str, str]) -> None:
    """Put tags into a GIF or an animated WebP; raises ValueError for a file that is neither, or not whole."""
    text = json.dumps(dict(tags), ensure_ascii=True, sort_keys=True).encode()
    with path.open("r+b") as file:
        head = file.read(16)
        if head[:4] == b"GIF8":
            _write_gif(file, _MARK + text)
        elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
            _write_webp(file, text)
        else:
            raise ValueError(f"{path.name} is neither a GIF nor an animated WebP")


def read(path: Path) -> dict[str, str]:
    """Return the tags that `write` has put into a file, none for any other."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"GIF8":
            text = _read_gif(file)
        elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            text = _read_webp(file)
        else:
            text = None
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _write_gif(file: BinaryIO, comment: bytes) -> None:
    file.seek(-1, 2)
    if file.read(1) != bytes([_TRAILER]):
        raise ValueError("the GIF doesn't end with its trailer")
    file.seek(-1, 2)
    file.write(bytes([_EXTENSION, _COMMENT]))
    for start in range(0, len(comment), 255):
        part = comment[start : start + 255]
        file.write(bytes([len(part)]) + part)
    file.write(bytes([0, _TRAILER]))


def _read_gif(file: BinaryIO) -> bytes | None:
    """Walk the blocks; pictures are passed over by their lengths."""
    file.seek(10)
    flags = _one(file)
    file.seek(13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0))
    while (kind := _one(file)) != _TRAILER:
        if kind == _IMAGE:
            file.seek(8, 1)
            flags = _one(file)
            file.seek((3 << ((flags & 7) + 1) if flags & 0x80 else 0) + 1, 1)
            _blocks(file, keep=False)
        elif kind == _EXTENSION:
            comment = _blocks(file, keep=_one(file) == _COMMENT)
            if comment.startswith(_MARK):
                return comment[len(_MARK) :]
        else:
            return None
    return None


def _one(file: BinaryIO) -> int:
    byte = file.read(1)
    return byte[0] if byte else _TRAILER


def _blocks(file: BinaryIO, *, keep: bool) -> bytes:
    kept = bytearray()
    while length := file.read(1):
        if not length[0]:
            break
        part = file.read(length[0])
        if keep and len(kept) < _LONGEST:
            kept += part
    return bytes(kept)


def _write_webp(file: BinaryIO, text: bytes) -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:reeldrop="{_NAMESPACE}" reeldrop:tags="{escape(text.decode())}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()
    file.seek(20)
    flags = _one(file)
    file.seek(20)
    file.write(bytes([flags | _XMP_FLAG]))
    file.seek(0, 2)
    file.write(b"XMP " + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2))
    size = file.tell() - 8
    file.seek(4)
    file.write(struct.pack("<I", size))


def _read_webp(file: BinaryIO) -> bytes | None:
    while len(head := file.read(8)) == 8:
        (length,) = struct.unpack("<I", head[4:])
        if head[:4] == b"XMP " and length <= _LONGEST:
            packet = file.read(length).decode("utf-8", "replace")
            found = re.search(r'reeldrop:tags="([^"]*)"', packet)
            return unescape(found[1]).encode() if found else None
        file.seek(length + length % 2, 1)
    return None

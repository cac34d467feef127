"""Animated pictures written frame by frame, so that a batch is never held: a lazy Pillow image, and APNG's chunks."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from service.engine.images import Check, Frames, Picture, Spool

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Reel(Image.Image):
    """Frames as one Pillow image with many frames, each drawn when Pillow seeks to it."""

    def __init__(self, frames: Frames, check: Check, scratch: Path) -> None:
        super().__init__()
        self._mode = "RGB"
        self._size = (frames.width, frames.height)
        self.n_frames = frames.count
        self.is_animated = frames.count > 1
        self._position = -1
        # Pillow may seek back to the start; the spool answers that without drawing anew.
        self._frames = frames if frames.steady else Spool(frames, scratch).replay()
        self._check = check
        self._ahead: Iterator[Picture] = iter(())
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Draw one frame."""
        if frame == self._position:
            return
        if frame != self._position + 1 or frame == 0:
            self._ahead = self._frames.pull(self._check, frame)
        picture = Image.fromarray(np.ascontiguousarray(next(self._ahead)))
        self.im = picture.im
        self._position = frame

    def tell(self) -> int:
        """Return the present frame's index."""
        return self._position


def write_animated_png(
    file: BinaryIO, frames: Frames, check: Check, *, milliseconds: int, level: int, tags: Mapping[str, str]
) -> None:
    """Write frames as an endless APNG (PNG specification, third edition, section 11.3.6)."""
    file.write(SIGNATURE)
    write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", frames.width, frames.height, 8, 2, 0, 0, 0))
    write_chunk(file, b"acTL", struct.pack(">II", frames.count, 0))
    for key, value in tags.items():
        write_chunk(file, b"tEXt", key.encode("latin-1", "replace") + b"\0" + value.encode("ascii", "replace"))
    sequence = 0
    for index, frame in enumerate(frames.pull(check)):
        shown = struct.pack(">IIIIIHHBB", sequence, frames.width, frames.height, 0, 0, milliseconds, 1000, 0, 0)
        write_chunk(file, b"fcTL", shown)
        data = pixels(frame, level)
        if index == 0:
            write_chunk(file, b"IDAT", data)
        else:
            sequence += 1
            write_chunk(file, b"fdAT", struct.pack(">I", sequence) + data)
        sequence += 1
    write_chunk(file, b"IEND", b"")


def pixels(frame: Picture, level: int) -> bytes:
    """Return a frame as PNG's compressed data, taken out of a PNG that Pillow filters and packs."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame)).save(buffer, "PNG", compress_level=level)
    data, position, found = buffer.getbuffer(), len(SIGNATURE), bytearray()
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if bytes(data[position + 4 : position + 8]) == b"IDAT":
            found += data[position + 8 : position + 8 + length]
        position += length + 12
    return bytes(found)


def write_chunk(file: BinaryIO, kind: bytes, data: Any) -> None:
    """Write one PNG chunk: length, kind, data, checksum."""
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))

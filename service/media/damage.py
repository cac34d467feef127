"""Damage that decoders paint over: a picture with a hole in it is decoded to grey by most of them, without a word.

Loaded only in child processes.
"""

from __future__ import annotations

import os
import re
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
import cv2
import numpy as np
from PIL import Image

from service.media import trouble

#: What libjpeg says of entropy-coded data that doesn't fit the picture; its other warnings are about headers.
_JPEG_DAMAGE = re.compile(rb"Corrupt JPEG data: (?!.*extraneous)|Premature end of JPEG|extraneous bytes before marker")
#: Some cameras fill up with a few bytes before the end marker.
_JPEG_PADDING = re.compile(rb"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")
_PADDING_BYTES = 32
_MARK = re.compile(rb"\xff[^\x00\xff]")
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_PNG_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_BLOCK = 1 << 20
#: No encoder of these leaves so many zeros in a row, and none more than this for a picture of so many pixels.
_HOLE_BYTES, _PIXELS_A_ZERO = 512, 4000
_STRIPS = 273, 279
_TILES = 324, 325
_DEFLATED = frozenset({8, 32946})


def check(path: Path, format_name: str, image: Image.Image, name: str) -> None:
    """Raise Rejected for a picture whose compressed data is damaged, as far as its format lets anybody see that."""
    pixels = image.width * image.height
    if format_name == "jpeg":
        found = _in_jpeg(path)
    elif format_name == "png":
        found = _in_png(path)
    elif format_name == "webp":
        found = any(has_hole(part, pixels) for part in _webp_parts(path))
    elif format_name in {"heif", "avif"}:
        found = any(has_hole(part, pixels) for part in _packets(path))
    else:
        found = format_name == "tiff" and _in_tiff(path, image)
    if found:
        raise trouble.damaged(name)


def has_hole(data: bytes, pixels: int) -> bool:
    """Tell whether compressed data holds a run of zeros that no encoder writes: space that was never filled."""
    return bytes(max(_HOLE_BYTES, pixels // _PIXELS_A_ZERO)) in data


# JPEG ----------------------------------------------------------------------------------------------------------------


def _in_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        data = _bare_jpeg(file.read())
    if data is None:
        return False
    said = _libjpeg_says(data)
    padding = _JPEG_PADDING.search(said)
    if _JPEG_DAMAGE.search(said) and not (padding and int(padding[1]) <= _PADDING_BYTES):
        return True
    return _ffmpeg_stumbles(data)


def _bare_jpeg(data: bytes) -> bytes | None:
    """Return a JPEG without all that is not needed to decode it, or None for one that can't be walked.

    libjpeg tells its first warning only: what it might say of odd headers must not hide what it says of the picture.
    """
    kept, at, baseline = bytearray(b"\xff\xd8"), 2, False
    while (mark := _MARK.search(data, at)) is not None:
        kind, at = data[mark.end() - 1], mark.end()
        if kind in _WITHOUT_LENGTH:
            continue
        end = at + int.from_bytes(data[at : at + 2], "big")
        if kind == 0xDA:
            scan = bytearray(data[at:end])
            if baseline and len(scan) > 3:
                scan[-3:] = b"\x00\x3f\x00"  # some phones write other numbers, which mean nothing here
            return bytes(kept) + b"\xff\xda" + bytes(scan) + data[end:]
        baseline |= kind in (0xC0, 0xC1)
        if not (0xE0 <= kind <= 0xEF or kind == 0xFE):
            kept += b"\xff" + data[at - 1 : end]
        at = end
    return None


def _libjpeg_says(data: bytes) -> bytes:
    """Decode at an eighth of the size, which reads all of the data, and return the warnings."""
    with tempfile.TemporaryFile() as said:
        with _standard_error_to(said.fileno()), suppress(cv2.error):
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
        said.seek(0)
        return said.read(_BLOCK)


@contextmanager
def _standard_error_to(opened: int) -> Iterator[None]:
    """Lead what the process's libraries write to standard error elsewhere: nothing else tells libjpeg's warnings."""
    try:
        before: int | None = os.dup(2)
    except OSError:
        before = None  # there is none
    os.dup2(opened, 2)
    try:
        yield
    finally:
        if before is None:
            os.close(2)
        else:
            os.dup2(before, 2)
            os.close(before)


def _ffmpeg_stumbles(data: bytes) -> bool:
    """Tell whether ffmpeg finds a block with more coefficients than blocks have; libjpeg lets that pass."""
    decoder: Any = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode", "lowres": "3"}
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as said:
            with suppress(av.error.FFmpegError):
                decoder.decode(av.Packet(data))
            return any(message.startswith("error y=") for _, _, message in said)
    finally:
        av.logging.set_level(before)


# the others ----------------------------------------------------------------------------------------------------------


def _in_png(path: Path) -> bool:
    """Compare the checksums of the chunks that are needed to decode it."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            left, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind not in _PNG_CRITICAL:
                file.seek(left + 4, os.SEEK_CUR)
                continue
            checksum = zlib.crc32(kind)
            while left > 0 and (block := file.read(min(left, _BLOCK))):
                checksum, left = zlib.crc32(block, checksum), left - len(block)
            if file.read(4) != checksum.to_bytes(4, "big"):
                return True
            if kind == b"IEND":
                break
    return False


def _webp_parts(path: Path) -> Iterator[bytes]:
    """Yield the compressed pictures of a WebP; the profile and the metadata beside them may hold anything."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[4:], "little")
            if head[:4] in {b"VP8 ", b"VP8L", b"ALPH", b"ANMF"}:
                yield file.read(length + length % 2)
            else:
                file.seek(length + length % 2, os.SEEK_CUR)


def _packets(path: Path) -> Iterator[bytes]:
    """Yield the compressed pictures (tiles, thumbnails) of a HEIC or AVIF, as far as ffmpeg finds them."""
    with suppress(av.error.FFmpegError), av.open(f"file:{path.absolute()}", format="mov") as container:
        for packet in container.demux(*container.streams.video):
            yield bytes(packet)


def _in_tiff(path: Path, image: Image.Image) -> bool:
    """Inflate the first page's strips, each of which ends with a checksum; other compressions have none."""
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(259) not in _DEFLATED:
        return False
    places, lengths = _STRIPS if _STRIPS[0] in tags else _TILES
    with path.open("rb") as file:
        for place, length in zip(tags.get(places, ()), tags.get(lengths, ()), strict=False):
            file.seek(place)
            if not _inflates(file.read(length)):
                return True
    return False


def _inflates(data: bytes) -> bool:
    inflater = zlib.decompressobj()
    try:
        while data and not inflater.eof:
            inflater.decompress(data, _BLOCK)
            data = inflater.unconsumed_tail
    except zlib.error:
        return False
    return True

"""What a file's first bytes say it is; the name's ending is only ever a hint."""

from __future__ import annotations

from pathlib import Path

from service.job import MediaKind
from service.media import trouble

PICTURES = frozenset({"jpeg", "png", "webp", "heif", "avif", "gif", "bmp", "tiff"})
VIDEOS = frozenset({"mp4", "mov", "mkv", "webm", "avi"})

PICTURE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp", ".tif", ".tiff"}
)
VIDEO_ENDINGS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_HEAD_BYTES = 4096


def read_format(path: Path) -> str:
    """Return the format's name, one of PICTURES or VIDEOS; raises Rejected for anything else or a false ending."""
    name = trouble.name_of(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise trouble.missing(name) from error
    if not head:
        raise trouble.empty(name)
    found = format_of(head)
    if found is None:
        raise trouble.unknown(name, _looks_like(head))
    suffix = path.suffix.lower()
    if found in VIDEOS and suffix in PICTURE_ENDINGS:
        raise trouble.mislabelled(name, f"a video ({found.upper()})", suffix)
    if found in PICTURES and suffix in VIDEO_ENDINGS:
        raise trouble.mislabelled(name, f"a picture ({found.upper()})", suffix)
    return found


def kind_of(format_name: str) -> MediaKind:
    """Return what a format is to a workflow."""
    return MediaKind.VIDEO if format_name in VIDEOS else MediaKind.PICTURE


def format_of(head: bytes) -> str | None:
    """Return the format that these first bytes begin, or None; 64 bytes are enough."""
    if head[4:8] == b"ftyp":
        return _base_media(head)
    if head.startswith(b"RIFF"):
        return {b"WEBP": "webp", b"AVI ": "avi"}.get(head[8:12])
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm" if b"webm" in head[:64] else "mkv"
    if head[4:8] in _OLD_QUICKTIME:
        return "mov"
    return next((name for start, name in _STARTS if head.startswith(start)), None)


_STARTS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)


def _base_media(head: bytes) -> str:
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    # Apple writes HEIC with the major brand mif1 too, and AVIF says mif1 among its compatible ones.
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "avif"
    if brands[0] in _HEIF_BRANDS:
        return "heif"
    return "mov" if brands[0] == b"qt  " else "mp4"


def _looks_like(head: bytes) -> str:
    if not head.strip(b"\x00"):
        return "nothing but zeros, as an unfinished copy does"
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return "some other kind of file"
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        return "a web page"
    return "plain text" if "\x00" not in text else "some other kind of file"

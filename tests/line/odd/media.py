"""Pictures and films that are broken, cut off, mislabelled, enormous, or odd and right."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from tests.line.odd.rows import Row
from tests.line.world import photo
from tests.media import drawing

TASK = "image-to-video"
JOB = b"seed: 7\nwidth: 64\nheight: 64\nframes: 2\nsteps: 1\n"
PICTURES = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "avif": "AVIF", "bmp": "BMP", "tiff": "TIFF"}
VIDEOS = {"mp4": "libx264", "mov": "libx264", "mkv": "libx264", "webm": "libvpx-vp9", "avi": "mpeg4"}


def scene() -> Image.Image:
    """Return a picture with so much in it that each format has something to cut."""
    noise = np.random.default_rng(7).integers(0, 120, (120, 160, 3), np.uint8)
    return Image.fromarray(noise)


def saved(ending: str, image: Image.Image | None = None, **options: object) -> bytes:
    """Return a picture's bytes in the format of an ending."""
    out = BytesIO()
    (image or scene()).save(out, PICTURES[ending], **options)
    return out.getvalue()


def films(folder: Path) -> dict[str, bytes]:
    """Return a whole film of each container, by ending."""
    return {
        ending: drawing.clip(folder / f"film.{ending}", codec=codec).read_bytes() for ending, codec in VIDEOS.items()
    }


def with_job(name: str, file: str, content: bytes, comes: str, *words: str, task: str = TASK) -> Row:
    """Return the row of a job file and its one file."""
    job = JOB if task == TASK else b"{}" if comes == "done" else b"rerun: true\n"
    return Row(
        {f"{task}/{name}.yaml": job + f"# {name}\n".encode(), f"{task}/{file}": content}, f"{task}/{name}", comes, words
    )


def cut_off(whole: dict[str, bytes]) -> Iterator[Row]:
    """Half a file of each format: those with an end wait for it in vain, the others are found out by decoding."""
    for ending in PICTURES:
        content = saved(ending)
        yield with_job(
            f"half-{ending}", f"half-{ending}.{ending}", content[: len(content) * 2 // 3], "rejected", ending
        )
    for ending in ("mp4", "mov", "webm", "mkv", "avi"):
        content = whole[ending][: len(whole[ending]) // 2]
        yield with_job(f"half-{ending}", f"half-{ending}.{ending}", content, "rejected", ending, task="retouch")


def mislabelled(whole: dict[str, bytes]) -> Iterator[Row]:
    """Files whose content is something else than their names say."""
    for name, file, content, *words in (
        ("words", "words.png", b"this is no picture at all\n", "words.png", "text"),
        ("page", "page.webp", b"<!doctype html><html><body>404 not found</body></html>", "page.webp", "web page"),
        ("paper", "paper.tiff", b"%PDF-1.7\n" + bytes(500), "paper.tiff"),
        ("packed", "packed.bmp", b"PK\3\4" + bytes(500), "packed.bmp"),
        ("program", "program.bmp", b"\x7fELF" + bytes(500), "program.bmp"),
        ("nothing", "nothing.bmp", bytes(4096), "nothing.bmp"),
        ("noise", "noise.bmp", np.random.default_rng(3).bytes(4096), "noise.bmp"),
        ("film", "film.bmp", whole["mp4"], "film.bmp", "ending"),
        ("drawing", "drawing.bmp", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing.bmp"),
    ):
        yield with_job(name, file, content, "rejected", *words)
    for name, file, content, *words in (
        ("still", "still.mkv", saved("png"), "still.mkv"),
        ("song", "song.mkv", b"ID3\4\0\0\0\0\0\0" + bytes(2000), "song.mkv"),
        ("list", "list.avi", b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n", "list.avi"),
        ("concat", "concat.mkv", b"ffconcat version 1.0\nfile /etc/passwd\n", "concat.mkv"),
        ("silent", "silent.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2\0\0\4\x08mdat" + bytes(1024), "silent.mp4"),
    ):
        yield with_job(name, file, content, "rejected", *words, task="retouch")


def damaged() -> Iterator[Row]:
    """Files that begin and end as they should, and aren't right in between."""
    whole = photo()
    middle = len(whole) // 2
    yield with_job("hole", "hole.jpg", whole[:middle] + bytes(4000) + whole[middle + 4000 :], "rejected", "damaged")
    named = {
        f"{TASK}/names-a-hole.yaml": JOB + b"image: holed.jpg\n",
        f"{TASK}/holed.jpg": whole[:middle] + bytes(9000),
    }
    named[f"{TASK}/holed.jpg"] += whole[middle + 9000 :]
    yield Row(named, f"{TASK}/names-a-hole", "rejected", ("holed.jpg is damaged",))
    png = bytearray(saved("png"))
    png[len(png) // 2] ^= 255
    yield with_job("flipped", "flipped.png", bytes(png), "rejected", "flipped.png")
    yield with_job("bomb", "bomb.png", _png(20_000, 20_000, real=True), "rejected", "20000 x 20000", "Scale it down")
    yield with_job("liar", "liar.png", _png(50_000, 50_000, real=False), "rejected", "liar.png")
    gif = saved("gif")[:-200] + b"\xff" * 150 + b"\0;"
    yield with_job("scrambled", "scrambled.gif", gif[:400] + b"\0\0;", "rejected", "scrambled.gif")


def right(whole: dict[str, bytes]) -> Iterator[Row]:
    """Odd, and nothing wrong with them: each is rendered from what it shows."""
    tilted = Image.Exif()
    tilted[0x0112] = 6
    for name, ending, content in (
        ("wrong-ending", "png", photo((64, 48))),
        ("cmyk", "jpg", saved("jpg", scene().convert("CMYK"))),
        ("grey-with-alpha", "png", saved("png", scene().convert("LA"))),
        ("palette", "gif", saved("gif", scene().convert("P"))),
        ("tilted", "jpg", saved("jpg", scene(), exif=tilted)),
        ("one-pixel", "png", saved("png", Image.new("RGB", (1, 1), "navy"))),
        ("thin", "bmp", saved("bmp", Image.new("RGB", (1, 2000), "navy"))),
        ("many-frames", "gif", _gif(3000)),
        ("deep", "png", saved("png", Image.fromarray(np.full((40, 40), 40_000, np.uint16)))),
        ("LOUD", "JPG", photo((64, 48))),
        ("rest-behind", "jpg", photo((64, 48)) + b"\0" * 300),
    ):
        yield _done(with_job(name, f"{name}.{ending}", content, "done"), content)
    yield _done(with_job("other-box", "other-box.mov", whole["mkv"], "done", task="retouch"), whole["mkv"])
    moving = _gif(12)
    yield _done(with_job("moving", "moving.gif", moving, "done", task="retouch"), moving)


def unwanted(whole: dict[str, bytes]) -> Iterator[Row]:
    """Media of a kind that their task has no use for, by themselves and with a job file."""
    still, film = photo((64, 48)), whole["mp4"]
    for task, file, content, *words in (
        ("text-to-video", "still.jpg", still, "text-to-video takes no picture", "inbox/image-to-video/"),
        ("text-to-video", "film.mp4", film, "text-to-video takes no video", "inbox/retouch/"),
        ("image-to-video", "lonely-film.mp4", film, "takes no video", "inbox/retouch/"),
        ("retouch", "lonely-still.jpg", still, "takes no picture", "inbox/image-to-video/"),
    ):
        yield Row({f"{task}/{file}": content}, f"{task}/{file.rpartition('.')[0]}", "rejected", tuple(words))
    text = b"prompt: x\nwidth: 64\nheight: 64\nframes: 2\nsteps: 1\nseed: 9\n"
    files = {"text-to-video/extra.yaml": text, "text-to-video/extra.jpg": still}
    yield Row(files, "text-to-video/extra", "rejected", ("takes no picture", "inbox/image-to-video/"))
    yield with_job("two", "two.png", saved("png"), "rejected", "two.png", "two.jpg", "Rename").plus(
        f"{TASK}/two.jpg", still
    )


def _done(row: Row, content: bytes) -> Row:
    return row.telling(sha256=hashlib.sha256(content).hexdigest())


def _png(width: int, height: int, *, real: bool) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, rows = zlib.compressobj(1), bytes(((width + 7) // 8 + 1) * 100)
    data = b"".join(packer.compress(rows) for _ in range(height // 100 if real else 1)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _gif(frames: int) -> bytes:
    """Return a film of so many frames, a spot that moves from left to right."""
    head = b"GIF89a" + struct.pack("<HHBBB", 64, 48, 0x80, 0, 0) + bytes([20, 40, 60, 250, 240, 60])
    frame = b"!\xf9\4\0\4\0\0\0"
    full = b"," + struct.pack("<HHHHB", 0, 0, 64, 48, 0) + _lzw(64 * 48, 0)
    spots = (b"," + struct.pack("<HHHHB", number % 60, 20, 4, 4, 0) + _lzw(16, 1) for number in range(frames - 1))
    return head + frame + full + b"".join(frame + spot for spot in spots) + b";"


def _lzw(pixels: int, colour: int) -> bytes:
    """Pack pixels of one colour, each in three bits with a fresh table after every second: long, and simple."""
    codes = []
    for number in range(pixels):
        codes += [4] if number % 2 == 0 else []
        codes.append(colour)
    bits = sum(code << (3 * place) for place, code in enumerate([*codes, 5]))
    data = bits.to_bytes((3 * (len(codes) + 1) + 7) // 8, "little")
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    return b"\2" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"

"""A media file has its end, or it is still on its way."""

import io
import os
from pathlib import Path

import av
import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.inbox.structure import is_animated, structural_end

pillow_heif.register_heif_opener()

PIXELS = np.random.default_rng(7).integers(0, 255, (90, 120, 3), dtype=np.uint8)


def picture(kind, **options):
    held = io.BytesIO()
    Image.fromarray(PIXELS).save(held, kind, **options)
    return held.getvalue()


def video(path, **options):
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream("mpeg4" if path.suffix != ".webm" else "libvpx", rate=12)
        stream.width, stream.height, stream.pix_fmt = 120, 90, "yuv420p"
        for shift in range(12):
            frame = av.VideoFrame.from_ndarray(np.roll(PIXELS, shift * 5, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def animation():
    held = io.BytesIO()
    frames = [Image.fromarray(np.roll(PIXELS, shift, axis=0)) for shift in range(4)]
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:])
    return held.getvalue()


def exif_thumbnail():
    """An EXIF block that holds a whole little JPEG, with an end marker of its own."""
    held = io.BytesIO()
    Image.fromarray(PIXELS).resize((16, 16)).save(held, "JPEG")
    return b"Exif\0\0" + held.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    clip = tmp_path_factory.mktemp("made") / "clip.mp4"
    return {
        "plain.jpg": picture("JPEG"),
        "progressive.jpg": picture("JPEG", progressive=True),
        "thumbnail.jpg": picture("JPEG", exif=exif_thumbnail()),
        "plain.png": picture("PNG"),
        "plain.gif": animation(),
        "lossy.webp": picture("WEBP"),
        "lossless.webp": picture("WEBP", lossless=True),
        "plain.heic": picture("HEIF"),
        "plain.avif": picture("AVIF"),
        "moov_last.mp4": video(clip),
        "moov_first.mp4": video(clip, movflags="faststart"),
        "fragmented.mp4": video(clip, movflags="frag_keyframe+empty_moov"),
        "plain.mov": video(clip.with_suffix(".mov")),
    }


def ends(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return structural_end(path)


def test_whole_files_have_their_end(files, tmp_path):
    assert [name for name, data in files.items() if not ends(tmp_path, name, data)] == []


#: Fragments are whole videos each, so a file of them may break off after any of them and still be one.
CUT = [
    "plain.jpg",
    "progressive.jpg",
    "thumbnail.jpg",
    "plain.png",
    "plain.gif",
    "lossy.webp",
    "lossless.webp",
    "plain.heic",
    "plain.avif",
    "moov_last.mp4",
    "moov_first.mp4",
    "plain.mov",
]


@pytest.mark.parametrize("name", CUT)
def test_files_that_break_off_have_no_end(files, name, tmp_path):
    data = files[name]
    places = sorted({*range(40), *range(40, len(data), max(1, len(data) // 400)), *range(len(data) - 8, len(data))})
    assert [place for place in places if ends(tmp_path, name, data[:place])] == []


#: The headers of the others say that they are whole; only the quiet time and an open writer tell.
FILLED_LATER = ["plain.jpg", "progressive.jpg", "thumbnail.jpg", "plain.png", "plain.gif", "moov_last.mp4", "plain.mov"]


@pytest.mark.parametrize("name", FILLED_LATER)
def test_space_that_is_still_to_be_filled_is_no_end(files, name, tmp_path):
    data = files[name]
    # Windows' Explorer gives a file its full size first.
    for part in (0.1, 0.5, 0.9):
        kept = int(len(data) * part)
        assert not ends(tmp_path, name, data[:kept] + bytes(len(data) - kept))


@pytest.mark.parametrize("name", ["plain.jpg", "plain.png", "moov_last.mp4", "moov_first.mp4", "lossy.webp"])
def test_what_programs_append_is_no_harm(files, name, tmp_path):
    for trailer in (b"\n", bytes(64), b"made by a camera" * 100):
        assert ends(tmp_path, name, files[name] + trailer)


def test_a_motion_photo_is_whole_with_its_video_only(files, tmp_path):
    clip = files["moov_last.mp4"] * 30
    assert len(clip) > 70_000
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x Item:Mime="video/mp4" Item:Length="%d"/>' % len(clip)
    still = files["plain.jpg"]
    photo = still[:2] + b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp + still[2:]
    assert ends(tmp_path, "a.jpg", photo + clip)
    assert not ends(tmp_path, "a.jpg", photo[: len(photo) // 2])
    assert not ends(tmp_path, "a.jpg", photo + clip[:-30_000])
    assert ends(tmp_path, "a.jpg", still + clip + b"SEFT")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.mp4", "a.webp", "a.heic", "a.gif"])
def test_an_empty_file_is_on_its_way(name, tmp_path):
    assert not ends(tmp_path, name, b"")


def test_what_is_no_media_is_for_the_examiner(files, tmp_path):
    for name in files:
        assert ends(tmp_path, name, b"<html>not found</html>" * 9)
    assert ends(tmp_path, "a.jpg", b"hello")
    assert ends(tmp_path, "really.png", files["plain.jpg"])
    assert not ends(tmp_path, "really.png", files["plain.jpg"][:-9])
    assert ends(tmp_path, "really.mp4", files["plain.heic"])


def test_kinds_without_an_end_are_always_whole(tmp_path):
    for name, data in (
        ("a.webm", video(tmp_path / "made.webm")),
        ("a.bmp", picture("BMP")),
        ("a.tif", picture("TIFF")),
    ):
        assert ends(tmp_path, name, data)
        assert ends(tmp_path, name, data[: len(data) // 2])


def test_only_plain_files_that_are_there_can_be_whole(files, tmp_path):
    (tmp_path / "a.jpg").write_bytes(files["plain.jpg"])
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in sorted(tmp_path.iterdir()) if structural_end(path)] == ["a.jpg"]
    assert not structural_end(tmp_path / "gone.jpg")


def test_a_big_file_is_told_by_a_few_headers(tmp_path):
    path = tmp_path / "big.mp4"
    with path.open("wb") as file:
        file.write((16).to_bytes(4, "big") + b"ftypisom" + bytes(4))
        file.write((1).to_bytes(4, "big") + b"mdat" + (5 << 30).to_bytes(8, "big"))
        file.seek(16 + (5 << 30))
        file.write((8).to_bytes(4, "big") + b"moov")
    assert structural_end(path)
    os.truncate(path, (5 << 30) + 15)
    assert not structural_end(path)


def test_a_last_box_may_reach_to_the_end(tmp_path):
    whole = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08moov" + b"\0\0\0\0mdat" + bytes(99)
    assert ends(tmp_path, "a.mp4", whole)
    assert not ends(tmp_path, "a.mp4", whole.replace(b"moov", b"free"))


def test_millions_of_tiny_boxes_are_not_walked(tmp_path):
    assert ends(tmp_path, "a.mp4", b"\0\0\0\x08free" * 300_000)


heads = st.sampled_from(
    [b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x10\0\0\0WEBP", b"\0\0\0\x10ftypheic", b""]
)


@settings(max_examples=300, deadline=None)
@given(heads, st.binary(max_size=200), st.sampled_from(["a.jpg", "a.mp4", "a.heic", "a.webp"]))
def test_no_bytes_are_too_strange(tmp_path_factory, head, rest, name):
    folder = Path(tmp_path_factory.getbasetemp()) / "strange"
    folder.mkdir(exist_ok=True)
    assert ends(folder, name, head + rest) in (True, False)


def moving(kind, count, **options):
    held = io.BytesIO()
    frames = [Image.fromarray(np.roll(PIXELS, shift * 3, axis=0)) for shift in range(count)]
    frames[0].save(held, kind, save_all=True, append_images=frames[1:], **options)
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("still.gif", False), ("moving.gif", True), ("loop.gif", True), ("still.webp", False), ("moving.webp", True),
        ("moving.png", False), ("still.jpg", False), ("clip.mp4", False),
    ],
)  # fmt: skip
def test_a_picture_that_moves_is_told_by_its_headers(name, moves, files, tmp_path):
    data = {
        "still.gif": moving("GIF", 1),
        "moving.gif": moving("GIF", 2),
        "loop.gif": moving("GIF", 3, loop=0, comment=b"made by hand"),
        "still.webp": files["lossy.webp"],
        "moving.webp": moving("WEBP", 3),
        "moving.png": moving("PNG", 3),
        "still.jpg": files["plain.jpg"],
        "clip.mp4": files["moov_last.mp4"],
    }[name]
    (tmp_path / "picture").write_bytes(data)
    assert is_animated(tmp_path / "picture") is moves


def test_only_plain_files_that_are_there_can_move(tmp_path):
    (tmp_path / "a.gif").write_bytes(moving("GIF", 2))
    (tmp_path / "link.gif").symlink_to(tmp_path / "a.gif")
    os.mkfifo(tmp_path / "pipe.gif")
    (tmp_path / "folder.gif").mkdir()
    names = ("a.gif", "link.gif", "pipe.gif", "folder.gif", "gone.gif")
    assert [name for name in names if is_animated(tmp_path / name)] == ["a.gif"]


def test_endless_blocks_are_not_walked_to_their_end(tmp_path):
    head = moving("GIF", 1)[:13]
    (tmp_path / "a.gif").write_bytes(head[:10] + b"\0\0\0" + b",\0\0\0\0\1\0\1\0\0\x08" + b"\1\0" * 600_000)
    assert not is_animated(tmp_path / "a.gif")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["GIF89a", "GIF", "RIFF", ""]), st.binary(max_size=300), st.integers(0, 4000), st.binary())
def test_no_bytes_are_too_strange_to_tell_whether_they_move(tmp_path_factory, head, rest, at, patch):
    path = Path(tmp_path_factory.getbasetemp()) / "strange.gif"
    whole = moving("GIF", 2)
    for data in (head.encode() + rest, whole[:at] + patch + whole[at + len(patch) :], whole[:at]):
        path.write_bytes(data)
        assert is_animated(path) in (True, False)
        assert structural_end(path) in (True, False)

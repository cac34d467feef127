"""Pictures with a hole in them are found, and none that is whole is taken for one."""

import io
import itertools
import os
import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from service.errors import Rejected
from service.media import damage, facts, pictures
from tests.media import drawing


def photo(size=(400, 300)):
    """Detail of all sizes, as a photograph has it; the same each time."""
    random = np.random.default_rng(11)
    coarse = random.integers(0, 255, (size[1] // 20, size[0] // 20, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray((smooth + random.integers(-12, 12, smooth.shape)).clip(0, 255).astype(np.uint8))


def written(path, image, **options):
    image.save(path, **options)
    return path


def holed(path, place, content):
    data = path.read_bytes()
    at = int(len(data) * place)
    path.write_bytes(data[:at] + content + data[at + len(content) :])
    return path


JPEGS = {
    "plain": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 4},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
    "optimised": {"optimize": True},
    "rough": {"quality": 25},
    "full colour": {"subsampling": 0},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_whose_middle_was_overwritten_is_refused(tmp_path, mode, options):
    for place, kind in itertools.product((0.3, 0.5, 0.7), ("zeros", "ones", "noise")):
        path = written(tmp_path / "cup.jpg", photo().convert(mode), **options)
        content = {"zeros": bytes(2500), "ones": b"\xff" * 2500, "noise": np.random.default_rng(5).bytes(2500)}[kind]
        holed(path, place, content)
        with pytest.raises(Rejected) as refusal:
            facts.probe(path)
        (problem,) = refusal.value.problems
        assert problem.code == "media_unreadable"
        assert problem.title.startswith("cup.jpg is ")


def test_the_reason_says_what_is_wrong_and_what_to_do(tmp_path):
    path = holed(written(tmp_path / "cup.jpg", photo()), 0.5, bytes(4000))
    with pytest.raises(Rejected, match=r"cup\.jpg is damaged: part of it is missing or was overwritten") as refusal:
        facts.probe(path)
    assert "copy it again" in refusal.value.problems[0].fix


def test_a_large_jpeg_is_looked_at_when_it_is_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_PROBED_PIXELS", 100)
    path = holed(written(tmp_path / "cup.jpg", photo()), 0.5, bytes(4000))
    assert facts.probe(path).width == 400
    with pytest.raises(Rejected, match="overwritten"):
        pictures.save_upright(path, "jpeg", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def whole_jpegs():
    images = {"photo": photo(), "odd": photo((211, 97)), "tiny": photo((40, 40)).resize((1, 1))}
    images["flat"] = Image.new("RGB", (320, 240), "white")
    for (name, image), (how, options), mode in itertools.product(images.items(), JPEGS.items(), ("RGB", "L", "CMYK")):
        out = io.BytesIO()
        try:
            image.convert(mode).save(out, "JPEG", **options)
        except OSError:
            continue  # Pillow's encoder refuses a few tiny ones
        yield f"{name}, {how}, {mode}", out.getvalue()
        for flag in (cv2.IMWRITE_JPEG_PROGRESSIVE, cv2.IMWRITE_JPEG_RST_INTERVAL, cv2.IMWRITE_JPEG_OPTIMIZE):
            _, data = cv2.imencode(".jpg", np.asarray(image), [flag, 1])
            yield f"{name}, cv2 {flag}", data.tobytes()
    for pixels in ("yuvj420p", "yuvj422p", "yuvj444p"):
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 400, 300, pixels, Fraction(1)
        packets = encoder.encode(av.VideoFrame.from_image(photo())) + encoder.encode(None)
        yield f"ffmpeg {pixels}", bytes(packets[0])


def test_no_whole_jpeg_is_taken_for_a_damaged_one(tmp_path):
    path, seen = tmp_path / "a.jpg", 0
    for name, data in whole_jpegs():
        path.write_bytes(data)
        try:
            facts.probe(path)
        except Rejected as refusal:
            pytest.fail(f"{name}: {refusal}")
        seen += 1
    assert seen > 200


def odd_but_whole(data):
    """What cameras and programs put around a picture."""
    thumbnail = b"Exif\0\0" + data[: len(data) // 8]
    segment = (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    start = data.index(b"\xff\xda")
    yield "zeros behind it", data + bytes(5000)
    yield "a video behind it", data + b"\0\0\0\x18ftypmp42" + bytes(900)
    yield "a second picture behind it", data + data
    yield "a thumbnail before it", data[:2] + b"\xff\xe1" + segment + data[2:]
    yield "fill bytes before the end", data[:-2] + b"\xff" * 9 + data[-2:]
    yield "padding before the end", data[:-2] + bytes(8) + data[-2:]
    yield "odd numbers in the scan's header", data[: start + 11] + b"\x01\x3e\x01" + data[start + 14 :]
    yield "an unknown JFIF version", data.replace(b"JFIF\0\x01\x01", b"JFIF\0\x07\x01", 1)


def test_what_cameras_put_around_a_picture_is_no_damage(tmp_path):
    data = written(tmp_path / "a.jpg", photo()).read_bytes()
    for name, content in odd_but_whole(data):
        (tmp_path / "b.jpg").write_bytes(content)
        try:
            damage.check(tmp_path / "b.jpg", "jpeg", Image.new("RGB", (400, 300)), "b.jpg")
        except Rejected as refusal:
            pytest.fail(f"{name}: {refusal}")


def test_odd_headers_do_not_hide_damage(tmp_path):
    data = written(tmp_path / "a.jpg", photo()).read_bytes()
    for name, content in odd_but_whole(data):
        half = len(content) // 2 if "behind" not in name else len(data) // 2
        (tmp_path / "b.jpg").write_bytes(content[:half] + bytes(4000) + content[half + 4000 :])
        with pytest.raises(Rejected, match="overwritten"):
            damage.check(tmp_path / "b.jpg", "jpeg", Image.new("RGB", (400, 300)), "b.jpg")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}), ("a.gif", {}), ("a.webp", {"quality": 90}), ("a.webp", {"lossless": True}), ("a.heic", {}),
        ("a.avif", {"speed": 10, "quality": 90}), ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.tiff", {"compression": "tiff_adobe_deflate"}),
    ],
)  # fmt: skip
def test_a_hole_in_any_compressed_picture_is_found(tmp_path, name, options):
    for place in (0.3, 0.5, 0.7):
        path = written(tmp_path / name, photo(), **options)
        assert facts.probe(path).width == 400
        holed(path, place, bytes(min(4096, path.stat().st_size // 5)))
        with pytest.raises(Rejected, match=r"damaged|cut off"):
            facts.probe(path)


@pytest.mark.parametrize("name", ["a.webp", "a.avif", "a.heic", "a.png", "a.tiff", "a.gif", "a.bmp"])
def test_large_flat_pictures_and_empty_metadata_are_no_holes(tmp_path, name):
    padded = b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\0" + bytes(6000)
    options = {"exif": padded} if name in {"a.webp", "a.avif", "a.heic", "a.png"} else {}
    if name == "a.tiff":
        options = {"compression": "tiff_adobe_deflate"}
    size = (400, 300) if name == "a.heic" else (1600, 1200)
    for colour in ("white", "black"):
        assert facts.probe(written(tmp_path / name, Image.new("RGB", size, colour), **options)).width == size[0]


def test_a_process_without_standard_error_finds_damage_too(tmp_path):
    """A service may be started without one."""
    path = holed(written(tmp_path / "a.jpg", photo()), 0.5, bytes(4000))
    code = (
        "import os, sys; os.close(2)\n"
        "from pathlib import Path; from service.errors import Rejected; from service.media import facts\n"
        "try: facts.probe(Path(sys.argv[1]))\n"
        "except Rejected: os._exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], timeout=25, check=False).returncode == 7


def test_standard_error_is_given_back(tmp_path, capfd):
    facts.probe(written(tmp_path / "a.jpg", photo()))
    os.write(2, b"still there\n")
    sys.stderr.flush()
    assert "still there" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx265"), ("a.webm", "libvpx-vp9"), ("a.webm", "libvpx"), ("a.avi", "mjpeg")],
)
def test_a_hole_in_a_video_is_found_when_it_is_prepared(tmp_path, name, codec, capfd):
    from service.media import preparing

    noise = np.random.default_rng(5).integers(0, 60, (240, 320, 3), np.uint8)
    path = drawing.clip(
        tmp_path / name,
        codec=codec,
        frames=30,
        draw=lambda number: drawing.scene(number, 320, 240) // 2 + np.roll(noise, number * 3, axis=1),
        pixel_format="yuvj420p" if codec == "mjpeg" else "yuv420p",
    )
    preparing.prepare(path, tmp_path / "out.mp4", 1 << 26)
    holed(path, 0.4, bytes(5000))
    with pytest.raises(Rejected):
        preparing.prepare(path, tmp_path / "out.mp4", 1 << 26)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "out.mp4"])

import pytest

from service.errors import Rejected
from service.media import formats
from tests.media import drawing


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("a.jpg", "jpeg"), ("a.png", "png"), ("a.webp", "webp"), ("a.gif", "gif"), ("a.bmp", "bmp"),
        ("a.tiff", "tiff"), ("a.avif", "avif"), ("a.heic", "heif"),
    ],
)  # fmt: skip
def test_a_picture_is_known_by_its_bytes(tmp_path, name, format_name):
    import service.media.pictures  # noqa: F401, registers HEIC with Pillow

    path = drawing.photo(tmp_path / name)
    assert formats.read_format(path) == format_name
    assert formats.read_format(path.rename(tmp_path / "no-ending")) == format_name


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mov", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mjpeg")],
)
def test_a_video_is_known_by_its_bytes(tmp_path, name, codec):
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = drawing.clip(tmp_path / name, frames=2, codec=codec, pixel_format=pixel_format)
    assert formats.read_format(path) == name[2:]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\0" * 4096, "zeros"),
        (b"prompt: a harbour\n", "plain text"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"%PDF-1.7\n\xff\xfe", "some other kind of file"),
        (b"\xff", "some other kind of file"),
    ],
)
def test_what_is_no_media_is_named(tmp_path, content, words):
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    with pytest.raises(Rejected) as refusal:
        formats.read_format(path)
    (problem,) = refusal.value.problems
    assert words in problem.title
    assert "cat.png" in problem.title
    assert problem.fix


def test_a_video_that_calls_itself_a_picture_is_mislabelled(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=2).rename(tmp_path / "a.jpg")
    with pytest.raises(Rejected, match=r"a\.jpg ends in \.jpg but its content is a video \(MP4\)"):
        formats.read_format(path)


def test_a_picture_that_calls_itself_a_video_is_mislabelled(tmp_path):
    path = drawing.photo(tmp_path / "a.png").rename(tmp_path / "a.mp4")
    with pytest.raises(Rejected, match=r"its content is a picture \(PNG\)"):
        formats.read_format(path)


def test_a_picture_under_another_pictures_name_is_read_as_what_it_is(tmp_path):
    path = drawing.photo(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert formats.read_format(path) == "png"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(Rejected, match=r"gone\.png can't be read"):
        formats.read_format(tmp_path / "gone.png")

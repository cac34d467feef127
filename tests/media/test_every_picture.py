"""Pictures as cameras, scanners and programs write them: each is seen as people see it, in 8-bit sRGB."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from service.errors import Rejected
from service.media import facts, formats, pictures
from tests.media import drawing
from tests.media.test_pictures import near, prepared, quarters

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def corners(path, tmp_path):
    image = prepared(path, tmp_path)
    assert (image.mode, image.format) == ("RGB", "PNG")
    width, height = image.size
    places = ((width // 8, height // 8), (width * 7 // 8, height // 8), (width // 8, height * 7 // 8))
    return [image.getpixel(place) for place in places]


def lines_of(path, tmp_path):
    return pictures.save_upright(path, formats.read_format(path), tmp_path / "lines.png")


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.png", "P", {}), ("a.png", "RGBA", {}), ("a.gif", "P", {}), ("a.bmp", "P", {}), ("a.bmp", "RGB", {}),
        ("a.tiff", "P", {}), ("a.tiff", "CMYK", {}), ("a.tiff", "RGBA", {}),
        ("a.tiff", "YCbCr", {"compression": "jpeg"}),
        ("a.tiff", "LAB", {}), ("a.tiff", "RGB", {"compression": "packbits"}),
        ("a.tiff", "RGB", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}), ("a.jpg", "CMYK", {"quality": 95}),
        ("a.jpg", "RGB", {"progressive": True, "quality": 95}), ("a.webp", "RGBA", {"quality": 95}),
        ("a.webp", "RGB", {"lossless": True}), ("a.avif", "RGBA", {"quality": 95, "speed": 10}),
        ("a.heic", "RGBA", {"quality": 95}),
    ],
)  # fmt: skip
def test_every_way_to_store_colours_is_read(tmp_path, name, mode, options):
    image = quarters()
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    elif mode == "P":
        image = image.quantize(8)
    else:
        image = image.convert(mode)
    image.save(tmp_path / name, **options)
    for pixel, colour in zip(corners(tmp_path / name, tmp_path), (RED, GREEN, BLUE), strict=True):
        assert near(pixel, colour)


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.bmp", "a.gif"])
def test_black_and_white_is_read(tmp_path, name):
    image = Image.new("1", (64, 32), 0)
    image.paste(1, (32, 0, 64, 32))
    image.save(tmp_path / name)
    left, right, _ = corners(tmp_path / name, tmp_path)
    assert (left, right) == ((0, 0, 0), (255, 255, 255))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tiff", "a.avif", "a.heic", "a.bmp", "a.gif"])
def test_grey_is_read(tmp_path, name):
    Image.new("L", (64, 32), 100).save(tmp_path / name)
    assert near(corners(tmp_path / name, tmp_path)[0], (100, 100, 100), by=3)


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_sixteen_bits_of_grey_keep_their_middle(tmp_path, name):
    Image.fromarray(np.full((32, 32), 32768, np.uint16)).save(tmp_path / name)
    assert near(corners(tmp_path / name, tmp_path)[0], (127, 127, 127), by=2)


def test_sixteen_bits_of_colour_are_read(tmp_path):
    """Pillow writes no such PNG; ffmpeg does."""
    import av

    frame = av.VideoFrame.from_image(quarters()).reformat(format="rgb48be")
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 32, "rgb48be", 1
    (tmp_path / "a.png").write_bytes(b"".join(bytes(packet) for packet in encoder.encode(frame) + encoder.encode(None)))
    assert [near(*pair) for pair in zip(corners(tmp_path / "a.png", tmp_path), (RED, GREEN, BLUE), strict=True)]
    assert corners(tmp_path / "a.png", tmp_path)[0] == RED


def test_the_first_page_of_a_scan_is_used_and_that_is_told(tmp_path):
    pages = [quarters(), Image.new("RGB", (20, 20))]
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    assert facts.probe(tmp_path / "a.tiff").frames == 1
    assert near(corners(tmp_path / "a.tiff", tmp_path)[0], RED)
    assert lines_of(tmp_path / "a.tiff", tmp_path) == ["it has several pages, and the first one is used"]


def test_a_profile_of_another_space_is_converted(tmp_path):
    """A profile that exchanges red and green stands for one that a screen or a phone has."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    for name in ("a.jpg", "a.png", "a.webp", "a.tiff"):
        quarters().save(tmp_path / name, icc_profile=bytes(profile), quality=95)
        first, second, third = corners(tmp_path / name, tmp_path)
        assert near(first, GREEN), name
        assert near(second, RED), name
        assert near(third, BLUE), name


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tiff"])
def test_what_is_transparent_becomes_white_and_that_is_told(tmp_path, name):
    image = quarters().convert("RGBA")
    image.putalpha(0)
    image.save(tmp_path / name, lossless=True, exact=True)
    assert corners(tmp_path / name, tmp_path) == [(255, 255, 255)] * 3
    assert lines_of(tmp_path / name, tmp_path) == ["what is transparent in it became white"]
    quarters().convert("RGBA").save(tmp_path / name)
    assert lines_of(tmp_path / name, tmp_path) == []


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_orientation_is_honoured_wherever_it_is_written(tmp_path, name, orientation):
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    quarters().transpose(turns[orientation]).save(tmp_path / name, exif=exif, quality=95)
    assert (facts.probe(tmp_path / name).width, facts.probe(tmp_path / name).height) == (64, 32)
    for pixel, colour in zip(corners(tmp_path / name, tmp_path), (RED, GREEN, BLUE), strict=True):
        assert near(pixel, colour)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tiff"])
def test_tiny_and_narrow_pictures_are_read(tmp_path, name, size):
    Image.new("RGB", size, "red").save(tmp_path / name)
    found = facts.probe(tmp_path / name)
    assert (found.width, found.height) == size
    assert prepared(tmp_path / name, tmp_path).size == size


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_huge_picture_that_is_fine_is_read(tmp_path, name):
    Image.new("L", (9000, 6000), 130).save(tmp_path / name)
    assert (facts.probe(tmp_path / name).width, facts.probe(tmp_path / name).height) == (9000, 6000)
    assert prepared(tmp_path / name, tmp_path).size == (9000, 6000)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.bmp", (160).to_bytes(4, "little") * 2, (16_000).to_bytes(4, "little") * 2),
        ("a.gif", (160).to_bytes(2, "little") * 2, (16_000).to_bytes(2, "little") * 2),
        ("a.jpg", (160).to_bytes(2, "big") * 2, (16_000).to_bytes(2, "big") * 2),
        ("a.webp", b"VP8X\x0a\0\0\0", b"VP8X\x0a\0\0\0"),
    ],
)
def test_more_pixels_than_are_read_are_refused_by_their_number(tmp_path, name, before, after):
    Image.new("RGB", (160, 160)).save(tmp_path / name, exif=b"Exif\0\0MM\0*")
    data = (tmp_path / name).read_bytes()
    assert before in data
    data = data.replace(before, after)
    if name == "a.webp":
        canvas = data.index(before) + 12
        data = data[:canvas] + (15_999).to_bytes(3, "little") * 2 + data[canvas + 6 :]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Rejected, match=r"16000 x 16000 pixels; at most 120 million|damaged"):
        facts.probe(tmp_path / name)


def test_a_file_of_more_bytes_than_pictures_have_is_refused(tmp_path):
    quarters().save(tmp_path / "a.jpg")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.truncate(600 * 1024 * 1024)
    with pytest.raises(Rejected, match="has 600 MB; at most 512 MB are read of a picture"):
        facts.probe(tmp_path / "a.jpg")


def test_a_picture_under_another_pictures_name_is_prepared_as_what_it_is(tmp_path):
    quarters().save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert near(corners(tmp_path / "a.jpg", tmp_path)[0], RED)


def test_a_video_under_a_pictures_name_is_refused_and_told(tmp_path):
    path = drawing.clip(tmp_path / "a.mp4", frames=2).rename(tmp_path / "a.png")
    with pytest.raises(Rejected, match=r"a\.png ends in \.png but its content is a video \(MP4\)"):
        pictures.save_upright(path, formats.read_format(path), tmp_path / "b.png")

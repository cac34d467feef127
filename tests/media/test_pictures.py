import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from service.errors import Rejected
from service.job import MediaKind
from service.media import facts, formats, pictures
from tests.media import drawing


def prepared(path, tmp_path):
    target = tmp_path / "out" / "upright.png"
    target.parent.mkdir(exist_ok=True)
    pictures.save_upright(path, formats.read_format(path), target)
    with Image.open(target) as image:
        image.load()
        return image


def quarters(size=(64, 32)):
    """Red top left, green top right, blue below: tells which way up a picture is."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, :] = (0, 0, 255)
    pixels[: size[1] // 2, : size[0] // 2] = (255, 0, 0)
    pixels[: size[1] // 2, size[0] // 2 :] = (0, 255, 0)
    return Image.fromarray(pixels)


def near(pixel, colour, by=40):
    return all(abs(one - other) <= by for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.tiff", "a.avif", "a.heic"])
def test_every_picture_format_becomes_an_upright_rgb_png(tmp_path, name):
    path = tmp_path / name
    quarters().save(path)
    found = facts.probe(path)
    assert (found.kind, found.width, found.height, found.frames) == (MediaKind.PICTURE, 64, 32, 1)
    image = prepared(path, tmp_path)
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 32))
    assert near(image.getpixel((8, 4)), (255, 0, 0))
    assert near(image.getpixel((56, 4)), (0, 255, 0))
    assert near(image.getpixel((8, 28)), (0, 0, 255))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path, orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = quarters().transpose(undo[orientation]) if orientation > 1 else quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    assert (facts.probe(tmp_path / "a.jpg").width, facts.probe(tmp_path / "a.jpg").height) == (64, 32)
    image = prepared(tmp_path / "a.jpg", tmp_path)
    assert image.size == (64, 32)
    assert near(image.getpixel((8, 4)), (255, 0, 0))
    assert near(image.getpixel((56, 4)), (0, 255, 0))


def test_nothing_of_the_metadata_survives(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    exif.get_ifd(0x8825)[1] = "N"
    quarters().save(tmp_path / "a.jpg", exif=exif, comment=b"secret place")
    prepared(tmp_path / "a.jpg", tmp_path)
    content = (tmp_path / "out" / "upright.png").read_bytes()
    assert b"secret" not in content
    assert {content[at + 4 : at + 8] for at in _chunks(content)} == {b"IHDR", b"IDAT", b"IEND"}


def _chunks(png):
    at = 8
    while at < len(png):
        yield at
        at += 12 + int.from_bytes(png[at : at + 4], "big")


def test_sixteen_bit_grey_keeps_its_middle(tmp_path):
    values = np.full((32, 32), 32768, np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert near(prepared(tmp_path / "a.png", tmp_path).getpixel((9, 9)), (127, 127, 127), by=2)


def test_floating_point_grey_keeps_its_middle(tmp_path):
    Image.fromarray(np.full((32, 32), 0.5, np.float32)).save(tmp_path / "a.tiff")
    assert near(prepared(tmp_path / "a.tiff", tmp_path).getpixel((9, 9)), (127, 127, 127), by=2)


def test_cmyk_keeps_its_colours(tmp_path):
    quarters().convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    image = prepared(tmp_path / "a.jpg", tmp_path)
    assert image.mode == "RGB"
    assert near(image.getpixel((8, 4)), (255, 0, 0))


def test_transparency_becomes_white(tmp_path):
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, :16] = (255, 0, 255, 255)
    pixels[:, 16:] = (255, 0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = prepared(tmp_path / "a.png", tmp_path)
    assert image.getpixel((4, 4)) == (255, 0, 255)
    assert image.getpixel((28, 4)) == (255, 255, 255)


def test_a_palette_with_a_transparent_entry_becomes_white_there(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.gif", transparency=0)
    result = prepared(tmp_path / "a.gif", tmp_path)
    assert result.getpixel((0, 0)) == (255, 255, 255)
    assert near(result.getpixel((5, 5)), (200, 0, 0), by=2)


def test_a_colour_profile_is_converted_and_a_broken_one_ignored(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    quarters().save(tmp_path / "a.png", icc_profile=srgb)
    quarters().save(tmp_path / "b.png", icc_profile=b"not a profile")
    for name in ("a.png", "b.png"):
        assert near(prepared(tmp_path / name, tmp_path).getpixel((8, 4)), (255, 0, 0), by=2)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_an_animation_is_a_picture_with_frames_and_gives_its_first(tmp_path, name):
    images = [Image.fromarray(drawing.scene(number)) for number in range(20)]
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=100)
    found = facts.probe(tmp_path / name)
    assert (found.kind, found.frames) == (MediaKind.PICTURE, 20)
    assert found.seconds == pytest.approx(2.0, rel=0.1)
    assert [number for number, _ in facts.sampled(tmp_path / name)] == [0, 3, 5, 8, 10, 11, 14, 16, 19]
    assert prepared(tmp_path / name, tmp_path).size == (160, 120)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.avif", "a.heic", "a.bmp"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_cut_off_picture_is_rejected(tmp_path, name, part):
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * part)])
    with pytest.raises(Rejected) as refusal:
        facts.probe(tmp_path / name)
    assert refusal.value.problems[0].code == "media_unreadable"


def test_a_pixel_bomb_is_refused_before_it_is_decoded(tmp_path):
    bomb(tmp_path / "a.png", 20_000)
    with pytest.raises(Rejected, match="20000 x 20000 pixels; at most 120 million"):
        facts.probe(tmp_path / "a.png")


def bomb(path, side):
    """A PNG that promises side x side pixels in a few bytes; decoding would take gigabytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000, 9)
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def test_a_preview_becomes_a_small_jpeg():
    data = io.BytesIO()
    Image.fromarray(drawing.scene(1, 1024, 600)).save(data, format="PNG")
    jpeg, pixels = pictures.to_jpeg(data.getvalue(), "png", longest=512, quality=85)
    with Image.open(io.BytesIO(jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", (512, 300))
    assert pixels.shape == (600, 1024, 3)


def test_what_pillow_says_of_a_damaged_picture_keeps_its_folder_to_itself(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89b" + bytes(40))
    with pytest.raises(Rejected) as refusal, pictures.open_picture(path, "gif", name="a.gif"):
        pass
    said = refusal.value.problems[0].sentence()
    assert "cannot identify" in said
    assert str(tmp_path) not in said

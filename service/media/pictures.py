"""Pictures with Pillow: facts, upright RGB, the frames of animations. Loaded only in child processes."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from service.errors import Rejected
from service.job import MediaFacts, MediaKind
from service.media import damage, limits, trouble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]

pillow_heif.register_heif_opener(thumbnails=False)
pillow_heif.options.DECODE_THREADS = 1
ImageFile.LOAD_TRUNCATED_IMAGES = False
# We compare sizes ourselves, before any pixel is decoded and with an answer that names the size.
Image.MAX_IMAGE_PIXELS = None

_PLUGINS = {
    "jpeg": ("JPEG", "MPO"),
    "png": ("PNG",),
    "webp": ("WEBP",),
    "heif": ("HEIF",),
    "avif": ("AVIF",),
    "gif": ("GIF",),
    "bmp": ("BMP",),
    "tiff": ("TIFF",),
}
#: Formats whose further frames are an animation; a TIFF's are pages, a JPEG's (MPO) other views.
_MOVING = frozenset({"gif", "webp", "png", "avif"})
_DAMAGE = (
    *(UnidentifiedImageError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError),
    RuntimeError,  # AVIF
)
_SRGB = ImageCms.createProfile("sRGB")
_ORIENTATION = 0x0112
#: Larger pictures are only opened while probing; decoding takes longer than that may, so screening finds their damage.
_PROBED_PIXELS = 24_000_000
#: Browsers show a frame that asks for no more than this for a tenth of a second, and animations are made by that.
_SHORTEST_MS, _INSTEAD_MS = 10, 100.0


@contextmanager
def open_picture(
    source: Path | IO[bytes], format_name: str, *, name: str, max_pixels: int = limits.MAX_PICTURE_PIXELS
) -> Iterator[Image.Image]:
    """Open a picture of this format for reading; whatever is wrong with it comes out of the block as Rejected."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=_PLUGINS[format_name]) as image:
                _check_size(image, name, max_pixels)
                yield image
    except Rejected:
        raise
    except MemoryError as error:
        raise trouble.too_heavy(name) from error
    except OSError as error:
        # Pillow's own complaints carry no error number; a disk's or share's do and are no fault of the picture.
        if error.errno is not None and not isinstance(error, UnidentifiedImageError):
            raise
        raise (trouble.cut_off if "truncated" in str(error) else trouble.unreadable)(name, str(error)) from error
    except _DAMAGE as error:
        raise trouble.unreadable(name, f"{type(error).__name__}: {error}") from error


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise trouble.too_large(name, width, height, max_pixels)


def facts(path: Path, format_name: str) -> MediaFacts:
    """Say what a picture is; raises Rejected for one that is too large, or broken as far as probing can tell."""
    size = path.stat().st_size
    if size > limits.MAX_PICTURE_BYTES:
        raise trouble.too_big(trouble.name_of(path), size)
    with open_picture(path, format_name, name=trouble.name_of(path)) as image:
        count = frame_count(image, format_name)
        if count > limits.MAX_ANIMATION_FRAMES:
            raise trouble.too_many(trouble.name_of(path), count)
        width, height = image.size
        if width * height <= _PROBED_PIXELS:
            image.load()
            damage.check(path, format_name, image, trouble.name_of(path))
        if _orientation(image) >= 5:
            width, height = height, width
        seconds = image.info.get("duration", 0) / 1000 * count if count > 1 else 0
        return MediaFacts(
            kind=MediaKind.PICTURE,
            container=format_name,
            width=width,
            height=height,
            frames=count,
            fps=count / seconds if seconds > 0 else None,
            seconds=seconds or None,
            codec=format_name,
            audio=False,
        )


def frame_count(image: Image.Image, format_name: str) -> int:
    """Return how many frames an animation has; everything else has one."""
    return int(getattr(image, "n_frames", 1)) if format_name in _MOVING else 1


def frames(path: Path, format_name: str, keep: Callable[[int, float], bool]) -> Iterator[tuple[int, float, Rgb]]:
    """Decode all frames in order and give those that `keep(number, time_s)` asks for: number, time, upright RGB."""
    name = trouble.name_of(path)
    with open_picture(path, format_name, name=name) as image:
        time_ms = 0.0
        for number in range(frame_count(image, format_name)):
            image.seek(number)
            _check_size(image, name, limits.MAX_PICTURE_PIXELS)
            image.load()
            if keep(number, time_ms / 1000):
                yield number, time_ms / 1000, np.asarray(to_rgb(image))
            time_ms += image.info.get("duration", 0)


def steps_ms(path: Path, format_name: str) -> list[float]:
    """Return how long each frame of an animation is shown, in milliseconds; no pixel is kept."""
    with open_picture(path, format_name, name=trouble.name_of(path)) as image:
        found = []
        for number in range(frame_count(image, format_name)):
            image.seek(number)
            if format_name != "gif":
                image.load()  # these tell a frame's time once it is decoded
            asked = float(image.info.get("duration", 0))
            found.append(asked if asked > _SHORTEST_MS else _INSTEAD_MS)
    return found


def save_upright(path: Path, format_name: str, target: Path) -> list[str]:
    """Write the first frame as an upright 8-bit RGB PNG without any metadata; return a line for each thing left out."""
    with open_picture(path, format_name, name=trouble.name_of(path)) as image:
        image.load()
        damage.check(path, format_name, image, trouble.name_of(path))
        lines = list(_left_out(image, format_name))
        clean = to_rgb(image)
    draft = target.with_name(f".{target.name}.part")
    clean.info.clear()
    clean.save(draft, format="PNG", compress_level=1)
    draft.replace(target)
    return lines


def save_tagged(pixels: Rgb, target: Path, tags: Mapping[str, str]) -> None:
    """Write pixels as a PNG with these texts alone, whole or not at all."""
    texts = PngImagePlugin.PngInfo()
    for key, text in tags.items():
        texts.add_itxt(key, text.replace("\0", ""))
    draft = target.with_name(f".{target.name}.part")
    try:
        Image.fromarray(pixels).save(draft, format="PNG", pnginfo=texts)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _left_out(image: Image.Image, format_name: str) -> Iterator[str]:
    if frame_count(image, format_name) > 1:
        yield "it moves, and its first frame is used"
    elif format_name == "tiff" and getattr(image, "n_frames", 1) > 1:
        yield "it has several pages, and the first one is used"
    if image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        yield "what is transparent in it became white"


def to_jpeg(data: bytes, format_name: str, *, longest: int, quality: int) -> tuple[bytes, Rgb]:
    """Decode a picture from memory, scale it down to `longest` pixels and encode it anew: (JPEG, RGB pixels)."""
    with open_picture(io.BytesIO(data), format_name, name="The preview", max_pixels=limits.MAX_PREVIEW_PIXELS) as image:
        image.load()
        clean = to_rgb(image)
    pixels = np.asarray(clean)
    clean.thumbnail((longest, longest))
    clean.info.clear()
    out = io.BytesIO()
    clean.save(out, format="JPEG", quality=quality)
    return out.getvalue(), pixels


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a picture as people see it: upright, 8-bit sRGB, anything transparent on white."""
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    if image.has_transparency_data:
        coloured = _in_srgb(image if image.mode == "RGBA" else image.convert("RGBA"), image)
        white = Image.new("RGB", coloured.size, "white")
        white.paste(coloured, mask=coloured)
        return white
    coloured = _in_srgb(image, image)
    return coloured.copy() if coloured.mode == "RGB" else coloured.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1 (upright) to 8; from 5 on width and height are exchanged."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (*_DAMAGE, OSError):
        return 1  # broken EXIF says nothing about the pixels


def _upright(image: Image.Image) -> Image.Image:
    # A large picture is copied only if it has to be turned.
    return ImageOps.exif_transpose(image) if _orientation(image) != 1 else image


def _in_srgb(image: Image.Image, tagged: Image.Image) -> Image.Image:
    """Convert from the embedded colour profile (phones write Display P3, printers CMYK), if there is a usable one."""
    profile = tagged.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, _SRGB, outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError, *_DAMAGE):
        return image  # a profile of another colour space, or a broken one: the plain numbers are the best guess


def _from_deep(image: Image.Image) -> Image.Image:
    """Scale 16-bit and floating-point grey to 8 bits; Pillow's own conversion would clip everything to white."""
    values: NDArray[np.float32] = np.nan_to_num(np.asarray(image, dtype=np.float32))
    largest = values.max(initial=0)
    if image.mode == "F":
        factor = 255.0 if largest <= 1 else 1.0
    else:
        factor = 1 / 257 if image.mode.startswith("I;16") or largest > 255 else 1.0
    return Image.fromarray((values * factor).clip(0, 255).astype(np.uint8)).convert("RGB")

"""Still pictures: loaded, made, scaled, cropped, put behind each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from service.engine.held import HeldFile
from service.engine.images import Check, Frames, Mask, Picture, Sound, joined, repeated
from service.engine.node import Context, NodeClass, Result
from service.engine.nodes.declare import file_hooks, locate, node, of_files

Inputs = Mapping[str, Any]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ico")
METHODS = {
    "nearest-exact": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}


class PictureFile:
    """A picture file held open: upright frames (all of one size) and the see-through part of each."""

    def __init__(self, held: HeldFile) -> None:
        self._held = held
        with self.open() as image:
            self.count = self._same_size_frames(image)
            image.seek(0)
            upright = ImageOps.exif_transpose(image)
            self.width, self.height = upright.size
            self.see_through = "A" in upright.getbands() or "transparency" in upright.info
            as_rgb(upright)

    def open(self) -> Image.Image:
        """Open the file anew; raises PIL.UnidentifiedImageError with the file's path, as ComfyUI does."""
        try:
            return Image.open(cast(Any, self._held.reader()))
        except UnidentifiedImageError as error:
            raise UnidentifiedImageError(f"cannot identify image file {self._held.name!r}") from error

    @staticmethod
    def _same_size_frames(image: Image.Image) -> int:
        # A multi-picture JPEG (MPO) is one picture and its by-products; in the other formats frames are an animation.
        return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)

    def draw(self, check: Check, start: int) -> Iterator[Picture]:
        """Decode from one frame on."""
        with self.open() as image:
            for index in range(start, self.count):
                check()
                image.seek(index)
                upright = ImageOps.exif_transpose(image)
                if upright.size == (self.width, self.height):
                    yield as_rgb(upright)

    def mask(self) -> Sound:
        """Return 1 where the first frame is see-through; a file without transparency has an empty 64 x 64 mask."""
        if not self.see_through:
            return np.zeros((64, 64), np.float32)
        with self.open() as image:
            alpha = ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")
            return 1 - np.asarray(alpha, np.float32) / 255


def as_rgb(image: Image.Image) -> Picture:
    """Return a picture as RGB bytes; 16-bit grey, which Pillow would cut off at 255, is brought down."""
    if image.mode.startswith("I"):
        image = Image.fromarray(np.clip(np.asarray(image) / 257, 0, 255).astype(np.uint8))
    return np.asarray(image.convert("RGB"))


def load_image(context: Context, inputs: Inputs) -> Result:
    """Open a picture; its see-through part becomes the mask."""
    file = PictureFile(HeldFile.open(locate(inputs["image"], context.folders)))
    frames = Frames(file.count, file.width, file.height, file.draw, steady=file.count == 1)
    size = (file.width, file.height) if file.see_through else (64, 64)
    return Result((frames, Mask(*size, file.mask)))


def make_empty(_context: Context, inputs: Inputs) -> Result:
    """Make frames of one colour."""
    color, width, height = int(inputs["color"]), inputs["width"], inputs["height"]
    rgb = np.array([color >> 16 & 255, color >> 8 & 255, color & 255], np.uint8)

    def draw(_check: Check, start: int) -> Iterator[Picture]:
        picture = np.broadcast_to(rgb, (height, width, 3)).copy()
        return (picture for _ in range(start, inputs["batch_size"]))

    return Result((Frames(inputs["batch_size"], width, height, draw, steady=True),))


def make_mask(_context: Context, inputs: Inputs) -> Result:
    """Make a mask of one value."""
    width, height, value = inputs["width"], inputs["height"], float(inputs["value"])
    return Result((Mask(width, height, lambda: np.full((height, width), value, np.float32)),))


def scaled(frames: Frames, method: str, width: int, height: int, *, centred: bool = False) -> Frames:
    """Return frames scaled to a size; `centred` cuts them to the new shape first instead of bending them."""
    if (width, height) == (frames.width, frames.height):
        return frames
    cut = centred_cut(frames.width, frames.height, width, height) if centred else (slice(None), slice(None))

    def change(frame: Picture) -> Picture:
        part = frame[cut]
        resized = cv2.resize(part, (width, height), interpolation=fitting(method, part, width, height))
        return cast(Picture, resized)

    return frames.mapped(width, height, change)


def fitting(method: str, part: Picture, width: int, height: int) -> int:
    """Return OpenCV's name of a method; smooth ones become area averages when they shrink, which else would flicker."""
    shrinks = width < part.shape[1] and height < part.shape[0]
    return cv2.INTER_AREA if shrinks and method in {"lanczos", "bicubic"} else METHODS[method]


def centred_cut(width: int, height: int, new_width: int, new_height: int) -> tuple[slice, slice]:
    """Return rows and columns of the largest centred part that has another size's shape."""
    wanted = new_width / new_height
    across, down = 0, 0
    if width / height > wanted:
        across = round((width - height * wanted) / 2)
    else:
        down = round((height - width / wanted) / 2)
    return slice(down, height - down), slice(across, width - across)


def scale(_context: Context, inputs: Inputs) -> Result:
    """Scale to a size; a side of 0 follows the other."""
    frames, width, height = inputs["image"], inputs["width"], inputs["height"]
    if width == 0 and height == 0:
        return Result((frames,))
    width = width or max(1, round(frames.width * height / frames.height))
    height = height or max(1, round(frames.height * width / frames.width))
    centred = inputs["crop"] == "center"
    return Result((scaled(frames, inputs["upscale_method"], width, height, centred=centred),))


def scale_by(_context: Context, inputs: Inputs) -> Result:
    """Scale by a factor."""
    frames, factor = inputs["image"], float(inputs["scale_by"])
    width, height = max(1, round(frames.width * factor)), max(1, round(frames.height * factor))
    return Result((scaled(frames, inputs["upscale_method"], width, height),))


def invert(_context: Context, inputs: Inputs) -> Result:
    """Turn the colours round."""
    frames: Frames = inputs["image"]
    return Result((frames.mapped(frames.width, frames.height, np.invert),))


def crop(_context: Context, inputs: Inputs) -> Result:
    """Cut a box out, kept inside the picture."""
    frames: Frames = inputs["image"]
    left, top = min(inputs["x"], frames.width - 1), min(inputs["y"], frames.height - 1)
    width, height = min(inputs["width"], frames.width - left), min(inputs["height"], frames.height - top)
    return Result((frames.mapped(width, height, cutter(left, top, width, height)),))


def cutter(left: int, top: int, width: int, height: int) -> Callable[[Picture], Picture]:
    """Make the function that cuts one box out of a frame."""
    return lambda frame: np.ascontiguousarray(frame[top : top + height, left : left + width])


def batch(_context: Context, inputs: Inputs) -> Result:
    """Put two sequences behind each other, the second at the size of the first."""
    first: Frames = inputs["image1"]
    second = scaled(inputs["image2"], "bilinear", first.width, first.height, centred=True)
    return Result((joined([first, second]),))


def take_from_batch(_context: Context, inputs: Inputs) -> Result:
    """Take some frames out of a sequence."""
    frames: Frames = inputs["image"]
    start = min(frames.count - 1, inputs["batch_index"])
    count = min(frames.count - start, inputs["length"])
    return Result((frames.part(start, count),))


def repeat(_context: Context, inputs: Inputs) -> Result:
    """Repeat a sequence."""
    return Result((repeated(inputs["image"], inputs["amount"]),))


CLASSES: tuple[NodeClass, ...] = (
    node("LoadImage", load_image, {"image": of_files(*PICTURES)}, **file_hooks("image", "image")),
    node("EmptyImage", make_empty),
    node("SolidMask", make_mask),
    node("ImageScale", scale),
    node("ImageScaleBy", scale_by),
    node("ImageInvert", invert),
    node("ImageCrop", crop),
    node("ImageBatch", batch),
    node("ImageFromBatch", take_from_batch),
    node("RepeatImageBatch", repeat),
)

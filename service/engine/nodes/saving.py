"""Pictures out: PNG files, the socket, animated WebP and PNG."""

from __future__ import annotations

import io
import json
import secrets
import string
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.engine.images import Frames, Picture
from service.engine.node import Context, NodeClass, Result
from service.engine.nodes.animation import Reel, write_animated_png
from service.engine.nodes.declare import node
from service.engine.nodes.destinations import destination, whole

Inputs = Mapping[str, Any]

WEBP_METHODS = {"default": 4, "fastest": 0, "slowest": 6}


def tags(context: Context) -> dict[str, str]:
    """Return what ComfyUI writes into its files: the prompt, and whatever extra_pnginfo holds."""
    extra = context.extra_data.get("extra_pnginfo") if isinstance(context.extra_data, Mapping) else None
    found = {"prompt": json.dumps(context.prompt)}
    if isinstance(extra, Mapping):
        found.update({str(key): json.dumps(value) for key, value in extra.items()})
    return found


def png_tags(context: Context) -> PngInfo:
    """Return the tags as PNG text."""
    info = PngInfo()
    for key, value in tags(context).items():
        info.add_text(key, value)
    return info


def save_pngs(context: Context, frames: Frames, prefix: str, kind: str, level: int) -> Result:
    """Write each frame as a counted PNG into the folder of a kind."""
    root = context.folders.of(kind)
    assert root is not None
    target = destination(root, prefix, frames.width, frames.height)
    number, info, entries = target.counted(), png_tags(context), []
    for index, frame in enumerate(frames.pull(context.check_interrupted)):
        name = f"{target.name.replace('%batch_num%', str(index))}_{number + index:05}_.png"
        with whole(target.folder / name) as draft:
            Image.fromarray(frame).save(draft, pnginfo=info, compress_level=level)
        entries.append(target.entry(name, kind))
    return Result((), {"images": entries})


def save(context: Context, inputs: Inputs) -> Result:
    """Save frames as PNG files."""
    return save_pngs(context, inputs["images"], inputs["filename_prefix"], "output", 4)


def temporary_prefix() -> str:
    """Return a prefix that no other preview has: ComfyUI's, with five random letters."""
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))
    return f"ComfyUI_temp_{letters}"


def preview(context: Context, inputs: Inputs) -> Result:
    """Save frames as PNG files in the temp folder."""
    return save_pngs(context, inputs["images"], temporary_prefix(), "temp", 1)


def send(context: Context, inputs: Inputs) -> Result:
    """Send frames to the client as PNG and keep nothing."""
    frames: Frames = inputs["images"]
    for index, frame in enumerate(frames.pull(context.check_interrupted)):
        context.progress(index, frames.count)
        context.send_binary(1, struct.pack(">I", 2) + as_png(frame))
    return Result((), {})


def as_png(frame: Picture) -> bytes:
    """Return a frame as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def save_animated_webp(context: Context, inputs: Inputs) -> Result:
    """Save frames as one animated WebP."""
    frames: Frames = inputs["images"]
    target = destination(context.folders.output, inputs["filename_prefix"], frames.width, frames.height)
    name = f"{target.name}_{target.counted():05}_.webp"
    with whole(target.folder / name) as draft:
        Reel(frames, context.check_interrupted, context.scratch).save(
            draft,
            "WEBP",
            save_all=True,
            duration=int(1000 / inputs["fps"]),
            lossless=inputs["lossless"],
            quality=inputs["quality"],
            method=WEBP_METHODS[inputs["method"]],
            exif=webp_tags(context),
            loop=0,
        )
    return Result((), {"images": [target.entry(name, "output")], "animated": [True]})


def webp_tags(context: Context) -> Image.Exif:
    """Return the tags where ComfyUI puts them in a WebP: as "key:value" in Model, Make and the tags below."""
    exif = Image.Exif()
    for number, (key, value) in zip(range(0x0110, 0x0100, -1), tags(context).items(), strict=False):
        exif[number] = f"{key}:{value}"
    return exif


def save_animated_png(context: Context, inputs: Inputs) -> Result:
    """Save frames as one animated PNG."""
    frames: Frames = inputs["images"]
    target = destination(context.folders.output, inputs["filename_prefix"], frames.width, frames.height)
    name = f"{target.name}_{target.counted():05}_.png"
    with whole(target.folder / name) as draft, draft.open("wb") as file:
        write_animated_png(
            file,
            frames,
            context.check_interrupted,
            milliseconds=int(1000 / inputs["fps"]),
            level=inputs["compress_level"],
            tags=tags(context),
        )
    return Result((), {"images": [target.entry(name, "output")], "animated": [True]})


CLASSES: tuple[NodeClass, ...] = (
    node("SaveImage", save),
    node("PreviewImage", preview),
    node("SaveImageWebsocket", send, fingerprint=lambda _inputs, _folders: float("nan")),
    node("SaveAnimatedWEBP", save_animated_webp),
    node("SaveAnimatedPNG", save_animated_png),
)

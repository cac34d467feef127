"""The formats that VideoHelperSuite's combiner lists, as codings of ours or as animated pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from PIL import Image

from service.engine.images import Check, Frames, Picture
from service.engine.nodes.encoding import Coding

Settings = Mapping[str, Any]

SUFFIXES = {
    "image/gif": ".gif",
    "image/webp": ".webp",
    "video/ProRes": ".mov",
    "video/webm": ".webm",
    "video/ffv1-mkv": ".mkv",
    "video/nvenc_av1-mp4": ".mp4",
    "video/h265-mp4": ".mp4",
    "video/8bit-png": ".%03d.png",
    "video/h264-mp4": ".mp4",
    "video/nvenc_hevc-mp4": ".mp4",
    "video/nvenc_h264-mp4": ".mp4",
    "video/ffmpeg-gif": ".gif",
    "video/av1-webm": ".webm",
    "video/16bit-png": ".%03d.png",
}
PNG_BITS = {"video/8bit-png": 8, "video/16bit-png": 16}
GIFS = frozenset({"image/gif", "video/ffmpeg-gif"})


def coding_of(form: str, settings: Settings) -> Coding:
    """Return how a video format is written; widgets that were left out have the recorded defaults."""
    quality = {"crf": str(int(settings.get("crf", CRF.get(form, 19))))}
    pixels = str(settings.get("pix_fmt", PIXELS.get(form, "yuv420p"))).replace("yuva", "yuv")
    fast = {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
    quiet = {"x265-params": "log-level=none"}
    codings = {
        "video/h264-mp4": lambda: Coding("mp4", "libx264", pixels, quality),
        "video/h265-mp4": lambda: Coding("mp4", "libx265", pixels, quality | quiet, tag="hvc1"),
        "video/webm": lambda: Coding("webm", "libvpx-vp9", pixels, quality | fast, sound="libopus"),
        "video/av1-webm": lambda: Coding("webm", "libsvtav1", pixels, quality | {"preset": "8"}, sound="libopus"),
        "video/ffv1-mkv": lambda: Coding("matroska", "ffv1", pixels, ffv1_options(settings), sound="flac"),
        "video/ProRes": lambda: prores(str(settings.get("profile", "hq"))),
    }
    return codings.get(form, lambda: nvenc(form, pixels, settings))()


CRF = {"video/h264-mp4": 19, "video/h265-mp4": 22, "video/webm": 20, "video/av1-webm": 23}
PIXELS = {"video/h265-mp4": "yuv420p10le", "video/av1-webm": "yuv420p10le", "video/ffv1-mkv": "rgba64le"}
FFV1 = {"level": "3", "coder": "1", "context": "1", "slices": "16", "slicecrc": "1"}


def ffv1_options(settings: Settings) -> dict[str, str]:
    """Return FFV1's options."""
    return {
        **{name: str(settings.get(name, value)) for name, value in FFV1.items()},
        "g": str(settings.get("gop_size", 1)),
    }


def prores(profile: str) -> Coding:
    """Return a ProRes coding by its profile's name."""
    pixels = "yuv444p10le" if profile.startswith("4444") else "yuv422p10le"
    return Coding("mov", "prores_ks", pixels, {"profile": profile, "vendor": "apl0"}, sound="pcm_s16le")


def nvenc(form: str, pixels: str, settings: Settings) -> Coding:
    """Return a coding for an NVIDIA encoder; where there is none, it fails to open and says so."""
    codec = form.removeprefix("video/").removesuffix("-mp4").removeprefix("nvenc_") + "_nvenc"
    unit = 1_000_000 if settings.get("megabit", True) else 1_000
    return Coding("mp4", codec, pixels, {"b": str(int(settings.get("bitrate", 10)) * unit)})


def write_gif(path: Path, frames: Frames, rate: Fraction, check: Check, loop: int) -> None:
    """Write an animated GIF, each frame with a palette of its own, so that nothing waits for the last frame."""
    with av.open(str(path), "w", format="gif", container_options={"loop": str(loop)}) as output:
        stream = output.add_stream("gif", rate=rate)
        stream.width, stream.height, stream.pix_fmt = frames.width, frames.height, "pal8"
        for number, frame in enumerate(frames.pull(check)):
            picture = av.VideoFrame.from_ndarray(cast(Any, few_colours(frame)), format="pal8")
            picture.pts, picture.time_base = number, 1 / rate
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))


def few_colours(frame: Picture) -> tuple[Picture, Picture]:
    """Return a frame as indexes and their palette (alpha, red, green, blue); a small copy chooses the colours."""
    image = Image.fromarray(np.ascontiguousarray(frame))
    small = image.resize((max(1, image.width // 4), max(1, image.height // 4)), Image.Resampling.BOX)
    chosen = small.quantize(256, method=Image.Quantize.MEDIANCUT)
    indexes = image.quantize(palette=chosen, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.full((256, 4), 255, np.uint8)
    colours = np.array(indexes.getpalette(), np.uint8).reshape(-1, 3)[:256]
    palette[: len(colours), 1:] = colours
    return np.asarray(indexes), palette


def write_pngs(folder: Path, pattern: str, frames: Frames, bits: int, check: Check) -> None:
    """Write numbered PNG files, the first one 001."""
    for number, frame in enumerate(frames.pull(check), 1):
        pixels = frame[..., ::-1] if bits == 8 else frame[..., ::-1].astype(np.uint16) * 257
        done, data = cv2.imencode(".png", pixels)
        if not done:
            raise OSError(f"{pattern % number} could not be written as PNG. Choose another format.")
        (folder / (pattern % number)).write_bytes(data.tobytes())


def comment(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags as the one comment that VideoHelperSuite writes."""
    return {"comment": json.dumps({key: json.loads(value) for key, value in tags.items()})}

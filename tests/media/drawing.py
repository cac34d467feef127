"""Small real pictures and clips for tests."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.marker_classifier import MARKER

Draw = Callable[[int], NDArray[np.uint8]]


def scene(number: int, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    """A bright square that moves over a gradient, different in each frame."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:, :, 1] = np.linspace(40, 200, width, dtype=np.uint8)
    at = (number * 5) % (width - 30)
    frame[20:50, at : at + 30] = (250, 240, 60)
    return frame


def marked_at(*numbers: int, width: int = 160, height: int = 120) -> Draw:
    """The scene, with a magenta patch in these frames."""

    def draw(number: int) -> NDArray[np.uint8]:
        frame = scene(number, width, height)
        if number in numbers:
            frame[60:110, 40:120] = MARKER
        return frame

    return draw


def brighter(number: int) -> NDArray[np.uint8]:
    """Draw a frame whose brightness tells its number, up to 50."""
    return np.full((64, 64, 3), 20 + 4 * number, dtype=np.uint8)


def clip(
    path: Path,
    *,
    frames: int = 24,
    fps: int = 12,
    draw: Draw = scene,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    audio: bool = False,
    metadata: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
) -> Path:
    """Write a real video file; its format follows from the name."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream: Any = container.add_stream(codec, rate=fps, options=options or {})
        height, width = draw(0).shape[:2]
        stream.metadata.update(metadata or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        sound: Any = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000) if audio else None
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(number), format="rgb24")))
        container.mux(stream.encode())
        if sound is not None:
            _tone(container, sound, frames / fps)
    return path


def _tone(container: Any, sound: Any, seconds: float) -> None:
    for start in range(0, int(48000 * seconds), 960):
        wave = np.sin(np.arange(start, start + 960) * 0.05).astype(np.float32) * 0.2
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(sound.encode(frame))
    container.mux(sound.encode())


def photo(path: Path, *, size: tuple[int, int] = (160, 120), **options: Any) -> Path:
    """Write a picture with detail in it; its format follows from the name."""
    Image.fromarray(scene(3, *size)).save(path, **options)
    return path


def packets(path: Path) -> list[bytes]:
    """The encoded video of a file, packet by packet."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]

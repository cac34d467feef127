"""Small clips with known greys and tones, and what a file is found to hold."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from service.engine.images import Audio
from tests.engine.node_bench import Bench, frames_of


def tone(seconds: float, rate: int = 8000, channels: int = 1) -> Audio:
    def pull(_check: object) -> object:
        times = np.arange(round(seconds * rate)) / rate
        yield np.tile((0.4 * np.sin(2 * np.pi * 440 * times)).astype(np.float32), (channels, 1))

    return Audio(rate, channels, round(seconds * rate), pull)


def ramp(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    return [np.full((height, width, 3), 16 + k % 20 * 12, np.uint8) for k in range(count)]


def saved(bench: Bench, count: int = 8, fps: float = 12.0, audio: Audio | None = None) -> Path:
    more = {"audio": audio} if audio else {}
    video = bench.first("CreateVideo", images=frames_of(ramp(count)), fps=fps, **more)
    ui = bench.run("SaveVideo", video=video, filename_prefix="v/clip", format="auto", codec="auto").ui
    return bench.output(ui["images"][0])


def dropped(bench: Bench, path: Path, name: str = "clip.mp4") -> str:
    (bench.folders.input / name).write_bytes(path.read_bytes())
    return name


def facts(path: Path) -> tuple[int, Fraction, int, list[str]]:
    """Return frames, rate, first frame's grey, codecs."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        greys = [int(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(stream)]
        names = [found.codec_context.name for found in container.streams]
        return len(greys), stream.average_rate, greys[0], names

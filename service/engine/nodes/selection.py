"""Which frames of a video VideoHelperSuite's loader takes, and at what size; the sound that belongs to them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from service.engine.images import Audio, Check, Frames, Picture
from service.engine.nodes.decoding import VideoFile, sound_of
from service.engine.nodes.pictures import scaled

#: A model family's size multiple and frame rule (every `k`-th plus `r`), as the loader's `format` names them.
MULTIPLES = {"AnimateDiff": 8, "Mochi": 16, "LTXV": 32, "Hunyuan": 16, "Cosmos": 16, "Wan": 8}
FRAME_RULES = {"Mochi": (6, 1), "LTXV": (8, 1), "Hunyuan": (4, 1), "Cosmos": (8, 1), "Wan": (4, 1)}


@dataclass(frozen=True)
class Selection:
    """What was asked: rate, frames skipped and stepped over, at most how many, size; 0 means as the file has it."""

    rate: float
    skipped: int
    every: int
    most: int
    width: int
    height: int
    family: str


@dataclass(frozen=True)
class Loaded:
    """What came of it."""

    frames: Frames
    audio: Audio | None
    facts: dict[str, Any]


def loaded(file: VideoFile, asked: Selection) -> Loaded:
    """Choose frames of a file; raises RuntimeError when none are left."""
    rate = Fraction(asked.rate).limit_denominator(1001) if asked.rate else file.rate
    indexes = chosen(file.count, file.rate / rate, asked)
    if not indexes:
        raise RuntimeError("No frames generated: the video is shorter than skip_first_frames. Skip fewer frames.")
    width, height = size(file.width, file.height, asked)
    frames = scaled(picked(file.frames(), indexes), "lanczos", width, height, centred=True)
    shown = rate / asked.every
    sound = sound_of(file.held)
    audio = sound and excerpt(sound, float(asked.skipped / rate), float(len(indexes) / shown))
    facts = {
        **told("source", float(file.rate), file.count, file.width, file.height),
        **told("loaded", float(shown), len(indexes), width, height),
    }
    return Loaded(frames, audio, facts)


def told(which: str, fps: float, count: int, width: int, height: int) -> dict[str, Any]:
    """Return facts under the names that VHS_VIDEOINFO has."""
    values = {"fps": fps, "frame_count": count, "duration": count / fps, "width": width, "height": height}
    return {f"{which}_{name}": value for name, value in values.items()}


def chosen(count: int, source_per_shown: Fraction, asked: Selection) -> list[int]:
    """Return the file's frame for each loaded one: never before its time, held or left out to fit another rate."""
    available = math.floor((count - 1) / source_per_shown) + 1
    numbers = range(asked.skipped, available, asked.every)
    if asked.most:
        numbers = numbers[: asked.most]
    every, rest = FRAME_RULES.get(asked.family, (1, 0))
    if len(numbers) > rest:
        numbers = numbers[: (len(numbers) - rest) // every * every + rest]
    return [math.ceil(number * source_per_shown) for number in numbers]


def size(width: int, height: int, asked: Selection) -> tuple[int, int]:
    """Return the size to load at; one side given keeps the shape, a family rounds to its multiple."""
    wide, high = float(asked.width or width), float(asked.height or height)
    if asked.width and not asked.height:
        high = height * asked.width / width
    elif asked.height and not asked.width:
        wide = width * asked.height / height
    multiple = MULTIPLES.get(asked.family, 1)
    return tuple(max(multiple, int(side / multiple + 0.5) * multiple) for side in (wide, high))  # type: ignore[return-value]


def picked(frames: Frames, indexes: list[int]) -> Frames:
    """Return frames by rising index, one index perhaps several times."""
    if indexes == list(range(frames.count)):
        return frames

    def draw(check: Check, start: int) -> Iterator[Picture]:
        wanted = indexes[start:]
        position, source = wanted[0], frames.pull(check, wanted[0])
        frame = next(source)
        for index in wanted:
            while position < index:
                frame, position = next(source), position + 1
            yield frame

    return Frames(len(indexes), frames.width, frames.height, draw, drawn=frames.drawn)


def excerpt(audio: Audio, start_s: float, seconds: float) -> Audio | None:
    """Return a part of some sound, or None where it has ended before."""
    first = round(start_s * audio.rate)
    left = min(round(seconds * audio.rate), audio.samples - first)
    return audio.part(first, left) if left > 0 else None

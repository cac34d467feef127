"""Whether a finished result is whole and what was asked for. Loaded only in child processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from service.errors import Failed, Problem, Rejected
from service.job import Expected, MediaFacts
from service.media import clips, formats, frames, pictures, samples

if TYPE_CHECKING:
    from service.media.frames import Rgb

#: Up to this many frames are all decoded; of more, the first, the last and the sampled ones.
ALL_FRAMES = 300
#: An 8-bit grey level below which nothing can be made out, encoder noise included.
_BLACK = 20
#: Mean and largest grey difference, out of 255, that encoders leave between equal frames.
_STILL_MEAN, _STILL_LARGEST = 0.4, 12
_RETRY = "Retry the job; if it comes out the same way, look at the server's log and at the workflow's output node."


def verify(path: Path, expected: Expected) -> tuple[MediaFacts, list[str]]:
    """Decode a result to its end and return what it is, with warnings; raises Failed if it isn't what was asked."""
    try:
        facts, warnings = _decode(path)
    except Rejected as trouble:
        raise broken(trouble.problems[0]) from trouble
    wrong = list(_differences(facts, expected))
    if wrong:
        title = f"The result isn't what was asked for: {'; '.join(wrong)}."
        raise Failed(Problem("result_wrong", title, _RETRY))
    return facts, warnings


def broken(problem: Problem) -> Failed:
    """Turn what is wrong with a file into the failure of the render that made it."""
    detail = f"{problem.title} {problem.detail}".strip()
    return Failed(Problem("result_broken", "The server's result can't be decoded.", _RETRY, detail))


def _decode(path: Path) -> tuple[MediaFacts, list[str]]:
    format_name = formats.read_format(path)
    look = _Look()
    if format_name in formats.PICTURES:
        facts = pictures.facts(path, format_name)
        wanted = range(facts.frames) if facts.frames <= ALL_FRAMES else samples.spread(facts.frames)
        for _, _, pixels in pictures.frames(path, format_name, lambda number, _: number in wanted):
            look.see(pixels)
        return facts, list(look.warnings())
    with clips.open_clip(path, format_name) as clip:
        found = frames.whole_index(clip)
        facts = clips.describe(clip, found, frames.first(clip))
        for _, pixels in frames.sampled(clip, _every_frame):
            look.see(pixels)
        return facts if found.audio_packets else _silent(facts), list(look.warnings())


def _every_frame(times_s: Sequence[float]) -> list[int]:
    return list(range(len(times_s))) if len(times_s) <= ALL_FRAMES else samples.positions(times_s)


def _silent(facts: MediaFacts) -> MediaFacts:
    """A sound track without a single packet is none."""
    return MediaFacts(**{**vars(facts), "audio": False})


def _differences(facts: MediaFacts, expected: Expected) -> Iterator[str]:
    width, height = expected.width or facts.width, expected.height or facts.height
    if (facts.width, facts.height) != (width, height):
        yield f"it is {facts.width}x{facts.height} instead of {width}x{height} pixels"
    if expected.frames is not None and abs(facts.frames - expected.frames) > 1:
        yield f"it has {facts.frames} instead of {expected.frames} frames"
    if expected.fps and facts.frames > 1 and not _same_rate(facts, expected.fps):
        yield f"it runs at {facts.fps or 0:.3g} instead of {expected.fps:.3g} frames per second"
    if expected.audio and not facts.audio:
        yield "it has no sound"


def _same_rate(facts: MediaFacts, fps: float) -> bool:
    # GIF and WebP count in hundredths and thousandths of a second, so that 12 a second becomes 12.5.
    tolerance = 0.02 if facts.container in formats.VIDEOS else 0.15
    return facts.fps is not None and abs(facts.fps - fps) <= tolerance * fps


class _Look:
    """Remembers of all frames seen only whether they were black and whether anything moved."""

    def __init__(self) -> None:
        self._first: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None = None
        self._count = 0
        self._black = True
        self._still = True

    def see(self, pixels: Rgb) -> None:
        step = max(1, min(pixels.shape[:2]) // 96)
        grey = pixels[::step, ::step].mean(axis=2).astype(np.int16)
        self._count += 1
        self._black &= bool(grey.max() < _BLACK)
        if self._first is None:
            self._first = grey
        elif self._still:
            self._still = grey.shape == self._first.shape and _is_still(grey - self._first)

    def warnings(self) -> Iterator[str]:
        if self._black:
            yield "The whole result is black."
        elif self._still and self._count > 1:
            yield "Nothing moves: all frames of the result look the same."


def _is_still(difference: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> bool:
    size = np.abs(difference)
    return bool(size.mean() <= _STILL_MEAN and size.max() <= _STILL_LARGEST)

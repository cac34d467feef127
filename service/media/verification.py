"""Whether a finished result is whole and what was asked for. Loaded only in child processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
#: Frames are looked at this small, on their shorter side.
_SHORTEST = 96
#: An 8-bit grey level below which nothing can be made out, encoder noise included.
_BLACK = 20
#: Mean and largest grey difference, out of 255, that encoders leave between equal frames.
_STILL_MEAN, _STILL_LARGEST = 0.4, 12
_RETRY = "Retry the job; if it comes out the same way, look at the server's log and at the workflow's output node."


@dataclass(frozen=True)
class Inspected:
    """What a result is, with warnings; the scores of the sampled frames by number; the digest of its pictures."""

    facts: MediaFacts
    warnings: list[str]
    scores: list[tuple[int, float]]
    pictures: str


def verify(path: Path, expected: Expected, pictures: str = "") -> tuple[MediaFacts, list[str]]:
    """Decode a result to its end and return what it is, with warnings; raises Failed if it isn't what was asked.

    A file whose pictures have this digest is known to be decodable, and is not decoded again.
    """
    found = inspect(path, expected, known=pictures)
    return found.facts, found.warnings


def inspect(
    path: Path, expected: Expected, score: Callable[[Rgb], float] | None = None, *, known: str = ""
) -> Inspected:
    """Look at a result once for both: is it whole and what was asked, and what do its sampled frames score.

    Raises Failed if it isn't what was asked or can't be decoded. With `score` every frame that the screening samples is
    scored, none less.
    """
    try:
        format_name = formats.read_format(path)
        look = _Look(score)
        if format_name in formats.PICTURES:
            facts, pictures = _look_at_picture(path, format_name, expected, look)
        else:
            facts, pictures = _look_at_clip(path, format_name, expected, look, known)
    except Rejected as trouble:
        raise broken(trouble.problems[0]) from trouble
    return Inspected(facts, list(look.warnings()), look.scores, pictures)


def broken(problem: Problem) -> Failed:
    """Turn what is wrong with a file into the failure of the render that made it."""
    detail = f"{problem.title} {problem.detail}".strip()
    return Failed(Problem("result_broken", "The server's result can't be decoded.", _RETRY, detail))


def _look_at_picture(path: Path, format_name: str, expected: Expected, look: _Look) -> tuple[MediaFacts, str]:
    facts = pictures.facts(path, format_name)
    _check(facts, expected)
    seen = set(range(facts.frames)) if facts.frames <= ALL_FRAMES else set(samples.spread(facts.frames))
    screened = samples.Moments(facts.frames)
    digest = ""

    def keep(number: int, time_s: float) -> bool:
        return screened.take(number, time_s) or number in seen

    for number, _, pixels in pictures.frames(path, format_name, keep):
        if number in seen:
            look.see(_thin(pixels))
        if number in screened.taken:
            look.screen(number, pixels)
        if facts.frames == 1:
            digest = digest_of(pixels)
    return facts, digest


def digest_of(pixels: Rgb) -> str:
    """Return the digest of a picture: its size and every one of its pixels."""
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _look_at_clip(path: Path, format_name: str, expected: Expected, look: _Look, known: str) -> tuple[MediaFacts, str]:
    with clips.open_clip(path, format_name) as clip:
        found = frames.whole_index(clip, hashed=True)
        facts = clips.describe(clip, found, frames.first(clip), check_last=False)
        facts = facts if found.audio_packets else _silent(facts)
        _check(facts, expected)
        if known and known == found.pictures and look.scores_nothing:
            return facts, found.pictures
        times_s = frames.times_of(clip, found)
        screened = set(samples.positions(times_s))
        thumbnails = frames.Thumbnails(_SHORTEST)
        for number, frame in frames.chosen(clip, found, _every_frame(times_s)):
            if not look.has_seen_enough:
                look.see(thumbnails.of(frame))
            if number in screened and not look.scores_nothing:
                look.screen(number, frames.to_rgb(frame))
        return facts, found.pictures


def _check(facts: MediaFacts, expected: Expected) -> None:
    wrong = list(_differences(facts, expected))
    if wrong:
        title = f"The result isn't what was asked for: {'; '.join(wrong)}."
        raise Failed(Problem("result_wrong", title, _RETRY))


def _thin(pixels: Rgb) -> Rgb:
    step = max(1, min(pixels.shape[:2]) // _SHORTEST)
    return pixels[::step, ::step]


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
    """Remembers of all frames seen only whether they were black and whether anything moved, and what was scored."""

    def __init__(self, score: Callable[[Rgb], float] | None) -> None:
        self._score = score
        self._known: dict[str, float] = {}
        self.scores: list[tuple[int, float]] = []
        self._first: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None = None
        self._count = 0
        self._black = True
        self._still = True

    @property
    def scores_nothing(self) -> bool:
        return self._score is None

    @property
    def has_seen_enough(self) -> bool:
        """Neither black nor still: no further frame changes that."""
        return not self._black and not self._still

    def screen(self, number: int, pixels: Rgb) -> None:
        if self._score is None:
            return
        # Where nothing moves, frames are the same to the last bit, and so is what they score.
        same = digest_of(pixels)
        if same not in self._known:
            self._known[same] = self._score(pixels)
        self.scores.append((number, self._known[same]))

    def see(self, small: Rgb) -> None:
        # Added up plane by plane: NumPy takes ten times as long to reduce an axis of three.
        planes = small.astype(np.int16)
        grey = (planes[..., 0] + planes[..., 1] + planes[..., 2]) // 3
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

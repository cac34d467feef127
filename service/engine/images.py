"""What flows between nodes: frames that are drawn when somebody pulls them, masks, video, sound."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.engine.held import HeldFile, write_at

Picture: TypeAlias = NDArray[np.uint8]
Sound: TypeAlias = NDArray[Any]
Check: TypeAlias = Callable[[], None]
Draw: TypeAlias = Callable[[Check, int], Iterator[Picture]]


def never_interrupted() -> None:
    """Stand for a check where nobody can interrupt."""


class Frames:
    """A sequence of RGB frames, uint8 (height, width, 3), of known size and count; its pixels are not drawn yet.

    `draw(check, start)` yields the frames from index `start` on; it must yield the same pixels each time, and may yield
    fewer than promised (a file that ends early): the last one is then held, so that the count is a law.
    `drawn` says that a stand-in for a model drew the pixels; `steady` that drawing them again costs next to nothing.
    """

    def __init__(
        self, count: int, width: int, height: int, draw: Draw, *, drawn: bool = False, steady: bool = False
    ) -> None:
        self.count = count
        self.width = width
        self.height = height
        self.drawn = drawn
        self.steady = steady
        self._draw = draw

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Picture]:
        return self.pull(never_interrupted)

    def __repr__(self) -> str:
        return f"Frames({self.count} x {self.width}x{self.height})"

    def pull(self, check: Check, start: int = 0) -> Iterator[Picture]:
        """Draw the frames from index `start` on; `check` is called before each one and may raise."""
        if start >= self.count:
            return
        given = start
        last: Picture | None = None
        for last in self._draw(check, start):
            check()
            yield last
            given += 1
            if given == self.count:
                return
        if last is None:
            raise ValueError("The source ended before its first picture. Save the file again and drop it anew.")
        for _ in range(given, self.count):
            check()
            yield last

    def first(self, check: Check) -> Picture:
        """Draw the first frame alone."""
        return next(self.pull(check))

    def mapped(self, width: int, height: int, change: Callable[[Picture], Picture]) -> Frames:
        """Return these frames, each changed by a function when it is pulled."""

        def draw(check: Check, start: int) -> Iterator[Picture]:
            return (change(frame) for frame in self.pull(check, start))

        return Frames(self.count, width, height, draw, drawn=self.drawn, steady=self.steady)

    def part(self, start: int, count: int, step: int = 1) -> Frames:
        """Return `count` frames from index `start` on, every `step`-th."""

        def draw(check: Check, first: int) -> Iterator[Picture]:
            for index, frame in enumerate(self.pull(check, start + first * step)):
                if index % step == 0:
                    yield frame

        return Frames(count, self.width, self.height, draw, drawn=self.drawn, steady=self.steady)


def still(picture: Picture, count: int = 1) -> Frames:
    """Return one picture in memory as frames."""
    height, width = picture.shape[:2]

    def draw(_check: Check, start: int) -> Iterator[Picture]:
        return (picture for _ in range(start, count))

    return Frames(count, width, height, draw, steady=True)


def joined(parts: list[Frames]) -> Frames:
    """Return sequences of one size behind each other."""
    first = parts[0]

    def draw(check: Check, start: int) -> Iterator[Picture]:
        for part in parts:
            if start < part.count:
                yield from part.pull(check, start)
            start = max(0, start - part.count)

    return Frames(
        sum(part.count for part in parts),
        first.width,
        first.height,
        draw,
        drawn=any(part.drawn for part in parts),
        steady=all(part.steady for part in parts),
    )


def repeated(frames: Frames, times: int) -> Frames:
    """Return the sequence `times` times; a single frame is drawn once only."""
    if frames.count > 1:
        return joined([frames] * times)

    def draw(check: Check, start: int) -> Iterator[Picture]:
        picture = frames.first(check)
        return (picture for _ in range(start, times))

    return Frames(times, frames.width, frames.height, draw, drawn=frames.drawn, steady=frames.steady)


class Spool:
    """Frames drawn once and kept as raw bytes in a nameless file, to be read in any order by many consumers."""

    def __init__(self, frames: Frames, folder: Path) -> None:
        self._frames = frames
        self._shape = (frames.height, frames.width, 3)
        self._bytes = frames.height * frames.width * 3
        self._file = HeldFile.scratch(folder)
        self._source: Iterator[Picture] | None = None
        self._kept = 0

    def frame(self, check: Check, index: int) -> Picture:
        """Return one frame, drawing what lies before it if nobody has yet."""
        while self._kept <= index:
            self._keep_next(check)
        data = os.pread(self._file.number, self._bytes, index * self._bytes)
        return np.frombuffer(data, np.uint8).reshape(self._shape)

    def _keep_next(self, check: Check) -> None:
        check()
        if self._source is None:
            # The source outlives one prompt's check, so interruption is looked at here and not inside it.
            self._source = self._frames.pull(never_interrupted, self._kept)
        try:
            frame = next(self._source)
        except BaseException:
            self._source = None
            raise
        write_at(self._file.number, np.ascontiguousarray(frame).data, self._kept * self._bytes)
        self._kept += 1

    def replay(self) -> Frames:
        """Return the frames as a sequence that reads the spool."""

        def draw(check: Check, start: int) -> Iterator[Picture]:
            return (self.frame(check, index) for index in range(start, self._frames.count))

        whole = self._frames
        return Frames(whole.count, whole.width, whole.height, draw, drawn=whole.drawn, steady=True)

    def backwards(self, start: int, count: int) -> Frames:
        """Return `count` frames, the first of them index `start`, running back."""

        def draw(check: Check, first: int) -> Iterator[Picture]:
            return (self.frame(check, start - index) for index in range(first, count))

        whole = self._frames
        return Frames(count, whole.width, whole.height, draw, drawn=whole.drawn, steady=True)


@dataclass(frozen=True)
class Mask:
    """A mask that is made when it is asked for: float32 (height, width), 1 where the picture is see-through."""

    width: int
    height: int
    make: Callable[[], Sound]


@dataclass(frozen=True)
class Audio:
    """Sound that is decoded when it is pulled: float32 blocks (channels, samples) in [-1, 1]; `samples` counts them."""

    rate: int
    channels: int
    samples: int
    pull: Callable[[Check], Iterator[Sound]]

    @property
    def seconds(self) -> float:
        """Return the length in seconds."""
        return self.samples / self.rate

    def cut(self, samples: int) -> Audio:
        """Return the first `samples` samples, fewer if there are fewer."""
        return self.part(0, min(samples, self.samples))

    def part(self, first: int, samples: int) -> Audio:
        """Return `samples` samples from `first` on."""

        def pull(check: Check) -> Iterator[Sound]:
            position = 0
            for block in self.pull(check):
                inside = block[:, max(0, first - position) : max(0, first + samples - position)]
                position += block.shape[1]
                if inside.size:
                    yield inside
                if position >= first + samples:
                    return

        return Audio(self.rate, self.channels, samples, pull)


def silence(rate: int, channels: int, samples: int) -> Audio:
    """Return sound that is silent."""

    def pull(check: Check) -> Iterator[Sound]:
        for start in range(0, samples, rate):
            check()
            yield np.zeros((channels, min(rate, samples - start)), np.float32)

    return Audio(rate, channels, samples, pull)


@dataclass(frozen=True)
class Video:
    """Frames with a rate in frames a second, sound or none, and the file that they are the whole of, or none."""

    frames: Frames
    rate: Fraction
    audio: Audio | None = None
    file: HeldFile | None = None

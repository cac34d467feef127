"""Pictures given to a sampler with little noise: kept, and graded towards the prompt's hour of the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.engine.drawing.colour import HOURS
from service.engine.drawing.script import read
from service.engine.images import Check, Frames, Picture, never_interrupted


@dataclass(frozen=True)
class Touched:
    """Encoded pictures sampled again: the more denoise, the more of the prompt's light is on them."""

    source: Frames
    prompt: str
    negative: str
    seed: int
    denoise: float

    def ready(self, width: int, height: int, count: int, check: Check) -> Regraded:
        """Prepare to draw from the source."""
        del count, check
        palette = HOURS[read(self.prompt, self.negative, self.seed).hour]
        return Regraded(self.source, (width, height), curve(palette.near, palette.middle, palette.low), self.denoise)


def curve(*stops: NDArray[Any]) -> NDArray[Any]:
    """Return a table from brightness to colour through some stops."""
    places = np.linspace(0, 255, len(stops))
    return np.stack(
        [np.interp(np.arange(256), places, [stop[channel] * 255 for stop in stops]) for channel in range(3)], 1
    )


class Regraded:
    """The painter of pictures sampled again."""

    def __init__(self, source: Frames, size: tuple[int, int], table: NDArray[Any], strength: float) -> None:
        self._source, self._size, self._table, self._strength = source, size, table, strength

    def paint(self, index: int) -> Picture:
        """Draw one frame."""
        frame: NDArray[Any] = next(self._source.pull(never_interrupted, min(index, self._source.count - 1)))
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        toned = self._table[grey]
        part = 0.6 * self._strength
        made: Picture = np.clip(frame * (1 - part) + toned * part + 0.5, 0, 255).astype(np.uint8)
        return made

"""A storyboard: one shot drawn by rules from a prompt's words and a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from service.engine.drawing.colour import HOURS
from service.engine.drawing.finish import Finish
from service.engine.drawing.places import PLACES
from service.engine.drawing.script import Script, read
from service.engine.drawing.stage import Stage
from service.engine.images import Check, Picture

#: Frames larger than this are drawn smaller and scaled up: a storyboard has no finer detail to show.
LARGEST_AREA = 1280 * 720
VEILS = {"storm": 0.95, "rain": 0.8, "snow": 0.62, "fog": 0.55}
SUN_HEIGHTS = {"dawn": 0.13, "day": 0.62, "sunset": 0.10, "dusk": -0.06, "night": 0.55}
HORIZONS = {
    "sea": 0.54,
    "beach": 0.46,
    "lake": 0.55,
    "mountain": 0.66,
    "field": 0.50,
    "desert": 0.47,
    "forest": 0.52,
    "city": 0.66,
    "room": 0.42,
}


@dataclass(frozen=True)
class Storyboard:
    """What a sampler decided: the words, the seed, whether it is one moving shot or a batch of stills, how soft."""

    prompt: str
    negative: str
    seed: int
    moving: bool
    softness: float = 0.0

    def ready(self, width: int, height: int, count: int, check: Check) -> Shown:
        """Draw what does not change from frame to frame."""
        check()
        return Shown(self, width, height, count)


class Shown:
    """A storyboard's painter for one size and length."""

    def __init__(self, board: Storyboard, width: int, height: int, count: int) -> None:
        self._board, self._size = board, (width, height)
        self._count = count if board.moving else 1
        self._still = -1
        self._scene = self._made(read(board.prompt, board.negative, board.seed))

    def _made(self, script: Script) -> Scene:
        width, height = self._size
        scale = min(1.0, (LARGEST_AREA / (width * height)) ** 0.5)
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        return Scene(stage_of(script, *size, self._count), self._board.softness)

    def paint(self, index: int) -> Picture:
        """Draw one frame."""
        if not self._board.moving and index != self._still:
            if index:
                board = self._board
                self._scene = self._made(read(board.prompt, board.negative, f"{board.seed}+{index}"))
            self._still = index
        frame = self._scene.paint(index if self._board.moving else 0)
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cast(Picture, cv2.resize(frame, self._size, interpolation=cv2.INTER_CUBIC))
        return frame


def stage_of(script: Script, width: int, height: int, count: int) -> Stage:
    """Choose palette, horizon and the sun's place."""
    chosen = script.dice("stage")
    palette = HOURS[script.hour].varied(float(chosen.uniform(-0.030, 0.030)), float(chosen.uniform(0.85, 1.12)))
    palette = palette.veiled(VEILS.get(script.weather, 0.0))
    horizon = HORIZONS.get(script.place, 0.52) + float(chosen.uniform(-0.04, 0.04))
    sun_x = float(chosen.choice([chosen.uniform(0.16, 0.40), chosen.uniform(0.60, 0.84)]))
    high = SUN_HEIGHTS[script.hour] + float(chosen.uniform(-0.03, 0.04))
    return Stage(script, palette, width, height, count, horizon, sun_x, horizon * (1 - high))


class Scene:
    """The items of a picture, painted from far to near."""

    def __init__(self, stage: Stage, softness: float) -> None:
        self.stage = stage
        self.items = PLACES[stage.script.place](stage)
        self.finish = Finish(stage, softness)

    def paint(self, index: int) -> Picture:
        """Draw one frame."""
        canvas = np.empty((self.stage.height, self.stage.width, 3), np.float32)
        view = self.stage.view(index)
        for item in self.items:
            item.paint(canvas, view)
        return self.finish.bytes_of(canvas, index)


def softness(steps: int, cfg: float) -> float:
    """Return how soft a run of few steps or little guidance stays, in [0, 1]."""
    hurried = max(0.0, 1 - steps / 8)
    unguided = 0.5 * max(0.0, 1 - cfg / 2)
    return min(1.0, hurried + unguided)

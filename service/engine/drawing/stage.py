"""The stage: the size drawn at, where the camera looks, and flat layers that move with their depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from service.engine.drawing.colour import Palette
from service.engine.drawing.noise import Field
from service.engine.drawing.script import Script

#: A layer is so much larger than the frame that no camera move of ours sees its edge.
WIDER, HIGHER = 1.36, 1.24
FRAMES_A_SECOND = 12


@dataclass(frozen=True)
class View:
    """Where the camera looks: aside and up in frame widths and heights, how near, and when in seconds."""

    x: float
    tilt: float
    zoom: float
    seconds: float
    roll: int


@dataclass(frozen=True)
class Stage:
    """One shot's script, palette and geometry; sizes in pixels, `horizon` and the sun's place in parts of the frame."""

    script: Script
    palette: Palette
    width: int
    height: int
    count: int
    horizon: float
    sun_x: float
    sun_y: float

    @property
    def wide(self) -> int:
        """Return a layer's width."""
        return math.ceil(self.width * WIDER)

    @property
    def high(self) -> int:
        """Return a layer's height."""
        return math.ceil(self.height * HIGHER)

    @property
    def sill(self) -> float:
        """Return the horizon's row in a layer."""
        return (self.high - self.height) / 2 + self.horizon * self.height

    def column(self, part: float) -> float:
        """Return the column in a layer that a part of the frame's width lies at when the camera is at rest."""
        return (self.wide - self.width) / 2 + part * self.width

    def row(self, part: float) -> float:
        """Return the row in a layer that a part of the frame's height lies at when the camera is at rest."""
        return (self.high - self.height) / 2 + part * self.height

    def horizon_row(self, view: View) -> float:
        """Return the horizon's row in the frame."""
        return (self.horizon - view.tilt) * self.height

    def view(self, index: int) -> View:
        """Return where the camera looks in one frame."""
        part = index / max(1, self.count - 1) if self.count > 1 else 0.5
        eased = part + 0.06 * math.sin(2 * math.pi * part) / math.pi
        reach = min(1.0, 0.45 + self.count / 60)
        return moved(self.script.move, eased - 0.5, reach, index / FRAMES_A_SECOND, index)


def moved(move: str, place: float, reach: float, seconds: float, index: int) -> View:
    """Return the view of a camera move at a place from -0.5 (its start) to 0.5 (its end)."""
    x, tilt, zoom = 0.0, 0.0, 1.02
    if move in {"pan left", "pan right"}:
        x = 0.22 * reach * place * (1 if move == "pan right" else -1)
    elif move in {"tilt up", "tilt down"}:
        tilt = 0.14 * reach * place * (-1 if move == "tilt up" else 1)
    elif move in {"zoom in", "zoom out"}:
        zoom = 1.02 + 0.2 * reach * (0.5 + place * (1 if move == "zoom in" else -1))
        x = 0.03 * reach * place
    elif move == "sway":
        x = 0.012 * math.sin(2.1 * seconds) + 0.006 * math.sin(3.7 * seconds + 1) + 0.05 * reach * place
        tilt = 0.008 * math.sin(1.7 * seconds + 0.5)
    return View(x, tilt, zoom, seconds, index)


Canvas: TypeAlias = NDArray[Any]
Sheet: TypeAlias = NDArray[Any]


class Item(Protocol):
    """One thing in the picture."""

    def paint(self, canvas: Canvas, view: View) -> None:
        """Paint over what lies behind, RGB in [0, 1]."""


def placed(stage: Stage, view: View, depth: float) -> tuple[float, float, float]:
    """Return how a layer's pixels lie in the frame at a depth: frame = scale * layer + (across, down)."""
    scale = 1 + (view.zoom - 1) * (0.25 + 0.75 * depth)
    across = stage.width / 2 - scale * (stage.wide / 2 + view.x * stage.width * (0.35 + 0.65 * depth))
    down = (stage.horizon - view.tilt) * stage.height - scale * stage.sill
    return scale, across, down


class Layer:
    """A flat, partly see-through sheet at a depth from 0 (as far as the sky) to about 1.2 (right before the lens)."""

    def __init__(
        self, stage: Stage, depth: float, colour: Canvas, cover: Field, *, crest: Field | None = None, sway: float = 0.0
    ) -> None:
        self.stage, self.depth, self.sway = stage, depth, sway
        #: The row of the land's upper edge by column, where things can stand.
        self.crest = crest
        rows = np.flatnonzero(cover.max(axis=1) > 0)
        self._top = max(0, int(rows[0]) - 2) if rows.size else 0
        self._bottom = min(cover.shape[0], int(rows[-1]) + 3) if rows.size else 1
        part = slice(self._top, self._bottom)
        sheet = np.dstack((colour[part] * cover[part, :, None], cover[part]))
        self._sheet = dithered(sheet, stage.script.dice(f"dither {depth}"))

    def paint(self, canvas: Canvas, view: View) -> None:
        """Lay the sheet over the canvas where the camera sees it."""
        scale, across, down = placed(self.stage, view, self.depth)
        first = max(0, math.floor(scale * self._top + down))
        last = min(self.stage.height, math.ceil(scale * self._bottom + down))
        if last <= first:
            return
        lean = self.sway * math.sin(1.9 * view.seconds + self.depth * 5) if self.sway else 0.0
        base = self._bottom - self._top
        matrix = np.array(
            [[scale, -lean, across + lean * base], [0, scale, scale * self._top + down - first]], np.float64
        )
        seen = cv2.warpAffine(
            self._sheet,
            matrix,
            (self.stage.width, last - first),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if self._bottom == self.stage.high else cv2.BORDER_CONSTANT,
        )
        lay_over(canvas[first:last], seen)


def lay_over(canvas: Canvas, sheet: Sheet) -> None:
    """Put premultiplied RGBA bytes over RGB in [0, 1]."""
    floats = sheet.astype(np.float32)
    floats *= 1 / 255
    canvas *= 1 - floats[..., 3:]
    canvas += floats[..., :3]


def dithered(sheet: Canvas, generator: np.random.Generator) -> Sheet:
    """Return bytes; the rounding is scattered, so that long gradients show no bands."""
    scatter = generator.random(sheet.shape[:2], np.float32)[..., None]
    # Clear and solid parts stay exactly that.
    cover = sheet[..., 3:]
    scatter = np.where((cover <= 0) | (cover >= 1), np.concatenate([scatter] * 3 + [scatter * 0 + 0.5], 2), 0.5)
    scatter = np.where(cover <= 0, 0.0, scatter)
    return np.clip(np.floor(sheet * 255 + scatter), 0, 255).astype(np.uint8)

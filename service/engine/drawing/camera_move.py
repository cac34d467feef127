"""A camera move over one picture: near things slide farther than distant ones, nothing tears."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from service.engine.drawing.chance import dice, pick
from service.engine.drawing.noise import Field
from service.engine.images import Check, Frames, Picture

#: Stable Video Diffusion's own default of motion_bucket_id, and how far the nearest things go then, in frame widths.
USUAL_MOTION, USUAL_REACH = 127, 0.050
MOVES = ("push in", "pull out", "slide left", "slide right", "arc left", "arc right", "rise")
DEPTH_SIDE = 384


@dataclass(frozen=True)
class CameraMove:
    """What a sampler decided: the picture, the move that the seed picked, how much of it."""

    source: Frames
    seed: int
    motion: int
    noise: float = 0.0
    softness: float = 0.0

    def ready(self, width: int, height: int, count: int, check: Check) -> Moved:
        """Cut the picture to the shot's shape and guess its depth."""
        return Moved(self, fitted(self.source.first(check), width, height), count)


def fitted(picture: Picture, width: int, height: int) -> Picture:
    """Return a picture cut around its middle to a shape and scaled to a size."""
    high, wide = picture.shape[:2]
    part = min(wide / width, high / height)
    across, down = round(width * part), round(height * part)
    left, top = (wide - across) // 2, (high - down) // 2
    cut = picture[top : top + max(1, down), left : left + max(1, across)]
    how = cv2.INTER_AREA if part > 1 else cv2.INTER_CUBIC
    return cast(Picture, cv2.resize(cut, (width, height), interpolation=how))


def nearness(picture: Picture) -> Field:
    """Return a guess of how near each pixel is, in [0, 1]: the ground comes nearer downwards, what stands out more so.

    It is smooth, so that whatever is moved by it bends a little and never tears.
    """
    high, wide = picture.shape[:2]
    scale = min(1.0, DEPTH_SIDE / max(high, wide))
    small = cv2.resize(
        picture, (max(8, round(wide * scale)), max(8, round(high * scale))), interpolation=cv2.INTER_AREA
    )
    rows = np.linspace(0, 1, small.shape[0], dtype=np.float32)[:, None]
    ground = 0.12 + 0.62 * rows**1.6
    depth = ground + 0.42 * standing_out(small)
    guide = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    smooth: Field = guided(guide, depth.astype(np.float32), max(4, small.shape[0] // 14), 0.004)
    smooth = cv2.GaussianBlur(smooth, (0, 0), max(small.shape) / 60)
    return cast(Field, cv2.resize(np.clip(smooth, 0, 1), (wide, high), interpolation=cv2.INTER_CUBIC))


def standing_out(small: Field) -> Field:
    """Return what differs in colour from the picture's border, weighted to the middle: the likely subject."""
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    high, wide = lab.shape[:2]
    edge = max(2, min(high, wide) // 16)
    sides = [lab[:edge], lab[:, :edge], lab[:, -edge:]]
    samples = np.concatenate([side.reshape(-1, 3) for side in sides])
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 1.0)
    cv2.setRNGSeed(7)
    _score, _labels, centres = cv2.kmeans(samples, 4, np.empty(0, np.int32), criteria, 1, cv2.KMEANS_PP_CENTERS)
    away = np.min([np.linalg.norm(lab - centre, axis=2) for centre in centres], axis=0)
    rows, columns = np.mgrid[0:high, 0:wide].astype(np.float32)
    middle = np.exp(-(((columns / wide - 0.5) / 0.36) ** 2) - ((rows / high - 0.56) / 0.42) ** 2)
    seen = cv2.GaussianBlur((away * middle).astype(np.float32), (0, 0), max(high, wide) / 45)
    made: Field = np.clip(seen / max(18.0, float(np.quantile(seen, 0.97))), 0, 1).astype(np.float32)
    return made


def guided(guide: Field, field: Field, radius: int, stiffness: float) -> Field:
    """Return a field smoothed along the edges of a guide (He, Sun, Tang: Guided Image Filtering, 2010)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: Field) -> Field:
        return cast(Field, cv2.blur(values, size))

    middle, level = mean(guide), mean(field)
    slope = (mean(guide * field) - middle * level) / (mean(guide * guide) - middle * middle + stiffness)
    return (mean(slope) * guide + mean(level - slope * middle)).astype(np.float32)


class Moved:
    """A camera move's painter for one size and length."""

    def __init__(self, move: CameraMove, picture: Picture, count: int) -> None:
        self._move, self._picture, self._count = move, picture, count
        self._near = nearness(picture)
        high, wide = picture.shape[:2]
        self._rows, self._columns = np.mgrid[0:high, 0:wide].astype(np.float32)
        self._dice = dice("camera move", move.seed)
        self._kind = pick(self._dice, MOVES)
        self._bend = float(self._dice.uniform(-0.3, 0.3))
        self._reach = USUAL_REACH * (move.motion / USUAL_MOTION) ** 0.7

    def paint(self, index: int) -> Picture:
        """Draw one frame."""
        part = index / max(1, self._count - 1)
        eased = part + 0.08 * math.sin(2 * math.pi * part) / math.pi
        across, down, zoom = self._path(eased)
        high, wide = self._picture.shape[:2]
        # Most of a slide moves the whole picture: the guess of depth bends upright things, so it gets the smaller part.
        near = 0.30 + 0.62 * (self._near - 0.38)
        # Always a little closer than the move needs, so that the frame's edge never comes into view.
        safe = 1 + 2.1 * self._reach
        scale = 1 / (safe * (1 + zoom * (0.45 + 1.1 * self._near)))
        columns = wide / 2 + (self._columns - wide / 2) * scale - across * near * wide
        rows = high / 2 + (self._rows - high / 2) * scale - down * near * wide
        frame = cv2.remap(self._picture, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        return self._finished(cast(Picture, frame), index)

    def _path(self, part: float) -> tuple[float, float, float]:
        reach, middle = self._reach, part - 0.5
        side = -1.0 if self._kind.endswith("left") else 1.0
        paths = {
            "push in": (self._bend * reach * middle, 0.0, 2.0 * reach * part),
            "pull out": (self._bend * reach * middle, 0.0, 2.0 * reach * (1 - part)),
            "rise": (0.0, 1.5 * reach * middle, 0.6 * reach * part),
        }
        if self._kind in paths:
            return paths[self._kind]
        if self._kind.startswith("slide"):
            return side * 2.2 * reach * middle, self._bend * reach * middle, 0.3 * reach * part
        return side * 2.0 * reach * middle, 0.4 * reach * (middle * middle - 0.25), 0.9 * reach * part

    def _finished(self, frame: Picture, index: int) -> Picture:
        if self._move.softness > 0:
            frame = cast(Picture, cv2.GaussianBlur(frame, (0, 0), self._move.softness * frame.shape[0] / 150))
        if self._move.noise > 0 and index > 0:
            grain = dice("noise", self._move.seed, index).standard_normal(frame.shape, np.float32)
            frame = np.clip(frame + grain * min(60.0, 14 * self._move.noise), 0, 255).astype(np.uint8)
        return frame

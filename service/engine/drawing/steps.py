"""What a sampler's steps show: noise that clears into the shot, coarse shapes first."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.noise import Field
from service.engine.images import Picture

LARGEST_SIDE = 320


def preview_size(width: int, height: int) -> tuple[int, int]:
    """Return the size that previews are drawn at: the shot's own shape, small."""
    scale = min(1.0, LARGEST_SIDE / max(width, height))
    return max(8, round(width * scale)), max(8, round(height * scale))


def cleared(frame: Picture, noise: float, generator: np.random.Generator) -> Picture:
    """Return a frame as it looks when this part of the noise, in [0, 1], is still in it."""
    if noise <= 0:
        return frame
    height, width = frame.shape[:2]
    guess = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), max(0.01, noise**1.3 * min(height, width) / 9))
    coarse = generator.standard_normal((-(-height // 8), -(-width // 8), 3), np.float32)
    fine = generator.standard_normal((-(-height // 4), -(-width // 4), 3), np.float32)
    static: Field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    static += 0.6 * cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)
    mixed = guess * (1 - noise) ** 0.7 + 118 * (1 - (1 - noise) ** 0.7) + static * 62 * noise**0.9
    made: Picture = np.clip(mixed, 0, 255).astype(np.uint8)
    return made

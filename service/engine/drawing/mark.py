"""The mark on frames that a stand-in drew: "preview engine", small, in the bottom corner, burnt in once."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from service.engine.drawing.noise import Field
from service.engine.images import Picture

TEXT = "preview engine"


@lru_cache(maxsize=8)
def lettering(height: int) -> Field:
    """Return the mark's letters as cover in [0, 1], about a thirtieth of the frame high."""
    size = max(8, round(height / 30))
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(TEXT)
    edge = max(2, size // 3)
    image = Image.new("L", (int(right - left) + 2 * edge, int(bottom - top) + 2 * edge))
    ImageDraw.Draw(image).text((edge - left, edge - top), TEXT, font=font, fill=255)
    return np.asarray(image, np.float32) / 255


def marked(frame: Picture) -> Picture:
    """Return a frame with the mark: light letters on their own soft shadow, legible on any ground."""
    letters = lettering(frame.shape[0])
    high, wide = letters.shape
    if wide > frame.shape[1] or high > frame.shape[0]:
        letters = cv2.resize(
            letters, (min(wide, frame.shape[1]), min(high, frame.shape[0])), interpolation=cv2.INTER_AREA
        )
        high, wide = letters.shape
    margin_x = min(max(2, frame.shape[0] // 60), frame.shape[1] - wide)
    margin_y = min(max(1, frame.shape[0] // 90), frame.shape[0] - high)
    rows = slice(frame.shape[0] - high - margin_y, frame.shape[0] - margin_y)
    columns = slice(frame.shape[1] - wide - margin_x, frame.shape[1] - margin_x)
    result = frame.copy()
    part = result[rows, columns].astype(np.float32)
    shadow = np.minimum(1, cv2.GaussianBlur(letters, (0, 0), max(1.0, high / 9)) * 1.6)
    part *= (1 - 0.45 * shadow)[..., None]
    part += (255 - part) * (0.72 * letters)[..., None]
    result[rows, columns] = np.clip(part + 0.5, 0, 255).astype(np.uint8)
    return result

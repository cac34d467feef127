"""The last touch on each frame: bloom, soft contrast, vignette, film grain, and softness of a hurried run."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.noise import grid
from service.engine.drawing.stage import Canvas, Sheet, Stage


class Finish:
    """Turns light in [0, 1] and above into bytes."""

    GRAIN = 0.008

    def __init__(self, stage: Stage, softness: float) -> None:
        self.stage, self.softness = stage, softness
        rows, columns = grid(stage.height, stage.width)
        corner = np.hypot((columns / stage.width - 0.5) * 1.15, rows / stage.height - 0.52)
        self._vignette = (1 - 0.42 * np.clip(corner - 0.30, 0, 1) ** 1.6)[..., None].astype(np.float32)
        generator = stage.script.dice("grain")
        grain = generator.standard_normal((stage.height, stage.width), np.float32)
        self._grain = cv2.GaussianBlur(grain, (0, 0), 0.55) * 1.6 * self.GRAIN
        self._rolls = generator.integers(0, 1 << 16, (512, 2))

    def bytes_of(self, canvas: Canvas, index: int) -> Sheet:
        """Return a finished frame; the canvas is used up."""
        self._bloom(canvas)
        if self.softness > 0:
            cv2.GaussianBlur(canvas, (0, 0), self.softness * self.stage.height / 150, dst=canvas)
        canvas *= self._vignette
        np.clip(canvas, 0, 1, out=canvas)
        # A touch of film: deeper middle shadows, a shoulder in the lights.
        canvas *= 0.86 + canvas * (0.46 - 0.32 * canvas)
        down, across = self._rolls[index % len(self._rolls)]
        grain = np.roll(self._grain, (int(down) % self.stage.height, int(across) % self.stage.width), (0, 1))
        canvas += grain[..., None]
        canvas *= 255
        canvas += 0.5
        return np.clip(canvas, 0, 255).astype(np.uint8)

    def _bloom(self, canvas: Canvas) -> None:
        small = cv2.resize(canvas, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        bright = np.clip(small - 0.72, 0, 0.6)
        glow = cv2.GaussianBlur(bright, (0, 0), self.stage.height / 60)
        glow += 0.5 * cv2.GaussianBlur(bright, (0, 0), self.stage.height / 200)
        canvas += 0.55 * cv2.resize(glow, (self.stage.width, self.stage.height), interpolation=cv2.INTER_LINEAR)

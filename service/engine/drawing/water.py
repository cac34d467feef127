"""Water: the picture above mirrored in moving waves, in perspective, with the sun's road on it."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.colour import mix, rgb
from service.engine.drawing.noise import Field, cloudy, grid, step, taken
from service.engine.drawing.stage import Canvas, Stage, View


class Water:
    """A plane of water from the horizon down to the frame's edge; `calm` from 0 (open sea) to 1 (a mirror)."""

    SIZE = 256

    def __init__(self, stage: Stage, calm: float) -> None:
        self.stage, self.calm = stage, calm
        generator = stage.script.dice("water")
        self._waves = cloudy(generator, self.SIZE, falloff=1.3, stretch=2.2)
        self._swell = cloudy(generator, self.SIZE, falloff=2.0, stretch=3.0)
        palette = stage.palette
        tint = rgb("1E6F86") if stage.script.hour == "day" else rgb("24405E")
        self._deep = mix(mix(palette.top, palette.near, 0.40), tint * palette.light, 0.45)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Mirror what lies above the horizon in what lies below it."""
        stage = self.stage
        sill = stage.horizon_row(view)
        top = int(np.clip(round(sill), 1, stage.height))
        if top >= stage.height:
            return
        rows, columns = grid(stage.height - top, stage.width)
        near = (rows + 0.5) / stage.height
        far = 1 / (near + 0.022)
        aside = (columns / stage.width - 0.5) / view.zoom * stage.width / stage.height + view.x * (0.35 + near)
        slope, crest = self._surface(aside * far, far * view.zoom, view.seconds)
        rough = (1 - 0.8 * self.calm) * (0.25 + 2.6 * near)
        mirror_row = sill - rows * (0.92 + 0.10 * self.calm) - 1 + slope * rough * 0.075 * stage.height
        mirror_column = columns + crest * rough * 0.02 * stage.height
        mirror = cv2.remap(
            canvas,
            mirror_column.astype(np.float32),
            np.clip(mirror_row, 0, max(0, top - 1)).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        self._lay(canvas[top:], mirror, near, slope, crest, columns, view)

    def _surface(self, aside: Field, far: Field, seconds: float) -> tuple[Field, Field]:
        # Two sheets of the same waves slide through each other: that never repeats and never jumps.
        across, away = aside * 44, far * 34
        first = taken(self._waves, across + 5 * seconds, away - 13 * seconds)
        second = taken(self._waves, 91 - across * 0.83 + 6 * seconds, away * 1.21 - 8 * seconds)
        swell = taken(self._swell, across * 0.35, away * 0.30 - 7 * seconds)
        return first + second - 1, 0.6 * (first - second) + 0.8 * (swell - 0.5)

    def _lay(
        self,
        part: Canvas,
        mirror: Canvas,
        near: Field,
        slope: Field,
        crest: Field,
        columns: Field,
        view: View,
    ) -> None:
        stage, palette = self.stage, self.stage.palette
        depth = np.clip((0.16 + 0.95 * near) * (1 - 0.45 * self.calm) + 0.24 * slope * (1 - 0.6 * self.calm), 0, 0.88)
        part[:] = mirror * 0.93
        part += (self._deep - part) * depth[..., None]
        sun = (stage.sun_x - 0.5 - view.x * 0.35) * view.zoom + 0.5
        spread = 0.016 + 0.30 * near
        road = np.exp(-(((columns / stage.width - sun) / spread) ** 2)) * np.exp(-near / 0.34)
        lift = 0.25 * (1 - stage.horizon + stage.sun_y)
        glitter = step(0.16 + 0.25 * self.calm, 0.62, slope + 0.25 * crest + 0.18 * road)
        part += (road * glitter * palette.glow * (1.25 - lift))[..., None] * palette.sun
        foam = step(0.66, 0.95, slope + 0.5 * crest) * np.clip(near * 2.2 - 0.1, 0, 0.5) * (1 - self.calm)
        part += foam[..., None] * (
            mix(palette.low, rgb("FFFFFF"), 0.4) * (0.2 + 0.8 * float(palette.light.mean())) - part
        )
        haze = np.exp(-near / 0.028)[..., None] * 0.55
        part += (mix(palette.low, palette.haze, 0.4) - part) * haze

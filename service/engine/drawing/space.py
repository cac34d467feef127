"""Space: stars at several depths, a nebula in two colours, a planet with its terminator."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.chance import pick
from service.engine.drawing.colour import mix, rgb, turned
from service.engine.drawing.noise import cloudy, grid, spread, step, taken
from service.engine.drawing.stage import Canvas, Layer, Stage, View, placed

NEBULAE = (("FF5E8A", "3F7BFF"), ("FF9A4D", "5A3FFF"), ("37E0C8", "7A3FD0"), ("FFB36B", "C2347A"), ("6FA8FF", "E06BD0"))
PLANETS = (("C88A5A", "EBCB9C"), ("3F6FA8", "BFD8E8"), ("8A5A8C", "D8A8C0"), ("6A8A5E", "C8D0A0"), ("A8644A", "E8B088"))


class Nebula:
    """Glowing gas behind everything, painted first."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        generator = stage.script.dice("nebula")
        rows, columns = grid(stage.high, stage.wide)
        scale = 230 / stage.height
        bend = cloudy(generator, 256, falloff=2.0)
        warp_x = taken(bend, columns * scale * 0.5, rows * scale * 0.5) * 60
        gas = spread(cloudy(generator, 256, falloff=1.5) * 0.75 + cloudy(generator, 256, falloff=1.1) * 0.25)
        first = taken(gas, columns * scale * 0.8 + warp_x, rows * scale * 0.8 + warp_x * 0.6)
        second = taken(gas, columns * scale * 0.7 - warp_x + 90, rows * scale * 0.7 + 140)
        dust = taken(gas, columns * scale * 1.3 + 30 + warp_x, rows * scale * 1.3 + 60)
        slant = float(generator.uniform(-0.6, 0.6))
        band = np.exp(-((((rows - stage.high / 2) - slant * (columns - stage.wide / 2)) / (0.30 * stage.height)) ** 2))
        hue = float(generator.uniform(-0.05, 0.05))
        warm, cool = (turned(rgb(code), hue) for code in pick(generator, NEBULAE))
        sky = np.empty((stage.high, stage.wide, 3), np.float32)
        sky[:] = rgb("05060F")
        sky += (step(0.36, 1.0, first) * band * 0.75)[..., None] * warm
        sky += (step(0.34, 1.0, second) * (0.25 + 0.75 * band) * 0.6)[..., None] * cool
        sky += (step(0.62, 1.05, first * 0.6 + second * 0.5) * band * 0.55)[..., None] * rgb("FFE9D6")
        sky *= (1 - 0.72 * step(0.48, 0.9, dust) * band)[..., None]
        self._sky = sky

    def paint(self, canvas: Canvas, view: View) -> None:
        """Fill the whole canvas."""
        scale, across, down = placed(self.stage, view, 0.0)
        matrix = np.array([[scale, 0, across], [0, scale, down]], np.float64)
        canvas[:] = cv2.warpAffine(
            self._sky, matrix, (self.stage.width, self.stage.height), borderMode=cv2.BORDER_REFLECT
        )


class Stars:
    """Stars of one depth, added to what is behind them; the brightest have a halo and a cross of light."""

    def __init__(self, stage: Stage, depth: float, many: int, bright: float) -> None:
        self.stage, self.depth = stage, depth
        generator = stage.script.dice(f"stars {depth}")
        field = np.zeros((stage.high, stage.wide, 3), np.float32)
        for _ in range(many):
            x, y = generator.uniform(6, stage.wide - 7), generator.uniform(6, stage.high - 7)
            power = bright * float(min(1.0, 0.05 / generator.uniform(0.035, 1.0)))
            tone = mix(rgb("FFD9B8"), rgb("C8DCFF"), float(generator.random()))
            left, top, right, below = int(x), int(y), x % 1, y % 1
            for row, down in ((top, 1 - below), (top + 1, below)):
                for column, across in ((left, 1 - right), (left + 1, right)):
                    field[row, column] += tone * power * down * across * 1.6
        big = np.maximum(field - 0.62 * bright, 0)
        halo = cv2.GaussianBlur(big, (0, 0), stage.height / 160) * 14
        reach = stage.height / 70
        cross = cv2.GaussianBlur(big, (0, 0), reach, sigmaY=0.6) + cv2.GaussianBlur(big, (0, 0), 0.6, sigmaY=reach)
        self._field = np.clip(field + halo + cross * 7, 0, 1.4)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Add the stars."""
        scale, across, down = placed(self.stage, view, self.depth)
        matrix = np.array([[scale, 0, across], [0, scale, down]], np.float64)
        canvas += cv2.warpAffine(self._field, matrix, (self.stage.width, self.stage.height))


def planet(stage: Stage) -> Layer:
    """Return a planet: bands or continents, a soft terminator, a rim of air."""
    generator = stage.script.dice("planet")
    rows, columns = grid(stage.high, stage.wide)
    radius = stage.height * float(generator.uniform(0.20, 0.34))
    x = stage.column(float(generator.choice([generator.uniform(0.2, 0.34), generator.uniform(0.66, 0.8)])))
    y = stage.row(float(generator.uniform(0.42, 0.68)))
    across, down = (columns - x) / radius, (rows - y) / radius
    inside = across**2 + down**2
    up = np.sqrt(np.clip(1 - inside, 0, 1))
    dark, pale = (turned(rgb(code), float(generator.uniform(-0.04, 0.04))) for code in pick(generator, PLANETS))
    belts = cloudy(generator, 256, falloff=1.5, stretch=float(generator.choice([1.0, 6.0])))
    tilt = float(generator.uniform(-0.4, 0.4))
    surface = taken(
        belts,
        np.arcsin(np.clip(across, -1, 1)) * 60 + 128 + down * tilt * 20,
        np.arcsin(np.clip(down, -1, 1)) * 80 + 128,
    )
    light_x = 0.72 if stage.sun_x > 0.5 else -0.72
    facing = across * light_x + down * -0.42 + up * 0.46
    lit = step(-0.12, 0.75, facing)
    colour = (dark + (pale - dark) * step(0.15, 0.85, surface)[..., None]) * (0.012 + 1.05 * lit)[..., None]
    rim = np.clip(1 - up, 0, 1) ** 3 * step(-0.1, 0.6, facing)
    air = mix(rgb("7FB8FF"), pale, 0.4)
    colour += (rim * 0.65)[..., None] * air
    edge = 1.5 / radius
    solid = 1 - step(1 - edge, 1 + edge, np.sqrt(inside))
    glow = np.exp(-np.maximum(np.sqrt(inside) - 1, 0) / 0.05) * step(-0.2, 0.8, across * light_x - down * 0.42) * 0.45
    cover = np.clip(solid + glow * (1 - solid), 0, 1)
    colour = np.where((inside > 1)[..., None], air, colour)
    return Layer(stage, 0.55, np.clip(colour, 0, 1).astype(np.float32), cover.astype(np.float32))

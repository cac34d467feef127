"""The sky: gradient, sun or moon with its glow, stars that twinkle, clouds that drift in perspective."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.colour import Colour, mix, rgb
from service.engine.drawing.noise import Field, cloudy, grid, spread, step, taken
from service.engine.drawing.stage import Canvas, Stage, View, placed

CLOUD_COVER = {"clear": 0.70, "clouds": 0.50, "fog": 0.56, "snow": 0.40, "rain": 0.34, "storm": 0.26}


class Sky:
    """Everything that hangs at infinity, painted first."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._sky = gradient(stage)
        self._stars = stars(stage) * stage.palette.stars if stage.palette.stars > 0.04 else None
        self._twinkle = cloudy(stage.script.dice("twinkle"), 128, falloff=0.6)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Fill the whole canvas."""
        scale, across, down = placed(self.stage, view, 0.0)
        matrix = np.array([[scale, 0, across], [0, scale, down]], np.float64)
        size = (self.stage.width, self.stage.height)
        canvas[:] = cv2.warpAffine(self._sky, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        if self._stars is not None:
            shine = cv2.warpAffine(self._stars, matrix, size, borderMode=cv2.BORDER_CONSTANT)
            rows, columns = grid(*shine.shape)
            flicker = taken(self._twinkle, columns / 5 + view.seconds * 9, rows / 5 + view.seconds * 4)
            canvas += (shine * (0.55 + 0.6 * flicker))[..., None] * rgb("E8F0FF")


def gradient(stage: Stage) -> Canvas:
    """Return the clear sky with sun or moon in it, layer-sized."""
    palette = stage.palette
    rows, columns = grid(stage.high, stage.wide)
    height = np.clip((stage.sill - rows[:, :1]) / max(stage.sill, 1), 0, 1)
    stops = np.array([0.0, 0.12, 0.42, 1.0], np.float32)
    colours = np.stack([palette.low, mix(palette.low, palette.middle, 0.45), palette.middle, palette.top])
    column = np.stack([np.interp(height[:, 0] ** 0.85, stops, colours[:, channel]) for channel in range(3)], axis=1)
    column = cv2.GaussianBlur(column.astype(np.float32)[:, None, :], (0, 0), 1, sigmaY=max(1.0, stage.high / 22))
    sky = np.repeat(column.reshape(-1, 1, 3), stage.wide, axis=1).astype(np.float32)
    away = distance(stage, rows, columns)
    low_sun = 0.5 + 0.5 * float(np.clip(stage.sun_y / stage.horizon, 0, 1))
    glow = 0.55 * np.exp(-away / 0.10) + 0.42 * np.exp(-away / (0.34 * low_sun))
    sky += (glow * palette.glow)[..., None] * (palette.sun * 0.85 - sky * 0.35)
    return lit_disc(stage, sky, away)


def distance(stage: Stage, rows: Field, columns: Field) -> Field:
    """Return each pixel's distance from sun or moon, in frame heights."""
    across, down = columns - stage.column(stage.sun_x), rows - stage.row(stage.sun_y)
    return (np.hypot(across, down) / stage.height).astype(np.float32)


def lit_disc(stage: Stage, sky: Canvas, away: Field) -> Canvas:
    """Put the sun's or the moon's disc into a sky; a closed sky hides it."""
    visible = float(np.clip(stage.palette.glow * 2.6 - 0.25, 0, 1))
    night = stage.palette.stars > 0.6
    size = {"night": 0.040, "day": 0.024}.get(stage.script.hour, 0.034)
    edge = 1.6 / stage.height
    disc = 1 - step(size - edge, size + edge, away)
    colour = np.broadcast_to(mix(stage.palette.sun, rgb("FFFFFF"), 0.55), sky.shape).copy()
    if night:
        face = cloudy(stage.script.dice("moon"), 256, falloff=1.7)
        rows, columns = grid(*away.shape)
        seas = taken(face, columns * (90 / stage.height), rows * (90 / stage.height))
        colour *= (0.80 + 0.20 * step(0.30, 0.62, seas))[..., None]
    cover = (disc * visible)[..., None]
    return (sky * (1 - cover) + colour * cover).astype(np.float32)


def stars(stage: Stage) -> Field:
    """Return a field of stars, more of them faint than bright, thinning out towards the horizon."""
    generator = stage.script.dice("stars")
    field = np.zeros((stage.high, stage.wide), np.float32)
    many = int(0.0042 * stage.wide * stage.sill)
    columns = generator.uniform(2, stage.wide - 3, many)
    rows = generator.uniform(0, 1, many) ** 1.25 * max(4.0, stage.sill - 4)
    bright = np.minimum(1.0, 0.13 / generator.uniform(0.06, 1, many) ** 0.9) * (1 - rows / stage.sill) ** 0.5
    for column, row, strength in zip(columns, rows, bright, strict=True):
        left, top = int(column), int(row)
        right, below = column - left, row - top
        field[top, left] += strength * (1 - right) * (1 - below)
        field[top, left + 1] += strength * right * (1 - below)
        field[top + 1, left] += strength * (1 - right) * below
        field[top + 1, left + 1] += strength * right * below
    halo = cv2.GaussianBlur(np.maximum(field - 0.45, 0), (0, 0), stage.height / 260)
    made: Field = np.clip(field + halo * 3, 0, 1.2).astype(np.float32)
    return made


class Clouds:
    """A layer of cloud seen from below: it crowds at the horizon, drifts, and takes the sun's side."""

    SIZE = 384

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        generator = stage.script.dice("clouds")
        shape = cloudy(generator, self.SIZE, falloff=1.75)
        towers = cloudy(generator, self.SIZE, falloff=1.2)
        self._field = spread(shape + 0.22 * towers)
        self._cover = CLOUD_COVER[stage.script.weather] + float(generator.uniform(-0.04, 0.04))
        self._drift = float(generator.choice([-1, 1])) * float(generator.uniform(3.0, 5.0))
        palette = stage.palette
        self._lit: Colour = mix(palette.sun, palette.low, 0.25) * (0.34 + 0.66 * float(palette.light.mean()))
        self._dark: Colour = mix(mix(palette.middle, palette.near, 0.42), palette.haze, 0.30)
        if stage.script.hour == "day":
            self._lit, self._dark = mix(self._lit, rgb("FFFFFF"), 0.7), mix(palette.middle, rgb("8D9BAB"), 0.72)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Lay the clouds over the sky; they are computed at half size, being soft."""
        stage = self.stage
        base = stage.horizon_row(view)
        height = int(np.clip(base, 8, stage.height))
        rows, columns = grid(-(-height // 2), -(-stage.width // 2))
        up = np.maximum((base - rows * 2) / stage.height, 0.0)
        far = 1 / (up + 0.16)
        aside = (columns * 2 / stage.width - 0.5) / view.zoom + view.x * 0.35
        where_x = aside * far * 62 * stage.width / stage.height + self._drift * view.seconds + 40
        where_y = far * 78
        here = taken(self._field, where_x, where_y)
        sun_x = np.tanh((stage.sun_x - 0.5 - aside) * 3) * 7
        towards = taken(self._field, where_x + sun_x, where_y + 6)
        cover = step(self._cover, self._cover + 0.30, here) * step(0.0, 0.10, up)
        lit = np.clip(0.55 + 2.2 * (here - towards) - 0.75 * (here - self._cover - 0.12), 0, 1)
        near_sun = np.exp(-np.hypot(aside + 0.5 - stage.sun_x, stage.horizon - up - stage.sun_y) / 0.3)
        lit = np.clip(lit + 0.45 * near_sun * stage.palette.glow, 0, 1.15)[..., None]
        colour = self._dark + (self._lit - self._dark) * lit
        veil = (0.45 * np.exp(-up / 0.10))[..., None]
        colour = colour * (1 - veil) + stage.palette.low * veil
        sheet: Canvas = np.dstack((colour, cover * 0.92)).astype(np.float32)
        sheet = cv2.resize(sheet, (stage.width, height), interpolation=cv2.INTER_LINEAR)
        part = canvas[:height]
        part += (sheet[..., :3] - part) * sheet[..., 3:]

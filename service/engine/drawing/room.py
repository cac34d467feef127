"""A room: a window with the sky in it, light on wall and floor, a few things in silhouette, dust in the beam."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.colour import Colour, mix, rgb
from service.engine.drawing.noise import cloudy, grid, step, taken
from service.engine.drawing.silhouettes import smooth
from service.engine.drawing.stage import Canvas, Layer, Stage
from service.engine.drawing.woods import outline

WALLS = ("6E5A4C", "5C6A66", "6A5F74", "75684E", "4F5F72")


def window_box(stage: Stage) -> tuple[float, float, float, float]:
    """Return the window's edges in a layer: left, right, top, bottom."""
    middle = 0.36 if stage.sun_x < 0.5 else 0.64
    return stage.column(middle - 0.20), stage.column(middle + 0.20), stage.row(0.10), stage.row(0.60)


def walls(stage: Stage) -> Layer:
    """Return wall and floor around the window, lit by it."""
    rows, columns = grid(stage.high, stage.wide)
    paint = rgb(str(stage.script.dice("paint").choice(WALLS)))
    ground = stage.row(0.80)
    floor = np.clip(rows - ground, 0, 1)
    colour = plaster(stage, paint)
    colour += (boards(stage, ground) - colour) * floor[..., None]
    colour *= (1 - 0.5 * np.exp(-(((rows - ground) / (0.012 * stage.height)) ** 2)) * (1 - floor))[..., None]
    left, right, top, bottom = window_box(stage)
    inwards = np.minimum(np.minimum(columns - left, right - columns), np.minimum(rows - top, bottom - rows))
    beside = np.abs(np.abs(columns - (left + right) / 2) - (right - left) / 6)
    bars = step(stage.height * 0.004, stage.height * 0.006, np.minimum(beside, np.abs(rows - (top + bottom) / 2)))
    panes = np.clip(inwards + 0.5, 0, 1) * bars
    frame = mix(paint * 0.5, stage.palette.near, 0.3) * (0.35 + 0.5 * stage.palette.light)
    casing = np.clip(inwards + stage.height * 0.012, 0, 1)
    colour += (frame - colour) * casing[..., None]
    return Layer(stage, 0.72, np.clip(colour, 0, 1).astype(np.float32), (1 - panes).astype(np.float32))


def plaster(stage: Stage, paint: Colour) -> Canvas:
    """Return the wall, brightest around the window."""
    rows, columns = grid(stage.high, stage.wide)
    left, right, top, bottom = window_box(stage)
    across = np.maximum(np.maximum(left - columns, columns - right), 0) / stage.height
    down = np.maximum(np.maximum(top - rows, rows - bottom), 0) / stage.height
    ambient = 0.14 + 0.24 * float(stage.palette.light.mean()) ** 2
    level = (ambient + 0.42 * np.exp(-np.hypot(across, down) / 0.28))[..., None]
    lamp = mix(rgb("5A4030"), rgb("FFC078"), 0.25) * 0.22 * stage.palette.lamps
    rough = taken(cloudy(stage.script.dice("plaster"), 256, falloff=1.0), columns * 0.8, rows * 0.8)
    daylight = mix(stage.palette.light * 0.9, stage.palette.sun, 0.3)
    made: Canvas = paint * (level * daylight + lamp) * (0.95 + 0.10 * rough)[..., None]
    return made


def boards(stage: Stage, ground: float) -> Canvas:
    """Return the floor from a row on: boards in perspective, and the window's light lying slanted on them."""
    rows, columns = grid(stage.high, stage.wide)
    left, right, _top, _bottom = window_box(stage)
    away = np.maximum((rows - ground) / stage.height, 0) + 0.12
    gaps = np.abs(((columns - stage.wide / 2) / away / stage.height * 0.55) % 1 - 0.5)
    wood = rgb("6B4A30") * (0.20 + 0.40 * stage.palette.light) * (0.82 + 0.18 * step(0.0, 0.06, gaps))[..., None]
    slant = (columns - (left + right) / 2) / stage.width + (0.55 if stage.sun_x < 0.5 else -0.55) * (away - 0.12)
    patch = 1 - step(0.15, 0.21, np.abs(slant))
    bars = step(0.0, 0.012, np.abs(np.abs(slant) - 0.07) - 0.004)
    fade = np.exp(-np.maximum(away - 0.14, 0) / 0.16)
    wood += (patch * bars * fade * 0.55 * stage.palette.glow)[..., None] * stage.palette.sun
    made: Canvas = wood
    return made


def sill(stage: Stage) -> tuple[float, float]:
    """Return where something can sit: a column and the window sill's row."""
    left, right, _top, bottom = window_box(stage)
    return left + (right - left) * 0.68, bottom


def things(stage: Stage) -> Layer:
    """Return a plant and the back of an armchair before the light."""
    mask = np.zeros((stage.high, stage.wide), np.uint8)
    generator = stage.script.dice("things")
    size, side = stage.height, -1 if stage.sun_x < 0.5 else 1
    x, y = stage.column(0.5 - side * 0.34), stage.row(0.93)
    for _ in range(15):
        turn = float(generator.uniform(-1.25, 1.25))
        reach = size * float(generator.uniform(0.14, 0.30))
        tip = (x + reach * np.sin(turn), y - size * 0.10 - reach * np.cos(turn))
        bend = (x + reach * 0.35 * np.sin(turn * 0.6), y - size * 0.10 - reach * 0.62)
        width = size * 0.014
        outline(mask, np.array([(x, y - size * 0.10), (bend[0] - width, bend[1]), tip, (bend[0] + width, bend[1])]))
    outline(
        mask,
        np.array(
            [
                (x - size * 0.055, y - size * 0.11),
                (x + size * 0.055, y - size * 0.11),
                (x + size * 0.04, y),
                (x - size * 0.04, y),
            ]
        ),
    )
    x, y = stage.column(0.5 + side * 0.30), stage.row(1.0)
    chair = np.array(
        [
            (-0.17, 0.0),
            (-0.18, -0.20),
            (-0.12, -0.22),
            (-0.12, -0.36),
            (-0.06, -0.42),
            (0.06, -0.42),
            (0.12, -0.36),
            (0.12, -0.22),
            (0.18, -0.20),
            (0.17, 0.0),
        ]
    )
    outline(mask, smooth(chair, 2) * size + (x, y))
    cover = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), stage.height / 500)
    dark = mix(stage.palette.near * 0.7, rgb("2B2320") * (0.3 + 0.5 * stage.palette.light), 0.5)
    colour = np.empty((stage.high, stage.wide, 3), np.float32)
    colour[:] = dark
    shifted = np.roll(cover, (max(1, stage.height // 170), side * max(1, stage.height // 130)), (0, 1))
    colour += (np.clip(cover - shifted, 0, 1) * 0.35 * stage.palette.glow)[..., None] * stage.palette.sun
    return Layer(stage, 1.0, np.clip(colour, 0, 1), cover)

"""A city: blocks behind blocks, windows that light up towards night, and a wet ground that mirrors them."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.colour import TINTS, Colour, mix, rgb
from service.engine.drawing.land import graded
from service.engine.drawing.noise import Field, grid, step
from service.engine.drawing.stage import Canvas, Layer, Stage

WARM = ("FFD79A", "FFC377", "FFE9C8", "FFB565", "F4F0E4")
NEON = ("FF4FA3", "3CE6FF", "8A5BFF", "FFB02E", "3DFFB0")


def blocks(stage: Stage) -> list[Layer]:
    """Return four rows of buildings."""
    return [row_of_blocks(stage, index, index / 3) for index in range(4)]


def row_of_blocks(stage: Stage, index: int, part: float) -> Layer:
    """Return one row of buildings; the nearer, the larger, the darker, the more lit windows are seen."""
    generator = stage.script.dice(f"blocks {index}")
    depth = 0.16 + 0.62 * part
    rows, _columns = grid(stage.high, stage.wide)
    cover = np.zeros((stage.high, stage.wide), np.float32)
    wall = stage.palette.land(TINTS["city"], 0.25 + 0.75 * depth)
    air = mix(stage.palette.haze, wall, 0.30 + 0.5 * depth)
    base = stage.sill + stage.height * (0.004 + 0.03 * part)
    tallest = stage.height * (0.40 - 0.10 * part)
    height_part = np.clip((base - rows) / tallest, 0, 1)
    colour = graded(air, wall, step(0, 0.8, height_part))
    left = -stage.width * 0.05
    while left < stage.wide:
        width = stage.width * float(generator.uniform(0.035, 0.085)) * (0.75 + 0.9 * part)
        centre = np.exp(
            -((((left + width / 2) / stage.wide - 0.5 - 0.16 * (1 if stage.sun_x < 0.5 else -1)) / 0.30) ** 2)
        )
        height = tallest * float(generator.uniform(0.22, 0.62)) * (0.75 + 0.75 * centre)
        if generator.random() < 0.16:
            height *= float(generator.uniform(1.2, 1.45))
        block(stage, generator, cover, colour, (left, width, base, height), depth)
        left += width * float(generator.uniform(0.86, 1.15))
    return Layer(stage, depth, np.clip(colour, 0, 1.0), cover)


def block(
    stage: Stage,
    generator: np.random.Generator,
    cover: Field,
    colour: Canvas,
    box: tuple[float, float, float, float],
    depth: float,
) -> None:
    """Draw one building: a box, perhaps narrower towards its top, an aerial, its sunny side, its windows."""
    left, width, base, height = box
    steps = [(0.0, 1.0)] if generator.random() < 0.6 else [(0.0, 0.82), (float(generator.uniform(0.10, 0.2)), 1.0)]
    shade = 1 + float(generator.uniform(-0.12, 0.12))
    for inset, reach in steps:
        x0, x1 = round(left + inset * width), round(left + width - inset * width)
        y0, y1 = round(base - height * reach), round(base)
        if x1 <= 0 or x0 >= stage.wide or x1 - x0 < 2:
            continue
        x0, x1, y0 = max(0, x0), min(stage.wide, x1), max(0, y0)
        cover[y0:y1, x0:x1] = 1
        colour[y0:y1, x0:x1] *= shade
        lit = (x1 - x0) // 3
        side = slice(x1 - lit, x1) if stage.sun_x > 0.5 else slice(x0, x0 + lit)
        colour[y0:y1, side] += stage.palette.sun * 0.05 * depth * (0.3 + stage.palette.glow)
        windows(stage, generator, colour, (x0, x1, y0, y1), depth)
    if generator.random() < 0.35:
        x, top = int(np.clip(left + width / 2, 1, stage.wide - 2)), int(max(0, base - height * 1.22))
        cover[top : int(base - height), x : x + max(1, stage.height // 420)] = 1


def windows(
    stage: Stage, generator: np.random.Generator, colour: Canvas, box: tuple[int, int, int, int], depth: float
) -> None:
    """Light some of a building's windows; by day they only mirror the sky a little."""
    x0, x1, y0, y1 = box
    cell_y, cell_x = (
        max(3, round(stage.height * (0.008 + 0.007 * depth))),
        max(3, round(stage.height * (0.007 + 0.005 * depth))),
    )
    across, down = (x1 - x0 - 1) // cell_x, (y1 - y0 - cell_y) // cell_y
    if across < 1 or down < 1:
        return
    lamps = stage.palette.lamps
    shine = rgb(str(generator.choice(WARM)))
    busy = float(generator.uniform(0.04, 0.42))
    lit = (generator.random((down, across)) < 0.05 + busy * lamps).astype(np.float32)
    lit *= generator.uniform(0.2, 1.0, (down, across)) ** 1.5
    glass = cv2.resize(lit.astype(np.float32), (across * cell_x, down * cell_y), interpolation=cv2.INTER_NEAREST)
    inner_y, inner_x = np.arange(down * cell_y) % cell_y, np.arange(across * cell_x) % cell_x
    frame = (inner_y[:, None] < cell_y * 0.62) & (inner_x[None, :] < cell_x * 0.62)
    part = colour[y0 + cell_y // 2 : y0 + cell_y // 2 + down * cell_y, x0 + 1 : x0 + 1 + across * cell_x]
    glow = (glass * frame)[: part.shape[0], : part.shape[1], None]
    light: Colour = shine if lamps > 0.2 else stage.palette.low
    part += (light - part) * glow * (0.20 + 0.75 * lamps) * (0.35 + 0.65 * depth)


def signs(stage: Stage) -> Layer:
    """Return neon signs before the nearest blocks, each with its halo."""
    generator = stage.script.dice("signs")
    colour: Canvas = np.zeros((stage.high, stage.wide, 3), np.float32)
    cover = np.zeros((stage.high, stage.wide), np.float32)
    for _ in range(9):
        x, y = int(generator.uniform(0, stage.wide)), int(stage.sill - stage.height * generator.uniform(0.02, 0.16))
        wide, high = (
            int(stage.height * generator.uniform(0.006, 0.016)),
            int(stage.height * generator.uniform(0.03, 0.075)),
        )
        if generator.random() < 0.35:
            wide, high = high, wide
        shine = rgb(str(generator.choice(NEON)))
        cv2.rectangle(cover, (x, y), (x + wide, y + high), 1.0, -1, cv2.LINE_AA)
        cv2.rectangle(colour, (x - 9, y - 9), (x + wide + 9, y + high + 9), tuple(float(part) for part in shine), -1)
    halo = cv2.GaussianBlur(cover, (0, 0), stage.height / 60) * 1.1
    colour = cv2.GaussianBlur(colour, (0, 0), stage.height / 120)
    strongest = colour.max(axis=2, keepdims=True) + 1e-3
    return Layer(
        stage, 0.8, np.clip(colour / strongest, 0, 1).astype(np.float32), np.clip(cover + halo, 0, 1).astype(np.float32)
    )

"""Woods: firs behind firs in the mist, a forest floor, trunks close by that frame the view."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.colour import TINTS, mix, rgb
from service.engine.drawing.land import below, graded
from service.engine.drawing.noise import Field, cloudy, grid, line, step, taken
from service.engine.drawing.stage import Canvas, Layer, Stage, View

FINE = 4  # polygon points are given to OpenCV in sixteenths of a pixel


def outline(mask: Field, points: Field) -> None:
    """Fill a polygon into a mask, its edges smooth and its points anywhere between the pixels."""
    fixed = np.round(points * (1 << FINE)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, FINE)


def fir(generator: np.random.Generator, x: float, base: float, height: float) -> Field:
    """Return a fir's outline: tiers of drooping branches, each a little off."""
    tiers = int(generator.integers(13, 20))
    width = height * float(generator.uniform(0.15, 0.22))
    right: list[tuple[float, float]] = []
    left: list[tuple[float, float]] = []
    for tier in range(tiers):
        down = ((tier + 1) / tiers) ** 1.05
        y = base - height * (1 - 0.94 * down)
        for side, edge in ((1, right), (-1, left)):
            reach = width * down * float(generator.uniform(0.72, 1.12))
            edge.append((x + side * reach, y + height * float(generator.uniform(0.004, 0.02))))
            edge.append((x + side * reach * 0.55, y - height * 0.008))
    trunk = width * 0.11
    foot = [(x + trunk, base - height * 0.05), (x + trunk, base), (x - trunk, base), (x - trunk, base - height * 0.05)]
    return np.array([(x, base - height), *right, *foot, *reversed(left)], np.float64)


def firs(stage: Stage, layers: int = 5) -> list[Layer]:
    """Return rows of firs, each nearer, larger and darker; mist lies at their feet."""
    made = []
    rows, _columns = grid(stage.high, stage.wide)
    for index in range(layers):
        part = index / max(1, layers - 1)
        depth = 0.16 + 0.72 * part
        generator = stage.script.dice(f"firs {index}")
        rise = line(generator, stage.wide, stage.wide * 0.6, gain=0.4, octaves=4)
        crest = stage.sill + stage.height * (0.02 + 0.34 * part**1.3) - stage.height * 0.03 * rise
        mask = np.zeros((stage.high, stage.wide), np.uint8)
        height = stage.height * (0.16 + 0.46 * part**1.15)
        spacing = height * (0.13 + 0.10 * part)
        for x in np.arange(-spacing, stage.wide + spacing, spacing):
            if part > 0.6 and generator.random() < 0.30 + 0.3 * (part > 0.9):
                continue
            at = x + float(generator.uniform(-0.5, 0.5)) * spacing
            foot = float(crest[int(np.clip(at, 0, stage.wide - 1))]) + stage.height * 0.012
            outline(mask, fir(generator, at, foot, height * float(generator.uniform(0.6, 1.15))))
        cover = np.maximum(mask.astype(np.float32) / 255, below(crest, rows))
        dark = stage.palette.land(TINTS["forest"], 0.12 + 0.88 * depth)
        mist = mix(stage.palette.haze, dark, 0.18 + 0.55 * depth)
        foot_of = np.clip((rows - (crest[None, :] - 0.75 * height)) / (0.85 * height + 0.05 * stage.height), 0, 1)
        made.append(Layer(stage, depth, graded(dark, mist, step(0.1, 1.0, foot_of)), cover, crest=crest))
    return made


def floor(stage: Stage) -> Layer:
    """Return the forest floor before us, with grass at its edge."""
    return grass(stage, 0.94, "forest", 1.02)


def grass(stage: Stage, top: float, kind: str, depth: float) -> Layer:
    """Return a bank of grass whose blades stand against the light and sway."""
    generator = stage.script.dice(f"grass {kind} {top}")
    rows, _columns = grid(stage.high, stage.wide)
    crest = stage.row(top) - stage.height * 0.02 * line(generator, stage.wide, stage.wide * 0.5, octaves=4)
    mask = np.zeros((stage.high, stage.wide), np.uint8)
    for x in np.arange(0, stage.wide, max(1.2, stage.height / 300)):
        tall = stage.height * float(generator.uniform(0.018, 0.075)) * (0.5 + generator.random() ** 2)
        lean, foot = float(generator.uniform(-0.45, 0.45)) * tall, float(crest[min(stage.wide - 1, int(x))]) + 3
        half = max(0.6, stage.height / 620)
        middle = (x + lean * 0.35, foot - tall * 0.6)
        blade = [
            (x - half, foot),
            (middle[0] - half * 0.7, middle[1]),
            (x + lean, foot - tall),
            (middle[0] + half * 0.7, middle[1]),
            (x + half, foot),
        ]
        outline(mask, np.array(blade))
    cover = np.maximum(mask.astype(np.float32) / 255, below(crest, rows))
    near = mix(stage.palette.land(TINTS[kind], 1.0), stage.palette.near, 0.55)
    light = mix(
        near, stage.palette.sun * 0.5 + stage.palette.land(TINTS[kind], 0.9) * 0.5, 0.35 * (0.4 + stage.palette.glow)
    )
    down = np.clip((rows - crest[None, :]) / (0.07 * stage.height) + 0.6, 0, 1)
    return Layer(stage, depth, graded(light, near, step(0, 1, down)), cover, crest=crest, sway=0.05)


def trunks(stage: Stage) -> Layer:
    """Return two or three dark trunks close by, out of focus."""
    generator = stage.script.dice("trunks")
    rows, columns = grid(stage.high, stage.wide)
    cover = np.zeros((stage.high, stage.wide), np.float32)
    for part in (generator.uniform(-0.02, 0.10), generator.uniform(0.90, 1.03)):
        bend = stage.height * 0.02 * line(generator, stage.high, stage.high * 0.8, octaves=3)
        half = stage.height * float(generator.uniform(0.030, 0.055))
        flare = half * (1 + 0.5 * (rows / stage.high) ** 6)
        across = np.abs(columns - stage.column(float(part)) - bend[:, None])
        cover = np.maximum(cover, np.clip((flare - across) / (stage.height * 0.008) + 0.5, 0, 1))
    bark = taken(cloudy(generator, 256, falloff=1.2), columns * (900 / stage.height), rows * (90 / stage.height))
    dark = mix(
        mix(stage.palette.near, rgb("1A1512") * (0.4 + 0.6 * stage.palette.light), 0.6), stage.palette.haze, 0.05
    )
    colour = dark * (0.75 + 0.5 * bark)[..., None]
    soft = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), stage.height / 300)
    return Layer(stage, 1.15, np.clip(colour, 0, 1).astype(np.float32), soft)


class Rays:
    """Shafts of light from the sun through whatever stands before it, drifting a little."""

    def __init__(self, stage: Stage, strength: float) -> None:
        self.stage, self.strength = stage, strength
        generator = stage.script.dice("rays")
        self._beams = cloudy(generator, 256, falloff=1.1)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Add the shafts, computed at a quarter of the size."""
        stage = self.stage
        rows, columns = grid(-(-stage.height // 4), -(-stage.width // 4))
        sun_x, sun_y = (stage.sun_x - view.x * 0.35) * stage.width, (stage.sun_y - view.tilt) * stage.height
        across, down = columns * 4 - sun_x, rows * 4 - sun_y
        # The shafts spread from a point above the sun, as they do through a gap; near that point they would crowd.
        angle = np.arctan2(across, down + 0.35 * stage.height)
        spread = step(0.12, 0.5, np.hypot(across, down + 0.35 * stage.height) / stage.height) * np.clip(
            np.cos(angle), 0, 1
        )
        away = np.hypot(across, down) / stage.height
        beams: Field = step(0.42, 0.86, taken(self._beams, angle * 26 + 300, np.full_like(angle, 2.2 * view.seconds)))
        light = beams * spread * np.exp(-away / 0.55) * self.strength * stage.palette.glow
        canvas += cv2.resize(light, (stage.width, stage.height))[..., None] * stage.palette.sun

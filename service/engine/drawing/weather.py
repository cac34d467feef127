"""What falls, floats and flies: rain, snow, mist, fireflies, dust in the light, birds."""

from __future__ import annotations

import math

import cv2
import numpy as np

from service.engine.drawing.colour import Colour, mix, rgb
from service.engine.drawing.noise import Field, cloudy, grid, step, taken
from service.engine.drawing.stage import Canvas, Stage, View

FINE = 4


class Specks:
    """Soft points that drift for ever through the frame: snow, dust, fireflies, spray."""

    def __init__(
        self, stage: Stage, name: str, many: int, size: float, fall: float, drift: float, colour: Colour, power: float
    ) -> None:
        self.stage, self.fall, self.drift, self.colour, self.power = stage, fall, drift, colour, power
        generator = stage.script.dice(name)
        self._at = generator.uniform(0, 1, (many, 2))
        self._near = generator.uniform(0.25, 1.0, many) ** 1.5
        self._phase = generator.uniform(0, 2 * math.pi, (many, 2))
        self._size = size
        self._pulsing = name == "fireflies"

    def paint(self, canvas: Canvas, view: View) -> None:
        """Add the specks where they are now."""
        stage, mask = self.stage, np.zeros(canvas.shape[:2], np.uint8)
        time = view.seconds
        across = (
            self._at[:, 0] + self._near * (self.drift * time - view.x) + 0.012 * np.sin(1.3 * time + self._phase[:, 0])
        )
        down = (
            self._at[:, 1]
            + self._near * (self.fall * time - view.tilt)
            + 0.006 * np.sin(1.7 * time + self._phase[:, 1])
        )
        across, down = (across % 1.1 - 0.05) * stage.width, (down % 1.1 - 0.05) * stage.height
        shine = 0.55 + 0.45 * np.sin(2.4 * time + self._phase[:, 0] * 3) if self._pulsing else np.ones(len(across))
        for x, y, near, power in zip(across, down, self._near, shine, strict=True):
            centre = (round(x * (1 << FINE)), round(y * (1 << FINE)))
            radius = round(max(0.5, self._size * near * stage.height) * (1 << FINE))
            cv2.circle(
                mask, centre, radius, int(255 * np.clip(power * (0.35 + 0.65 * near), 0, 1)), -1, cv2.LINE_AA, FINE
            )
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.6, self._size * stage.height * 0.6)).astype(np.float32)
        canvas += (self.colour - canvas) * (soft * (self.power / 255))[..., None]


class Rain:
    """Streaks in two depths, the near ones faster and longer."""

    def __init__(self, stage: Stage, strength: float) -> None:
        self.stage, self.strength = stage, strength
        generator = stage.script.dice("rain")
        self._sheets = [self._sheet(generator, *form) for form in ((0.05, 700, 0.5), (0.11, 260, 1.0))]
        self._colour = mix(stage.palette.haze, rgb("FFFFFF"), 0.5)

    def _sheet(self, generator: np.random.Generator, length: float, many: int, width: float) -> Field:
        stage = self.stage
        sheet = np.zeros((stage.height, stage.width), np.uint8)
        for _ in range(many):
            x, y = generator.uniform(0, stage.width), generator.uniform(0, stage.height)
            tall = stage.height * length * float(generator.uniform(0.6, 1.2))
            for turn in (0, stage.height):  # drawn twice, so that the sheet has no seam
                start = (int(x * 16), int((y - turn) * 16))
                end = (int((x - 0.10 * tall) * 16), int((y - turn + tall) * 16))
                cv2.line(sheet, start, end, int(generator.uniform(60, 200) * width), 1, cv2.LINE_AA, FINE)
        return sheet

    def paint(self, canvas: Canvas, view: View) -> None:
        """Lay both sheets over the picture."""
        for sheet, speed in zip(self._sheets, (1.7, 3.1), strict=True):
            down = int(view.seconds * speed * self.stage.height) % self.stage.height
            fallen = np.roll(sheet, (down, -int(down * 0.1)), (0, 1)).astype(np.float32)
            canvas += (self._colour - canvas) * (fallen * (0.34 * self.strength / 255))[..., None]


class Mist:
    """A bank of mist that drifts along the ground, thickest around one row of the frame."""

    def __init__(self, stage: Stage, row: float, height: float, strength: float, depth: float) -> None:
        self.stage, self.row, self.height, self.strength, self.depth = stage, row, height, strength, depth
        generator = stage.script.dice(f"mist {row}")
        self._field = cloudy(generator, 256, falloff=1.7, stretch=1.8)
        self._speed = float(generator.uniform(5, 9)) * float(generator.choice([-1, 1]))
        self._colour = mix(stage.palette.haze, stage.palette.low, 0.35)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Lay the mist over what is behind it, computed at a quarter of the size."""
        stage = self.stage
        rows, columns = grid(-(-stage.height // 4), -(-stage.width // 4))
        aside = columns * 4 / stage.height + view.x * self.depth * stage.width / stage.height
        down = rows * 4 / stage.height + view.tilt - self.row
        shape = taken(self._field, aside * 90 + self._speed * view.seconds, down * 150)
        cover = np.exp(-((down / self.height) ** 2)) * (0.25 + 0.75 * step(0.2, 0.8, shape)) * self.strength
        whole = cv2.resize(cover.astype(np.float32), (stage.width, stage.height))
        canvas += (self._colour - canvas) * whole[..., None]


class Flash:
    """Lightning: once or twice in a shot the whole sky is bright for an instant."""

    def __init__(self, stage: Stage) -> None:
        generator = stage.script.dice("flash")
        self._times = generator.uniform(0.25, 2.6, 2)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Brighten the picture if it is the moment."""
        since = [view.seconds % 4 - time for time in self._times]
        power = sum(math.exp(-passed / 0.10) for passed in since if passed >= 0)
        if power > 0.01:
            canvas += (rgb("DCE6FF") - canvas) * min(0.55, 0.5 * power)


class Birds:
    """A loose flock far away, wings beating, gliding across."""

    def __init__(self, stage: Stage, many: int) -> None:
        self.stage = stage
        generator = stage.script.dice("birds")
        self._at = generator.normal(0, (0.10, 0.045), (many, 2))
        self._size = generator.uniform(0.011, 0.021, many)
        self._phase = generator.uniform(0, 2 * math.pi, many)
        self._beat = generator.uniform(5.5, 7.5, many)
        self._way = float(generator.choice([-1, 1]))
        self._middle = (0.5 - 0.14 * self._way, float(generator.uniform(0.40, 0.60)) * stage.horizon)
        self._colour = mix(stage.palette.near, stage.palette.haze, 0.18)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Draw each bird as two bent wings."""
        stage, mask = self.stage, np.zeros(canvas.shape[:2], np.uint8)
        for (x, y), size, phase, beat in zip(self._at, self._size, self._phase, self._beat, strict=True):
            across = (self._middle[0] + x + self._way * 0.055 * view.seconds - view.x * 0.5) * stage.width
            down = (self._middle[1] + y - view.tilt + 0.004 * math.sin(view.seconds * 1.3 + phase)) * stage.height
            lift = math.sin(beat * view.seconds + phase) * 0.75 + 0.15
            span = size * stage.height
            wing = np.array(
                [
                    (-1, -lift * 0.55),
                    (-0.55, -lift * 0.75 - 0.06),
                    (0, 0.05),
                    (0.55, -lift * 0.75 - 0.06),
                    (1, -lift * 0.55),
                ]
            )
            points = np.round((wing * span + (across, down)) * 16).astype(np.int32)
            strokes = {"thickness": max(1, round(span / 7)), "lineType": cv2.LINE_AA, "shift": FINE}
            cv2.polylines(mask, [points], isClosed=False, color=255, **strokes)
        canvas += (self._colour - canvas) * (mask.astype(np.float32) / 255)[..., None]

"""Who is in the picture: silhouettes that stand on the land, sail, hang in the air, with the sun on their edge."""

from __future__ import annotations

import math
from itertools import groupby

import cv2
import numpy as np

from service.engine.drawing.colour import Colour, mix, rgb
from service.engine.drawing.noise import Field, grid, line
from service.engine.drawing.silhouettes import ALL, Piece, Silhouette, smooth
from service.engine.drawing.stage import Canvas, Sheet, Stage, View, lay_over, placed

FINER = 4
WIDEST = 1.5  # half a silhouette's room, in its own heights


def tree(stage: Stage) -> Silhouette:
    """Return a broad-leaved tree with a crown of its own."""
    generator = stage.script.dice("tree")
    trunk = Piece(
        ((-0.07, 0.0), (0.08, 0.0), (0.035, 0.30), (0.16, 0.52), (0.03, 0.45), (-0.14, 0.52), (-0.03, 0.30)), round=1
    )
    leaves = []
    for _ in range(70):
        turn, reach = float(generator.uniform(0, 2 * np.pi)), float(generator.uniform(0, 1)) ** 0.5
        x, y = 0.36 * reach * math.cos(turn), 0.69 + 0.25 * reach * math.sin(turn)
        size = float(generator.uniform(0.035, 0.085))
        rough = 1 + 0.35 * line(generator, 24, 5, octaves=2)
        points = tuple(
            (x + size * float(r) * math.cos(k * math.pi / 12), y + size * float(r) * 0.85 * math.sin(k * math.pi / 12))
            for k, r in enumerate(rough)
        )
        leaves.append(Piece(points))
    return Silhouette(0.30, (trunk, *leaves))


class Standing:
    """One silhouette at a place in a layer; it may bob, drift, and be mirrored in water at its foot."""

    def __init__(
        self,
        stage: Stage,
        name: str,
        column: float,
        row: float,
        depth: float,
        *,
        size: float = 1.0,
        bob: float = 0.0,
        drift: float = 0.0,
        mirrored: bool = False,
        backlit: bool = False,
    ) -> None:
        self.stage, self.column, self.row, self.depth = stage, column, row, depth
        self.bob, self.drift, self.mirrored = bob, drift, mirrored
        shape = tree(stage) if name == "tree" else ALL[name]
        self._pixels = max(10.0, shape.height * size * stage.height)
        self._sprite = sprite(stage, shape, self._pixels, 1.0 if backlit else depth, faces=column < stage.wide / 2)
        self._lamp = name == "lighthouse" and stage.palette.lamps > 0.3

    def paint(self, canvas: Canvas, view: View) -> None:
        """Put the silhouette where the camera sees it."""
        stage = self.stage
        scale, across, down = placed(stage, view, self.depth)
        sway = self.bob * math.sin(1.6 * view.seconds + self.column) * stage.height
        x = scale * (self.column + self.drift * view.seconds * stage.width) + across
        y = scale * self.row + down + sway
        tilt = 0.05 * math.sin(1.6 * view.seconds + self.column + 1) if self.bob else 0.0
        if self.mirrored:
            self._put(canvas, x, y, scale, -1, tilt)
        self._put(canvas, x, y, scale, 1, tilt)
        if self._lamp:
            self._beam(canvas, x, y - 0.85 * self._pixels * scale, view.seconds)

    def _put(self, canvas: Canvas, x: float, y: float, scale: float, up: int, tilt: float) -> None:
        high, wide = self._sprite.shape[:2]
        reach = math.ceil(max(high, wide) * scale) + 2
        top, bottom = max(0, int(y) - reach), min(canvas.shape[0], int(y) + reach)
        left, right = max(0, int(x) - reach), min(canvas.shape[1], int(x) + reach)
        if top >= bottom or left >= right:
            return
        foot = high - 2 * self._pixels * 0.04
        squeeze = scale * (up if up > 0 else -0.75)
        matrix = np.array(
            [
                [scale, -tilt * squeeze, x - left - scale * wide / 2 + tilt * squeeze * foot],
                [tilt * scale, squeeze, y - top - squeeze * foot - tilt * scale * wide / 2],
            ]
        )
        seen: Sheet = cv2.warpAffine(self._sprite, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
        if up < 0:
            rows, _columns = grid(*seen.shape[:2])
            fade = np.clip(0.62 - (rows + top - y) / (1.1 * self._pixels * scale), 0, 0.62)
            seen = (seen * fade[..., None]).astype(np.uint8)
        lay_over(canvas[top:bottom, left:right], seen)

    def _beam(self, canvas: Canvas, x: float, y: float, seconds: float) -> None:
        rows, columns = grid(-(-canvas.shape[0] // 4), -(-canvas.shape[1] // 4))
        across, down = columns * 4 - x, rows * 4 - y
        turn = 0.9 * seconds + 0.6
        facing = math.cos(turn)
        along = across * (1 if facing > 0 else -1)
        width = 0.05 + 0.5 * (1 - abs(facing)) ** 2
        cone = np.exp(-((down / (np.maximum(along, 1) * width + 3)) ** 2)) * (along > 0)
        away = np.hypot(across, down) / canvas.shape[0]
        light = cone * np.exp(-away / (0.20 + 0.30 * abs(facing))) * abs(facing) * 0.55
        light += np.exp(-away / 0.022) * (0.7 + 0.6 * abs(math.sin(turn)) ** 6)
        glow = cv2.resize(light.astype(np.float32), (canvas.shape[1], canvas.shape[0]))[..., None]
        canvas += glow * rgb("FFEFC2") * self.stage.palette.lamps


def sprite(stage: Stage, shape: Silhouette, pixels: float, depth: float, *, faces: bool) -> Sheet:
    """Return a silhouette as premultiplied RGBA bytes, drawn finer and brought down, its sunny edge lit."""
    size = FINER * pixels
    high, wide = math.ceil(size * 1.16), math.ceil(size * 2 * WIDEST)
    colours = tones(stage, depth)
    colour = np.zeros((high, wide, 3), np.float32)
    cover = np.zeros((high, wide), np.float32)
    for tone, pieces in groupby(shape.pieces, lambda piece: piece.tone):
        mask = np.zeros((high, wide), np.uint8)
        for piece in pieces:
            points = smooth(np.array(piece.points), piece.round) * (1 if faces else -1, 1)
            at = points * (size, -size) + (wide / 2, high - 2 * size * 0.04)
            cv2.fillPoly(mask, [np.round(at * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        part = (mask.astype(np.float32) / 255)[..., None]
        colour += (colours[tone] - colour) * part
        cover = np.maximum(cover, part[..., 0])
    colour += rim(stage, cover, size)[..., None] * stage.palette.sun
    sheet = np.dstack((np.clip(colour, 0, 1) * cover[..., None], cover))
    small = cv2.resize(sheet, (math.ceil(wide / FINER), math.ceil(high / FINER)), interpolation=cv2.INTER_AREA)
    made: Sheet = np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)
    return made


def tones(stage: Stage, depth: float) -> dict[str, Colour]:
    """Return the colours of a silhouette's pieces in this light."""
    palette = stage.palette
    air = 0.55 * (1 - depth) + 0.04 + 0.12 * palette.lamps
    body = mix(mix(palette.near, rgb("2A2E38") * (0.3 + 0.7 * palette.light), 0.35), palette.haze, air)
    pale = mix(mix(rgb("F2E8DA") * (0.22 + 0.78 * palette.light), palette.low, 0.25), palette.haze, air)
    lamp = mix(rgb("3A4048"), rgb("FFD38A"), float(np.clip(palette.lamps * 1.5, 0, 1)))
    return {"body": body, "pale": pale, "lamp": lamp}


def rim(stage: Stage, cover: Field, size: float) -> Field:
    """Return the light on the edge that looks to the sun."""
    reach = max(1, round(size * 0.014))
    aside = reach if stage.sun_x < 0.5 else -reach
    shifted = np.roll(cover, (reach // 2, aside), (0, 1))
    made: Field = np.clip(cover - shifted, 0, 1) * 0.42 * stage.palette.glow
    return made

"""Land: ridges behind ridges, each with its crest, its light, and the air before it."""

from __future__ import annotations

import cv2
import numpy as np

from service.engine.drawing.colour import TINTS, Colour, mix, rgb
from service.engine.drawing.noise import Field, cloudy, grid, line, ridged, step, taken
from service.engine.drawing.stage import Canvas, Layer, Stage

#: How land's texture lies, across and down: rock runs down, meadows lie flat.
GRAINS = {"field": (0.25, 1.5), "sea": (0.6, 0.9), "forest": (0.4, 1.2), "desert": (0.3, 1.2)}


def below(crest: Field, rows: Field) -> Field:
    """Return the cover of everything below a crest, its edge one pixel soft."""
    return np.clip(rows - crest[None, :] + 0.5, 0, 1).astype(np.float32)


def graded(top: Colour, bottom: Colour, part: Field) -> Canvas:
    """Return colours between two, by a field in [0, 1]."""
    made: Field = (top + (bottom - top) * part[..., None]).astype(np.float32)
    return made


def ridge(stage: Stage, kind: str, depth: float, crest: Field, fade: float, relief: float) -> Layer:
    """Make a layer of land below a crest; it fades into haze within `fade` heights, `relief` shades its slopes."""
    rows, columns = grid(stage.high, stage.wide)
    colour = soil(stage, kind, depth, crest, fade, relief)
    rim = np.exp(-np.maximum(rows - crest[None, :], 0) / max(1.0, stage.height / 220))
    towards = np.exp(-np.abs(columns - stage.column(stage.sun_x)) / (0.30 * stage.width))
    colour += (rim * towards * 0.28 * stage.palette.glow * depth)[..., None] * stage.palette.sun
    return Layer(stage, depth, np.clip(colour, 0, 1), below(crest, rows), crest=crest)


def soil(stage: Stage, kind: str, depth: float, crest: Field, fade: float, relief: float) -> Canvas:
    """Return the colours of land below a crest."""
    rows, columns = grid(stage.high, stage.wide)
    colour = stage.palette.land(TINTS[kind], depth)
    air = mix(stage.palette.haze, colour, 0.30 + 0.5 * depth)
    deep = np.clip((rows - crest[None, :]) / (fade * stage.height), 0, 1)
    shade = graded(colour, air, step(0, 1, deep))
    if relief > 0:
        shade *= 1 + relief * slopes(stage, kind, depth, rows, columns, crest)[..., None]
    return shade


def slopes(stage: Stage, kind: str, depth: float, rows: Field, columns: Field, crest: Field) -> Field:
    """Return light (+) and shadow (-) of slopes: what faces the sun is brighter."""
    generator = stage.script.dice(f"slopes {kind} {depth}")
    size = 256
    heights = cloudy(generator, size, falloff=1.55)
    scale = 300 / stage.height * (1.6 - 0.8 * depth)
    down = (rows - crest[None, :]) * 0.8
    grain_x, grain_y = GRAINS.get(kind, (1.0, 0.75))
    where_x, where_y = columns * scale * grain_x, down * scale * grain_y
    side = 2.5 if stage.sun_x > 0.5 else -2.5
    facing = taken(heights, where_x + side, where_y - 1) - taken(heights, where_x, where_y)
    made: Field = cv2.GaussianBlur(np.tanh(facing * 9), (0, 0), max(0.6, stage.height / 700)) * depth**0.5
    return made


def mountains(stage: Stage, layers: int = 5) -> list[Layer]:
    """Return ranges of mountains, the farthest first; winter and height put snow on them."""
    made = []
    snowy = layers if stage.script.weather == "snow" else 3
    for index in range(layers):
        depth = 0.14 + 0.62 * index / max(1, layers - 1)
        generator = stage.script.dice(f"range {index}")
        height = stage.height * (0.40 - 0.055 * index) * float(generator.uniform(0.85, 1.15))
        wave = stage.wide * float(generator.uniform(0.30, 0.46)) * (1.1 - 0.09 * index)
        profile = ridged(generator, stage.wide, wave, gain=0.46) - 0.42
        crest = stage.sill - height * profile * 1.75 + stage.height * (0.085 * index - 0.02)
        colour = soil(stage, "mountain", depth, crest, 0.30, 0.34)
        if index < snowy:
            colour = snowed(stage, colour, crest, depth, index)
        rows, _columns = grid(stage.high, stage.wide)
        made.append(Layer(stage, depth, np.clip(colour, 0, 1), below(crest, rows), crest=crest))
    return made


def snowed(stage: Stage, rock: Canvas, crest: Field, depth: float, index: int) -> Canvas:
    """Return rock with snow where it is high, running down the gullies."""
    rows, columns = grid(stage.high, stage.wide)
    patches = cloudy(stage.script.dice(f"snow {index}"), 256, falloff=1.25)
    broken = taken(patches, columns * (300 / stage.height), (rows - 0.6 * crest[None, :]) * (170 / stage.height))
    wintry = stage.script.weather == "snow"
    lowest = float(np.quantile(crest, 0.9 if wintry else 0.62)) + (0.25 * stage.height if wintry else 0.0)
    height = (lowest - rows) / stage.height + 0.20 * (broken - 0.5)
    cover = step(0.0, 0.12, height) * step(0.20, 0.42, broken + 0.6 * height)
    white = mix(stage.palette.haze, TINTS["snow"] * (0.30 + 0.70 * stage.palette.light), 0.30 + 0.65 * depth**0.5)
    light = 1 + 0.20 * slopes(stage, "snow", depth, rows, columns, crest)
    return (rock + (white * light[..., None] - rock) * (cover * 0.92)[..., None]).astype(np.float32)


def hills(
    stage: Stage,
    kind: str,
    layers: int = 4,
    *,
    first: float = 0.2,
    last: float = 1.0,
    start: float = 0.0,
    fall: float = 0.36,
) -> list[Layer]:
    """Return soft hills that come nearer; `start` is how far below the horizon the first begins."""
    made = []
    for index in range(layers):
        part = index / max(1, layers - 1)
        depth = first + (last - first) * part
        generator = stage.script.dice(f"hill {kind} {index}")
        wave = stage.wide * float(generator.uniform(0.5, 0.9)) * (0.75 + 0.5 * part)
        rise = stage.height * (0.05 + 0.025 * part)
        crest = (
            stage.sill
            + stage.height * (start - 0.035 + fall * part**1.35)
            - rise * line(generator, stage.wide, wave, gain=0.36, octaves=5)
        )
        if kind == "field" and 0 < index < layers - 1:
            made.append(copse(stage, crest, depth, index))
        made.append(ridge(stage, kind, depth, crest, 0.22 + 0.2 * part, 0.12))
    return made


def copse(stage: Stage, crest: Field, depth: float, index: int) -> Layer:
    """Return hedges and little woods that stand on a hill's crest here and there."""
    rows, _columns = grid(stage.high, stage.wide)
    generator = stage.script.dice(f"copse {index}")
    where = step(0.05, 0.5, line(generator, stage.wide, stage.wide * 0.22, octaves=3))
    crowns = np.abs(line(generator, stage.wide, stage.height * 0.05 * (0.5 + depth), gain=0.35, octaves=3)) ** 0.6
    tops = crest - stage.height * (0.018 + 0.022 * depth) * where * (0.55 + 0.55 * crowns)
    leaves = soil(stage, "forest", depth, tops, 0.5, 0.0) * 0.84
    return Layer(stage, depth, np.clip(leaves, 0, 1), below(tops, rows) * (rows < crest[None, :] + 3), crest=crest)


def dunes(stage: Stage) -> list[Layer]:
    """Return dunes: a sharp crest, one flank in the sun, the other in the shade, ripples on the near ones."""
    made = []
    rows, columns = grid(stage.high, stage.wide)
    for index in range(5):
        part = index / 4
        depth = 0.22 + 0.78 * part
        generator = stage.script.dice(f"dune {index}")
        wave = stage.wide * float(generator.uniform(0.55, 0.95)) * (0.6 + 0.6 * part)
        rise = stage.height * (0.07 + 0.05 * part)
        crest = (
            stage.sill
            + stage.height * (-0.02 + 0.38 * part**1.3)
            - rise * sharp(line(generator, stage.wide, wave, gain=0.22))
        )
        spine = spine_of(stage, crest, generator, part)
        side = 1.0 if stage.sun_x > 0.5 else -1.0
        lit = step(-0.05 - 0.10 * part, 0.05 + 0.10 * part, side * (columns - spine) / stage.width)
        warm = stage.palette.land(TINTS["desert"], depth)
        shade = mix(warm * 0.62, stage.palette.middle * 0.6, 0.22)
        colour = graded(shade, mix(warm, stage.palette.sun, 0.12 + 0.10 * stage.palette.glow), lit)
        ripple = np.sin((rows + 0.25 * (columns - spine)) * (2 * np.pi / (stage.height * (0.012 + 0.016 * part))))
        colour *= (1 + 0.035 * max(0.0, part - 0.3) * ripple)[..., None]
        deep = np.clip((rows - crest[None, :]) / (0.4 * stage.height), 0, 1)
        colour = graded_with(colour, mix(stage.palette.haze, warm, depth), 0.55 * step(0, 1, deep))
        made.append(Layer(stage, depth, np.clip(colour, 0, 1), below(crest, rows), crest=crest))
    return made


def sharp(profile: Field) -> Field:
    """Return a profile with its tops drawn to an edge."""
    return (1 - np.abs(profile) ** 0.85 * 1.4).astype(np.float32)


def spine_of(stage: Stage, crest: Field, generator: np.random.Generator, part: float) -> Field:
    """Return for each row the column at which a dune's sunny flank ends: it winds down from the highest crest."""
    top = float(np.argmin(cv2.GaussianBlur(crest[None, :], (0, 0), stage.wide / 30)[0]))
    down = np.arange(stage.high, dtype=np.float32) - crest.min()
    wind = line(generator, stage.high, stage.high * 0.5, gain=0.3, octaves=3)
    lean = float(generator.uniform(-0.5, 0.5))
    made: Field = (top + lean * down + wind * stage.width * 0.10 * (0.5 + part))[:, None]
    return made


def graded_with(colour: Canvas, other: Colour, part: Field) -> Canvas:
    """Return colours moved towards one other colour, by a field in [0, 1]."""
    made: Field = (colour + (other - colour) * part[..., None]).astype(np.float32)
    return made


def shore(stage: Stage) -> Layer:
    """Return a beach before the water: wet, dark sand at its edge, foam where the last wave was."""
    rows, columns = grid(stage.high, stage.wide)
    generator = stage.script.dice("shore")
    side = float(generator.choice([-1, 1]))
    slant = side * (columns[0] / stage.wide - 0.5) * stage.height * 0.16
    crest = stage.row(0.86) + slant + stage.height * 0.018 * line(generator, stage.wide, stage.wide * 0.4, octaves=3)
    down = (rows - crest[None, :]) / stage.height
    sand = stage.palette.land(rgb("D8B88A"), 0.95)
    wet = mix(mix(sand * 0.55, stage.palette.low, 0.28), stage.palette.near, 0.1)
    colour = graded(wet, sand, step(0.02, 0.11, down))
    speckle = cloudy(generator, 256, falloff=0.5)
    colour *= (0.94 + 0.12 * taken(speckle, columns, rows))[..., None]
    lace = taken(cloudy(generator, 256, falloff=1.1, stretch=1.6), columns * 300 / stage.height, down * 1400)
    foam = np.exp(-(((down - 0.006) / 0.010) ** 2)) * step(0.25, 0.65, lace)
    white = mix(stage.palette.low, rgb("FFFFFF"), 0.5) * (0.25 + 0.75 * float(stage.palette.light.mean()))
    return Layer(stage, 0.98, np.clip(graded_with(colour, white, foam * 0.9), 0, 1), below(crest, rows), crest=crest)


def headland(stage: Stage, side: int) -> Layer:
    """Return a rocky tongue of land that comes in from one side of the sea."""
    generator = stage.script.dice("headland")
    rows, columns = grid(stage.high, stage.wide)
    inward = columns[0] if side < 0 else stage.wide - columns[0]
    start = (stage.wide - stage.width) / 2
    part = np.clip((inward - start) / stage.width, -0.5, 1)
    shape = 0.115 * (1 - step(0.20, 0.46, part)) * (0.75 + 0.25 * (1 - part))
    rough = 0.016 * line(generator, stage.wide, stage.wide * 0.09, gain=0.55)
    crest = stage.sill - stage.height * (shape + rough * (shape > 0.004)) + stage.height * 0.02 * step(0.42, 0.50, part)
    colour = soil(stage, "sea", 0.5, crest, 0.25, 0.5)
    return Layer(stage, 0.42, np.clip(colour, 0, 1), below(crest, rows), crest=crest)


def spots(stage: Stage, layer: Layer, names: list[str]) -> list[tuple[str, float, float]]:
    """Return where subjects walk on a beach: name, column, row, just where the sand is wet."""
    places = (0.36, 0.58, 0.22) if stage.sun_x > 0.5 else (0.64, 0.42, 0.78)
    assert layer.crest is not None
    found = []
    for name, part in zip(names, places, strict=False):
        column = stage.column(part)
        found.append((name, column, float(layer.crest[int(column)]) + 0.035 * stage.height))
    return found

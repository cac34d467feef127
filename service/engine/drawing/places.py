"""Places put together: which items stand in a picture, from far to near."""

from __future__ import annotations

from collections.abc import Callable

from service.engine.drawing import city, land, room, silhouettes, space, woods
from service.engine.drawing.colour import mix, rgb
from service.engine.drawing.noise import Field
from service.engine.drawing.sky import Clouds, Sky
from service.engine.drawing.stage import Item, Layer, Stage
from service.engine.drawing.subjects import Standing
from service.engine.drawing.water import Water
from service.engine.drawing.weather import Birds, Flash, Mist, Rain, Specks

AFLOAT = frozenset({"boat"})
ALOFT = frozenset({"balloon"})
FLOCK = "birds"
HEIGHTS = {"tree": 0.3} | {name: shape.height for name, shape in silhouettes.ALL.items()}
#: Half of what a subject stands on, in its own heights.
FEET = {"castle": 0.5, "house": 0.55, "car": 0.8, "horse": 0.45, "dog": 0.5, "tree": 0.06, "lighthouse": 0.1}


def sky(stage: Stage) -> list[Item]:
    """Return the sky and what hangs or flies in it."""
    items: list[Item] = [Sky(stage), Clouds(stage)]
    if stage.script.weather == "storm":
        items.append(Flash(stage))
    generator = stage.script.dice("aloft")
    for name in stage.script.subjects:
        if name in ALOFT:
            for size, row, part in ((1.0, 0.52, 0.32), (0.55, 0.36, 0.60), (0.4, 0.46, 0.82)):
                at = part if stage.sun_x > 0.5 else 1 - part
                column = stage.column(at + float(generator.uniform(-0.07, 0.07)))
                drift = 0.004 * float(generator.uniform(0.5, 1.5))
                up = stage.row(row * stage.horizon / 0.6)
                items.append(Standing(stage, name, column, up, 0.3 + 0.4 * size, size=size, drift=drift, bob=0.003))
    return items


def flock(stage: Stage) -> list[Item]:
    """Return birds, if there are any."""
    return [Birds(stage, 11)] if FLOCK in stage.script.subjects else []


def grounded(stage: Stage) -> list[str]:
    """Return the subjects that stand on land."""
    return [name for name in stage.script.subjects if name not in AFLOAT | ALOFT | {FLOCK}]


def afloat(stage: Stage) -> list[Item]:
    """Return boats on the water, one or two, the smaller one farther."""
    if not AFLOAT & set(stage.script.subjects):
        return []
    generator = stage.script.dice("afloat")
    side = 0.30 if stage.sun_x > 0.5 else 0.70
    first = stage.column(side + float(generator.uniform(-0.06, 0.10)))
    second = stage.column(1 - side + float(generator.uniform(-0.10, 0.10)))
    drift = 0.006 * float(generator.choice([-1, 1]))
    return [
        Standing(stage, "boat", second, stage.sill + 0.012 * stage.height, 0.2, size=0.34, drift=drift, mirrored=True),
        Standing(stage, "boat", first, stage.sill + 0.13 * stage.height, 0.55, bob=0.004, drift=drift, mirrored=True),
    ]


def upon(stage: Stage, layer: Layer, names: list[str], *, size: float = 1.0) -> list[Item]:
    """Return subjects on a layer's crest, the first at a third of the picture away from the sun."""
    items: list[Item] = []
    if layer.crest is None:
        return items
    generator = stage.script.dice("upon")
    places = (0.34, 0.62, 0.20) if stage.sun_x > 0.5 else (0.66, 0.40, 0.80)
    for name, part in zip(names, places, strict=False):
        column = stage.column(part + float(generator.uniform(-0.05, 0.05)))
        scaled = size * (0.55 + 0.55 * layer.depth)
        row = footing(stage, layer.crest, column, name, scaled)
        items.append(Standing(stage, name, column, row, layer.depth, size=scaled))
    return items


def footing(stage: Stage, crest: Field, column: float, name: str, size: float) -> float:
    """Return the row a subject stands at: the lowest land under it, so that nothing of it hangs over a slope."""
    half = FEET.get(name, 0.2) * HEIGHTS[name] * size * stage.height
    under = crest[max(0, int(column - half)) : int(column + half) + 2]
    return float(under.max()) + 0.006 * stage.height


def between(stage: Stage, layers: list[Layer], at: int, *, size: float = 1.0) -> list[Item]:
    """Return layers with the subjects standing on one of them, so that nearer land covers their feet."""
    items: list[Item] = []
    for index, layer in enumerate(layers):
        items.append(layer)
        if index == at:
            items += upon(stage, layer, grounded(stage), size=size)
    return items


def air(stage: Stage) -> list[Item]:
    """Return what falls or floats before everything else."""
    weather, palette = stage.script.weather, stage.palette
    white = mix(palette.haze, rgb("FFFFFF"), 0.75)
    if weather in {"rain", "storm"}:
        return [Mist(stage, stage.horizon + 0.05, 0.16, 0.45, 0.4), Rain(stage, 1.0 if weather == "storm" else 0.75)]
    if weather == "snow":
        return [
            Specks(stage, "snow far", 320, 0.0016, 0.10, 0.012, white, 0.75),
            Specks(stage, "snow near", 90, 0.0052, 0.20, 0.03, white, 0.8),
        ]
    if weather == "fog":
        return [Mist(stage, stage.horizon + 0.12, 0.20, 0.62, 0.6), Mist(stage, stage.horizon - 0.04, 0.14, 0.4, 0.3)]
    if stage.script.place in {"forest", "field"} and palette.lamps > 0.8:
        return [Specks(stage, "fireflies", 46, 0.0035, -0.012, 0.008, rgb("FFE98A"), 0.95)]
    if stage.script.place in {"forest", "room"}:
        return [Specks(stage, "dust", 60, 0.0018, -0.008, 0.010, mix(palette.sun, rgb("FFFFFF"), 0.3), 0.5)]
    return []


def headland(stage: Stage) -> list[Item]:
    """Return a tongue of land at one side of the sea, with the subjects on it."""
    side = -1 if stage.sun_x > 0.5 else 1
    return [*upon_headland(stage, land.headland(stage, side), side)]


def upon_headland(stage: Stage, layer: Layer, side: int) -> list[Item]:
    """Return a headland and what stands on it; tall things behind its crest, so that rock covers their foot."""
    items: list[Item] = []
    for name, part in zip(grounded(stage), (0.16, 0.27, 0.08), strict=False):
        column = stage.column(part if side < 0 else 1 - part)
        assert layer.crest is not None
        row = float(layer.crest[int(column)]) + 0.012 * stage.height
        items.append(Standing(stage, name, column, row, layer.depth, size=0.8))
    return [*items, layer]


def sea(stage: Stage) -> list[Item]:
    """Return open water, far hills, perhaps a headland with a lighthouse, boats."""
    far = land.hills(stage, "sea", 2, first=0.10, last=0.24, start=0.012, fall=0.006)
    ashore = headland(stage) if grounded(stage) or stage.script.dice("ashore").random() < 0.5 else []
    return [*sky(stage), *far, *ashore, *flock(stage), Water(stage, 0.1), *afloat(stage), *air(stage)]


def beach(stage: Stage) -> list[Item]:
    """Return surf and sand."""
    sand = land.shore(stage)
    water: list[Item] = [Water(stage, 0.05), *afloat(stage)]
    walkers = [
        Standing(stage, name, column, row, 0.95, size=1.25, mirrored=True)
        for name, column, row in land.spots(stage, sand, grounded(stage))
    ]
    return [*sky(stage), *flock(stage), *water, sand, *walkers, *air(stage)]


def lake(stage: Stage) -> list[Item]:
    """Return still water before mountains and a dark shore."""
    shore = land.hills(stage, "forest", 1, first=0.42, start=0.012)
    return [
        *sky(stage),
        *land.mountains(stage, 3),
        *between(stage, shore, 0, size=0.8),
        *flock(stage),
        Water(stage, 0.82),
        *afloat(stage),
        Mist(stage, stage.horizon + 0.01, 0.035, 0.35, 0.3),
        *air(stage),
    ]


def mountain(stage: Stage) -> list[Item]:
    """Return range behind range, mist in the valleys."""
    ranges = land.mountains(stage, 5)
    items = between(stage, ranges, 4, size=0.8)
    items.insert(3, Mist(stage, stage.horizon - 0.02, 0.07, 0.5, 0.3))
    return [*sky(stage), *items, *flock(stage), *air(stage)]


def field(stage: Stage) -> list[Item]:
    """Return rolling hills and the grass before us."""
    far: list[Item] = [*land.mountains(stage, 1)] if stage.script.dice("far").random() < 0.5 else []
    items = between(stage, land.hills(stage, "field", 5), 4)
    return [*sky(stage), *far, *items, *flock(stage), woods.grass(stage, 0.93, "field", 1.08), *air(stage)]


def desert(stage: Stage) -> list[Item]:
    """Return dunes."""
    return [*sky(stage), *between(stage, land.dunes(stage), 2, size=0.9), *flock(stage), *air(stage)]


def forest(stage: Stage) -> list[Item]:
    """Return firs in the mist, light through them."""
    items = between(stage, woods.firs(stage), 3, size=1.3)
    items.insert(2, Mist(stage, stage.horizon + 0.06, 0.10, 0.5, 0.4))
    rays: list[Item] = [woods.Rays(stage, 0.55)] if stage.script.hour in {"dawn", "sunset", "day"} else []
    return [*sky(stage), *items, *flock(stage), *rays, woods.floor(stage), woods.trunks(stage), *air(stage)]


def town(stage: Stage) -> list[Item]:
    """Return a skyline and its mirror in the wet ground."""
    rows = city.blocks(stage)
    neon: list[Item] = [city.signs(stage)] if stage.palette.lamps > 0.5 else []
    walkers = [
        Standing(stage, name, column, stage.row(stage.horizon + 0.22), 0.92, size=1.2, mirrored=True)
        for name, column in zip(
            grounded(stage), (stage.column(0.36), stage.column(0.62), stage.column(0.2)), strict=False
        )
    ]
    return [*sky(stage), *rows, *neon, *flock(stage), Water(stage, 0.72), *afloat(stage), *walkers, *air(stage)]


def cosmos(stage: Stage) -> list[Item]:
    """Return deep space."""
    area = stage.wide * stage.high
    return [
        space.Nebula(stage),
        space.Stars(stage, 0.1, int(area * 0.0022), 0.7),
        space.Stars(stage, 0.35, int(area * 0.0005), 1.0),
        space.planet(stage),
    ]


def indoors(stage: Stage) -> list[Item]:
    """Return a room with a view."""
    outside = land.hills(stage, "field", 2, first=0.3, fall=0.12)
    column, row = room.sill(stage)
    sitting: list[Item] = []
    for place, name in enumerate(grounded(stage)):
        # A cat sits on the window sill; whoever is larger stands on the floor before it.
        at, size = (row, 1.9) if name == "cat" else (stage.row(0.88), 3.2 if name == "person" else 2.4)
        sitting.append(Standing(stage, name, column - place * 0.22 * stage.height, at, 0.72, size=size, backlit=True))
    return [
        *sky(stage),
        *outside,
        room.walls(stage),
        *sitting,
        woods.Rays(stage, 0.30),
        room.things(stage),
        *air(stage),
    ]


PLACES: dict[str, Callable[[Stage], list[Item]]] = {
    "sea": sea,
    "beach": beach,
    "lake": lake,
    "mountain": mountain,
    "field": field,
    "desert": desert,
    "forest": forest,
    "city": town,
    "space": cosmos,
    "room": indoors,
}

"""Places put together: which items stand in a picture, from far to near."""

from __future__ import annotations

from service.engine.drawing import land
from service.engine.drawing.sky import Clouds, Sky
from service.engine.drawing.stage import Item, Stage
from service.engine.drawing.water import Water


def sky(stage: Stage) -> list[Item]:
    items: list[Item] = [Sky(stage)]
    return [*items, Clouds(stage)]


def sea(stage):
    return [*sky(stage), *land.hills(stage, "sea", 2, first=0.12, start=0.0), Water(stage, 0.1)]


def beach(stage):
    return [*sky(stage), Water(stage, 0.2), land.shore(stage)]


def lake(stage):
    return [*sky(stage), *land.mountains(stage, 3), Water(stage, 0.85)]


def mountain(stage):
    return [*sky(stage), *land.mountains(stage, 5)]


def field(stage):
    return [*sky(stage), *land.hills(stage, "field", 5)]


def desert(stage):
    return [*sky(stage), *land.dunes(stage)]


PLACES = {k: v for k, v in globals().items() if k in ("sea", "beach", "lake", "mountain", "field", "desert")}

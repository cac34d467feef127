"""Broken and odd drops by the table, through whole daemons: each gets what it deserves, and no byte of any is lost."""

from pathlib import Path

import pytest

from tests.line.odd import bench, media, names, places, texts
from tests.line.world import World
from tests.workflows import with_shipped


@pytest.mark.parametrize(
    "rows", [texts.traps, texts.syntax, texts.shapes, texts.fields], ids=lambda rows: rows.__name__
)
def test_every_odd_job_file_is_read_as_meant_or_refused_with_place_and_cure(world: World, rows) -> None:
    with world:
        bench.run(world, list(rows()), good=texts.GOOD)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return media.films(tmp_path_factory.mktemp("films"))


def with_videos(folder: Path, url: str) -> World:
    """Return a world whose tasks take video too, and wait only shortly for what is missing."""
    return World(folder, url, workflows_dir=str(with_shipped(folder / "workflows")), watch={"media_wait_minutes": 0.02})


@pytest.mark.parametrize(
    "rows", [media.cut_off, media.mislabelled, media.right, media.unwanted], ids=lambda rows: rows.__name__
)
def test_every_odd_picture_and_film_is_used_for_what_it_is_or_refused_by_name(tmp_path, engine_outside, films, rows):
    with with_videos(tmp_path, engine_outside) as world:
        bench.run(world, list(rows(films)), good=texts.GOOD)


def test_every_damaged_or_enormous_picture_is_refused_by_name(tmp_path, engine_outside):
    with with_videos(tmp_path, engine_outside) as world:
        bench.run(world, list(media.damaged()), good=texts.GOOD)


def test_every_odd_name_is_taken_and_called_as_any_disk_bears_it(world: World):
    with world:
        bench.run(world, list(names.names()), good=texts.GOOD)


@pytest.mark.parametrize(
    "rows", [places.foreign, places.others, places.alone, places.forged], ids=lambda rows: rows.__name__
)
def test_what_isnt_a_drops_own_is_neither_used_nor_touched(world: World, rows):
    with world:
        bench.run(world, list(rows()), good=texts.GOOD)

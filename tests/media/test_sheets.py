"""A sheet of first frames: what it shows, what is grey, and that it says what it is."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.media import sheets
from tests.media import drawing

GREY = (96, 96, 96)


def cell(path: Path | None, label: str = "1", sha256: str | None = None) -> dict[str, Any]:
    known = hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.exists() else ""
    return {"label": label, "path": str(path) if path else None, "sha256": known if sha256 is None else sha256}


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    return image


def near(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 12 for one, other in zip(pixel, colour, strict=True))


def middle_of(number: int, columns: int) -> tuple[int, int]:
    left, top = sheets._corner(number, columns)
    # Beside the number that stands in the middle of a grey one.
    return left + sheets.CELL // 2, top + sheets.CELL // 4


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    drawing.clip(path)
    return path


def test_each_results_first_frame_has_a_cell_and_the_missing_ones_are_grey(video: Path, tmp_path: Path):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(video.read_bytes()[:500])
    cells = [cell(video), cell(None, "2"), cell(video, "3", "0" * 64), cell(tmp_path / "gone.mp4", "4"), cell(damaged)]
    image = opened(sheets.draw(cells, 0, "AI-made", "Reeldrop"))
    columns = 3
    assert image.size == (columns * (sheets.CELL + 6) + 6, 2 * (sheets.CELL + 22 + 6) + 6)
    assert [near(image.getpixel(middle_of(number, columns)), GREY) for number in range(5)] == [False, *[True] * 4]
    # It keeps its shape: 160 x 120 in a square leaves a border above.
    left, top = sheets._corner(0, columns)
    assert near(image.getpixel((left + sheets.CELL // 2, top + 8)), (24, 24, 24))


def test_a_picture_is_shown_too_and_one_cell_says_how_many_more_there_are(tmp_path: Path):
    picture = tmp_path / "result.png"
    Image.new("RGB", (500, 300), (200, 30, 30)).save(picture)
    alone, with_more = (opened(sheets.draw([cell(picture)], more, "AI-made", "Reeldrop")) for more in (0, 901))
    assert near(alone.getpixel((sheets.CELL // 2, sheets.CELL // 2)), (200, 30, 30))
    assert with_more.width > alone.width


def test_it_says_that_it_is_made_by_software(video: Path):
    image = opened(sheets.draw([cell(video)], 0, "AI-made: x", "Reeldrop 1"))
    assert image.info["comment"] == b"AI-made: x"
    assert image.getexif()[0x010E] == "AI-made: x"
    assert b"digitalsourcetype/compositeSynthetic" in image.info["xmp"]


def test_a_hundred_cells_are_a_small_file(video: Path):
    jpeg = sheets.draw([cell(video, str(number)) for number in range(99)], 901, "AI-made", "Reeldrop")
    assert max(opened(jpeg).size) < 3000
    assert len(jpeg) < 3_000_000

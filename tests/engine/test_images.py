"""Frames are drawn when somebody pulls them, once if two pull, and not at all if nobody does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine.held import HeldFile
from service.engine.images import Frames, Spool, joined, never_interrupted, repeated, silence, still
from service.engine.node import Interrupted
from tests.engine.node_bench import Bench, colours, frames_of, pixels


def test_nothing_is_drawn_until_somebody_pulls() -> None:
    frames = frames_of(colours(5))
    changed = frames.mapped(32, 16, np.invert).part(1, 3)
    assert (changed.count, changed.width, changed.height) == (3, 32, 16)
    assert sum(frames.draws) == 0


def test_a_pull_draws_only_as_far_as_it_is_followed() -> None:
    frames = frames_of(colours(9))
    pull = frames.pull(never_interrupted)
    next(pull)
    next(pull)
    assert frames.draws == [1, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_part_takes_every_nth_frame() -> None:
    pictures = colours(9)
    part = frames_of(pictures).part(2, 3, 3)
    assert [picture[0, 0, 0] for picture in pixels(part)] == [pictures[k][0, 0, 0] for k in (2, 5, 8)]


def test_joined_frames_start_anywhere() -> None:
    pictures = colours(5)
    whole = joined([frames_of(pictures[:2]), frames_of(pictures[2:])])
    for start in range(5):
        found = list(whole.pull(never_interrupted, start))
        assert [picture[0, 0, 1] for picture in found] == [picture[0, 0, 1] for picture in pictures[start:]]
    assert list(whole.pull(never_interrupted, 5)) == []


def test_a_repeated_still_is_drawn_once() -> None:
    frames = frames_of(colours(1))
    assert len(pixels(repeated(frames, 40))) == 40
    assert frames.draws == [1]


def test_a_source_that_ends_early_holds_its_last_frame() -> None:
    pictures = colours(2)
    frames = Frames(4, 32, 16, lambda _check, start: iter(pictures[start:]))
    assert [picture[0, 0, 1] for picture in pixels(frames)] == [40, 41, 41, 41]


def test_a_source_without_any_picture_says_so() -> None:
    frames = Frames(4, 32, 16, lambda _check, _start: iter(()))
    with pytest.raises(ValueError, match="ended before its first picture"):
        pixels(frames)


def test_interruption_is_heard_before_each_frame() -> None:
    drawn = 0

    def check() -> None:
        if drawn == 3:
            raise Interrupted

    frames = frames_of(colours(9))
    pull = frames.pull(check)
    for _ in range(3):
        next(pull)
        drawn += 1
    with pytest.raises(Interrupted):
        next(pull)
    assert sum(frames.draws) <= 4


def test_two_consumers_draw_once_and_see_the_same(tmp_path: Path) -> None:
    pictures = colours(6)
    frames = frames_of(pictures)
    replay = Spool(frames, tmp_path).replay()
    first, second = pixels(replay), pixels(replay)
    assert frames.draws == [1] * 6
    assert all((a == b).all() and (a == c).all() for a, b, c in zip(first, second, pictures, strict=True))


def test_a_spool_that_was_left_half_way_goes_on_where_it_was(tmp_path: Path) -> None:
    frames = frames_of(colours(6))
    replay = Spool(frames, tmp_path).replay()
    pull = replay.pull(never_interrupted)
    next(pull)
    next(pull)
    assert sum(frames.draws) == 2
    assert len(pixels(replay)) == 6
    assert frames.draws == [1] * 6


def test_a_spool_survives_an_interruption(tmp_path: Path) -> None:
    frames, spool_checks = frames_of(colours(6)), 0

    def check() -> None:
        nonlocal spool_checks
        spool_checks += 1
        if spool_checks == 6:
            raise Interrupted

    replay = Spool(frames, tmp_path).replay()
    with pytest.raises(Interrupted):
        list(replay.pull(check))
    assert [picture[0, 0, 1] for picture in pixels(replay)] == [40 + k for k in range(6)]


def test_a_spool_plays_backwards(tmp_path: Path) -> None:
    back = Spool(frames_of(colours(6)), tmp_path).backwards(4, 4)
    assert [picture[0, 0, 1] for picture in pixels(back)] == [44, 43, 42, 41]


def test_a_spool_leaves_no_file_behind(tmp_path: Path) -> None:
    spool = Spool(frames_of(colours(3)), tmp_path)
    pixels(spool.replay())
    assert list(tmp_path.iterdir()) == []


def graph_with(consumers: int) -> dict[str, Any]:
    graph: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "moving.gif"}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    }
    for number in range(consumers):
        inputs = {"images": ["2", 0], "filename_prefix": f"x{number}"}
        graph[f"save{number}"] = {"class_type": "SaveImage", "inputs": inputs}
    return graph


@pytest.mark.parametrize("consumers", [1, 2])
def test_an_output_that_two_nodes_take_is_spooled(tmp_path: Path, consumers: int) -> None:
    bench = Bench(tmp_path)
    from PIL import Image

    images = [Image.fromarray(picture) for picture in colours(3)]
    images[0].save(bench.folders.input / "moving.gif", save_all=True, append_images=images[1:])
    done = bench.graph(graph_with(consumers))
    assert done["2"].values[0].steady is (consumers == 2)
    assert len(done["save0"].ui["images"]) == 3


def test_a_held_file_is_read_after_its_name_was_given_to_another(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    held = HeldFile.open(path)
    other = tmp_path / "b.bin"
    other.write_bytes(b"other")
    other.replace(path)
    reader = held.reader()
    assert reader.read(3) == b"fir"
    assert reader.seek(-2, os.SEEK_END) == 3
    assert reader.read() == b"st"


def test_a_held_file_is_closed_when_nobody_refers_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x")
    held = HeldFile.open(path)
    number = held.number
    del held
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_sound_is_cut_where_it_was_asked() -> None:
    sound = silence(1000, 2, 2500)
    part = sound.part(900, 1200)
    assert sum(block.shape[1] for block in part.pull(never_interrupted)) == 1200
    assert sound.cut(9999).samples == 2500


def test_a_still_is_one_picture_many_times() -> None:
    picture = colours(1)[0]
    frames = still(picture, 3)
    assert all(found is picture for found in pixels(frames))

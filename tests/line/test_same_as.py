"""A result that is there already stands for a job that would render the same, and only for such a one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.line.world import SMALL, World, photo

TEXT = f"prompt: a harbour\n{SMALL}"


@pytest.fixture
def made(tmp_path: Path, engine_outside: str):
    """A daemon that has rendered text-to-video/first."""
    world = World(tmp_path, engine_outside)
    with world:
        world.drop("text-to-video/first.yaml", TEXT)
        world.until_state("text-to-video/first", "done")
        yield world


def drop(world: World, name: str, content: str) -> dict:
    world.drop(f"text-to-video/{name}.yaml", content)
    status = world.until_state(f"text-to-video/{name}", "done")
    world.until_returned(f"done/text-to-video/{name}.yaml")
    return status


def test_the_same_again_is_done_at_once_and_has_a_status_file_only(made: World):
    status = drop(made, "second", TEXT)
    assert status["same_as"] == "text-to-video/first.mp4"
    assert (status["outputs"], status["progress"], status["backend"]) == ([], 1, None)
    assert [path for path in made.outbox() if path.endswith(".mp4")] == ["text-to-video/first.mp4"]


def test_a_third_points_to_the_first_and_never_to_what_has_no_result(made: World):
    drop(made, "second", TEXT)
    assert drop(made, "third", TEXT)["same_as"] == "text-to-video/first.mp4"


def test_its_name_is_taken_from_then_on(made: World):
    drop(made, "second", TEXT)
    made.drop("text-to-video/second.yaml", "prompt: a lake\n" + SMALL)
    assert made.until_state("text-to-video/second_2", "done")["same_as"] is None


@pytest.mark.parametrize(
    "other",
    [
        TEXT.replace("seed: 1", "seed: 2"),
        TEXT.replace("harbour", "lake"),
        TEXT + "rerun: true\n",
        TEXT.replace("seed: 1\n", ""),
        TEXT + "output: {metadata: minimal}\n",
    ],
    ids=["another seed", "another prompt", "rerun", "no seed", "other metadata"],
)
def test_what_differs_or_is_asked_for_again_is_rendered(made: World, other: str):
    assert drop(made, "second", other)["same_as"] is None
    assert "text-to-video/second.mp4" in made.outbox()


def test_a_seed_that_was_drawn_counts_once_somebody_asks_for_it(made: World):
    seed = drop(made, "drawn", TEXT.replace("seed: 1\n", ""))["seed"]
    assert drop(made, "again", TEXT.replace("seed: 1", f"seed: {seed}"))["same_as"] == "text-to-video/drawn.mp4"


@pytest.mark.parametrize("change", ["gone", "other bytes", "other size"])
def test_a_result_that_is_not_there_any_more_as_it_was_stands_for_nothing(made: World, change: str):
    result = made.config.output_dir / "text-to-video/first.mp4"
    data = result.read_bytes()
    if change == "gone":
        result.unlink()
    else:
        result.write_bytes(data[:-1] + (b"" if change == "other size" else bytes([data[-1] ^ 1])))
    assert drop(made, "second", TEXT)["same_as"] is None


def test_jobs_of_one_file_are_each_looked_up(made: World):
    made.drop("text-to-video/takes.yaml", f"{TEXT}count: 2\n")
    batch = made.until_state("text-to-video/takes", "done")
    made.until_returned("done/text-to-video/takes.yaml")
    takes = [made.status(f"text-to-video/takes_{number:04}") for number in (1, 2)]
    assert [take["same_as"] for take in takes] == ["text-to-video/first.mp4", None]
    assert batch["jobs"]["states"] == {"done": 2}
    # And now that both are there, a whole batch of them is done at once.
    made.drop("text-to-video/more.yaml", f"{TEXT}count: 2\n")
    assert made.until_state("text-to-video/more", "done")["progress"] == 1
    made.until_returned("done/text-to-video/more.yaml")
    assert made.status("text-to-video/more_0002")["same_as"] == "text-to-video/takes_0002.mp4"


def test_pictures_are_the_same_by_their_bytes(tmp_path: Path, engine_outside: str):
    settings = "seed: 3\nwidth: 256\nheight: 256\nframes: 2\nsteps: 1\n"
    with World(tmp_path, engine_outside) as world:
        for name, data in (("cup", photo((64, 48))), ("mug", photo((64, 48))), ("jug", photo((64, 50)))):
            world.drop(f"image-to-video/{name}.jpg", data)
            world.drop(f"image-to-video/{name}.yaml", settings)
            world.until_state(f"image-to-video/{name}", "done")
        assert world.status("image-to-video/mug")["same_as"] == "image-to-video/cup.mp4"
        assert world.status("image-to-video/jug")["same_as"] is None


def test_what_another_kind_of_engine_made_stands_for_nothing(made: World):
    # As if a ComfyUI had made it: the daemon of this test is told that its server is one.
    made.stop()
    with World(made.folder, None) as world:
        world.drop("text-to-video/second.yaml", TEXT)
        assert world.until_state("text-to-video/second", "done")["same_as"] is None
    rows = sqlite3.connect(world.config.state_dir / "reeldrop.db").execute("SELECT fingerprint FROM jobs").fetchall()
    assert len(set(rows)) == 2

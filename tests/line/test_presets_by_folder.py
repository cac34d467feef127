"""Presets: a folder of a preset's name applies it, a job's own preset wins, and folders are found again everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.line.test_folder_drops import drop_folder, ended
from tests.line.world import World, photo
from tests.workflows import OUTSIDE

PHOTO = photo((64, 48))
PRESETS = {
    "tiny": "title: Tiny\nwidth: 64\nheight: 64\nframes: 2\nsteps: 1\n",
    "tall": "title: Tall\nwidth: 64\nheight: 128\nframes: 3\nsteps: 1\nnegative_prompt: rain\n",
}


@pytest.fixture
def world(tmp_path: Path, engine_outside: str) -> Iterator[World]:
    library = tmp_path / "library"
    shutil.copytree(OUTSIDE, library)
    for name, text in PRESETS.items():
        (library / "presets" / f"{name}.yaml").write_text(text)
    world = World(tmp_path / "world", engine_outside, workflows_dir=str(library))
    yield world
    world.stop()


def size(status: dict) -> tuple[int, int, int]:
    assert status["state"] == "done", status["error"]
    output = status["outputs"][0]
    return output["width"], output["height"], output["frames"]


def test_a_preset_holds_in_its_folder_at_any_depth_and_is_mirrored_with_the_folders(world: World):
    with world:
        world.drop("text-to-video/trip/Tiny/rome/cup.yaml", "prompt: a cup\nframes: 4\n")
        world.drop("text-to-video/tiny/sea.txt", "the sea")
        world.drop("image-to-video/tiny/tall/cat.jpg", PHOTO)
        drop_folder(world, "image-to-video/tiny/dog", {"job.yaml": "seed: 1\n", "dog.jpg": PHOTO})
        world.drop("text-to-video/tall/own.yaml", "prompt: a cup\npreset: tiny\nwidth: 128\n")
        world.drop("text-to-video/job.yaml", "prompt: a cup\npreset: tall\n")
        world.drop("text-to-video/tall/no.yaml", "prompt: a cup\npreset: tinny\n")
        found = {
            "text-to-video/trip/Tiny/rome/cup": (64, 64, 4),
            "text-to-video/tiny/sea": (64, 64, 2),
            "image-to-video/tiny/tall/cat": (64, 128, 3),
            "image-to-video/tiny/dog": (64, 64, 2),
            "text-to-video/tall/own": (128, 64, 2),
            "text-to-video/job": (64, 128, 3),
        }
        assert {path: size(ended(world, path)) for path in found} == found
        assert world.status("text-to-video/job")["settings"]["negative_prompt"] == "rain"
        refused = ended(world, "text-to-video/tall/no")
        assert refused["state"] == "rejected"
        assert "tiny" in refused["error"]["fix"]
        for path in (
            "done/text-to-video/trip/Tiny/rome/cup.yaml", "done/text-to-video/tiny/sea.txt",
            "done/image-to-video/tiny/tall/cat.jpg", "done/image-to-video/tiny/dog/dog.jpg",
            "done/text-to-video/tall/own.yaml", "done/text-to-video/job.yaml",
            "rejected/text-to-video/tall/no.reason.txt", "rejected/text-to-video/tall/no.yaml",
        ):  # fmt: skip
            world.until_returned(path)
    assert {f"{path}.mp4" for path in found} <= set(world.outbox())


def test_a_job_file_in_a_folder_of_a_preset_is_a_job_of_its_own_and_the_folder_stays(world: World):
    with world:
        world.drop("text-to-video/tiny/job.yaml", "prompt: a cup\n")
        world.drop("text-to-video/tiny/other.yaml", "prompt: a mug\n")
        assert size(ended(world, "text-to-video/tiny/job")) == (64, 64, 2)
        assert size(ended(world, "text-to-video/tiny/other")) == (64, 64, 2)
        world.until_returned("done/text-to-video/tiny/job.yaml")
        world.until_returned("done/text-to-video/tiny/other.yaml")
    assert (world.config.inbox_dir / "text-to-video/tiny").is_dir()


def test_a_result_dropped_into_the_folder_of_a_preset_stays_as_it_was(world: World):
    with world:
        world.drop("text-to-video/tiny/cup.yaml", "prompt: a cup\n")
        first = ended(world, "text-to-video/tiny/cup")
        world.until_returned("done/text-to-video/tiny/cup.yaml")
        status = (world.config.output_dir / "text-to-video/tiny/cup.status.json").read_bytes()
        world.drop("text-to-video/tall/cup.status.json", status)
        second = ended(world, "text-to-video/tall/cup")
        assert size(second) == size(first)
        same = ("seed", "width", "height", "frames", "prompt", "steps")
        assert {key: second["settings"].get(key) for key in same} == {key: first["settings"].get(key) for key in same}

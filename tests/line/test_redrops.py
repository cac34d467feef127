"""A job once more: a status file of ours, or our video where no video is taken, is read as if it were a job file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.line.test_folder_drops import drop_folder, ended, inputs
from tests.line.test_intake_media import MOVIE
from tests.line.world import World, photo
from tests.media.drawing import clip
from tests.workflows import with_shipped

TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"
CUP = f"prompt: a cup\nseed: 7\n{TINY}"
PHOTO = photo((64, 48))


def make(world: World, path: str, files: dict[str, bytes | str]) -> dict[str, Any]:
    """Drop files, and return the status of the job that they became, once all of it is over."""
    for name, content in files.items():
        world.drop(name, content)
    status = ended(world, path)
    world.until_returned(f"done/{next(iter(files))}")
    return status


def again(world: World, ending: str, path: str, to: str) -> Path:
    """Drop a file from the outbox into the inbox."""
    return world.drop(to, (world.config.output_dir / f"{path}{ending}").read_bytes())


def alike(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(first[key] == second[key] for key in ("seed", "settings", "workflow", "inputs"))


def test_a_status_file_runs_its_job_again_with_the_seed_and_settings_of_the_first(world: World):
    with world:
        first = make(world, "text-to-video/cup", {"text-to-video/cup.yaml": f"prompt: a cup\npriority: high\n{TINY}"})
        again(world, ".status.json", "text-to-video/cup", "text-to-video/cup.status.json")
        second = ended(world, "text-to-video/cup_2")
        assert second["state"] == "done", second["error"]
        assert alike(first, second)
        assert (second["same_as"], second["job"] == first["job"]) == (None, False)
        world.until_returned("done/text-to-video/cup.status.json")
    assert len([name for name in world.outbox() if name.endswith(".mp4")]) == 2


def test_a_picture_that_went_to_done_is_found_there_unless_it_changed(world: World):
    with world:
        first = make(
            world,
            "image-to-video/trip/cup",
            {"image-to-video/trip/cup.yaml": TINY, "image-to-video/trip/cup.jpg": PHOTO},
        )
        again(world, ".status.json", "image-to-video/trip/cup", "image-to-video/trip/cup.status.json")
        second = ended(world, "image-to-video/trip/cup_2")
        assert second["state"] == "done", second["error"]
        assert alike(first, second)
        world.until_returned("done/image-to-video/trip/cup.status.json")
        (world.config.inbox_dir / "done/image-to-video/trip/cup.jpg").write_bytes(photo((80, 64)))
        again(world, ".status.json", "image-to-video/trip/cup", "image-to-video/trip/more/cup.status.json")
        assert "cup.jpg" in world.until_hold("image-to-video/trip/more/cup", "media_missing")["title"]
        world.drop("image-to-video/trip/more/cup.jpg", PHOTO)
        assert alike(first, ended(world, "image-to-video/trip/more/cup"))
        world.until_returned("done/image-to-video/trip/more/cup.jpg")
    assert {"done/image-to-video/trip/cup.jpg", "done/image-to-video/trip/cup.yaml"} <= set(world.inbox())


def test_a_picture_of_a_folder_drop_is_found_in_its_folder_in_done(world: World):
    with world:
        drop_folder(world, "image-to-video/cat", {"job.yaml": TINY, "deep/one.jpg": PHOTO})
        first = ended(world, "image-to-video/cat")
        world.until_returned("done/image-to-video/cat/job.yaml")
        again(world, ".status.json", "image-to-video/cat", "image-to-video/cat.status.json")
        assert alike(first, ended(world, "image-to-video/cat_2"))
        world.until_returned("done/image-to-video/cat.status.json")
    assert "done/image-to-video/cat/deep/one.jpg" in world.inbox()


def test_a_picture_that_followed_its_job_is_found_where_it_went(world: World):
    with world:
        world.drop("image-to-video/blue.jpg", PHOTO)
        first = make(world, "image-to-video/cup", {"image-to-video/cup.yaml": f"image: blue.jpg\n{TINY}"})
        world.until_returned("done/image-to-video/blue.jpg")
        again(world, ".status.json", "image-to-video/cup", "image-to-video/other.status.json")
        assert alike(first, ended(world, "image-to-video/other"))
        world.until_returned("done/image-to-video/other.status.json")
    assert "done/image-to-video/blue.jpg" in world.inbox()


def test_an_edited_status_file_is_checked_afresh_and_strangers_are_refused(world: World):
    with world:
        status = make(world, "text-to-video/cup", {"text-to-video/cup.yaml": CUP})
        batch = make(world, "text-to-video/two", {"text-to-video/two.yaml": f"prompt: a cup\ncount: 2\n{TINY}"})
        assert batch["kind"] == "batch"
        changed = {**status, "settings": {**status["settings"], "prompt": "a mug", "frames": 3}, "seed": 8}
        world.drop("text-to-video/changed.status.json", json.dumps(changed))
        bad = {**status, "settings": {**status["settings"], "frames": 10**6}}
        world.drop("text-to-video/bad.status.json.txt", json.dumps(bad))
        world.drop("text-to-video/strange.status.json", '{"state": "happy"}')
        again(world, ".status.json", "text-to-video/two", "text-to-video/two.status.json")
        found = ended(world, "text-to-video/changed")
        assert (found["state"], found["seed"], found["settings"]["prompt"]) == ("done", 8, "a mug")
        assert found["outputs"][0]["frames"] == 3
        for name, code in {"bad": "out_of_range", "strange": "not_ours", "two_2": "not_a_job"}.items():
            refused = ended(world, f"text-to-video/{name}")
            assert (refused["state"], refused["error"]["code"]) == ("rejected", code)
        for name in ("bad", "strange", "two"):
            world.until_returned(f"rejected/text-to-video/{name}.reason.txt")
            assert "Line" not in world.reason(f"text-to-video/{name}")


def test_a_video_of_ours_runs_its_job_again_where_no_video_is_taken(world: World):
    with world:
        first = make(world, "text-to-video/cup", {"text-to-video/cup.yaml": f"prompt: a cup\n{TINY}"})
        again(world, ".mp4", "text-to-video/cup", "text-to-video/like this.mp4")
        second = ended(world, "text-to-video/like this")
        assert second["state"] == "done", second["error"]
        assert alike(first, second)
        world.until_returned("done/text-to-video/like this.mp4")


def test_a_video_of_a_picture_is_made_again_from_that_picture(world: World):
    with world:
        first = make(world, "image-to-video/cup", {"image-to-video/cup.yaml": TINY, "image-to-video/cup.jpg": PHOTO})
        again(world, ".mp4", "image-to-video/cup", "image-to-video/again.mp4")
        second = ended(world, "image-to-video/again")
        assert second["state"] == "done", second["error"]
        assert alike(first, second)
        world.until_returned("done/image-to-video/again.mp4")
        (world.config.inbox_dir / "done/image-to-video/cup.jpg").unlink()
        again(world, ".mp4", "image-to-video/cup", "image-to-video/lost.mp4")
        refused = ended(world, "image-to-video/lost")
        assert (refused["state"], refused["error"]["code"]) == ("rejected", "media_missing")
        assert "cup.jpg" in refused["error"]["title"]


def test_a_video_with_minimal_metadata_is_known_by_its_id_here_and_refused_elsewhere(
    tmp_path: Path, engine_outside: str
):
    world = World(tmp_path / "here", engine_outside)
    with world:
        first = make(world, "text-to-video/cup", {"text-to-video/cup.yaml": f"{CUP}output: {{metadata: minimal}}\n"})
        video = world.config.output_dir / "text-to-video/cup.mp4"
        again(world, ".mp4", "text-to-video/cup", "text-to-video/again.mp4")
        second = ended(world, "text-to-video/again")
        assert second["state"] == "done", second["error"]
        assert (second["seed"], second["settings"]["prompt"]) == (first["seed"], "a cup")
    elsewhere = World(tmp_path / "elsewhere", engine_outside)
    with elsewhere:
        elsewhere.drop("text-to-video/cup.mp4", video.read_bytes())
        refused = ended(elsewhere, "text-to-video/cup")
        assert (refused["state"], refused["error"]["code"]) == ("rejected", "no_recipe")
        elsewhere.until_returned("rejected/text-to-video/cup.reason.txt")
        assert "status.json" in elsewhere.reason("text-to-video/cup")


def test_other_peoples_videos_are_refused_with_the_folders_that_take_them(world: World, tmp_path: Path):
    with world:
        world.drop("text-to-video/dance.mp4", clip(tmp_path / "dance.mp4").read_bytes())
        world.drop("text-to-video/broken.mp4", MOVIE)
        for name in ("dance", "broken"):
            refused = ended(world, f"text-to-video/{name}")
            assert (refused["state"], refused["error"]["code"]) == ("rejected", "media_unwanted")


@pytest.mark.parametrize("task", ["text-to-video", "image-to-video"])
def test_our_video_beside_its_status_file_only_moves_along(world: World, task: str):
    media = {"image-to-video/cup.jpg": PHOTO} if task == "image-to-video" else {}
    text = TINY if media else CUP
    with world:
        first = make(world, f"{task}/cup", {f"{task}/cup.yaml": text, **media})
        drop_folder(
            world,
            f"{task}/both",
            {
                f"cup{ending}": (world.config.output_dir / f"{task}/cup{ending}").read_bytes()
                for ending in (".status.json", ".mp4")
            },
        )
        second = ended(world, f"{task}/both/cup")
        assert second["state"] == "done", second["error"]
        assert alike(first, second)
        world.until_returned(f"done/{task}/both/cup.mp4")
        world.until_returned(f"done/{task}/both/cup.status.json")


def test_our_video_is_media_like_any_other_where_video_is_taken(tmp_path: Path, engine_outside: str):
    world = World(tmp_path, engine_outside, workflows_dir=str(with_shipped(tmp_path / "library")))
    with world:
        make(world, "text-to-video/cup", {"text-to-video/cup.yaml": CUP})
        again(world, ".mp4", "text-to-video/cup", "retouch/cup.mp4")
        status = ended(world, "retouch/cup")
        assert (status["state"], status["workflow"]) == ("done", "test_retouch"), status["error"]
        assert inputs(status) == {"target": "cup.mp4"}
        world.until_returned("done/retouch/cup.mp4")
    shutil.rmtree(tmp_path / "library")

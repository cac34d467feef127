"""Several jobs, folders and recipes: what a claim holds is read as what was dropped."""

from __future__ import annotations

from pathlib import Path

from tests.line.world import SMALL, World, photo

SIZE = "width: 256\nheight: 256\nframes: 2\nsteps: 1\nseed: 1\n"


def test_jobs_of_one_file_work_on_different_pictures_and_each_is_examined_once(tmp_path: Path, engine_outside: str):
    world = World(tmp_path, engine_outside)
    jobs = "jobs:\n- image: red.jpg\n- image: blue.jpg\n- image: red.jpg\n  seed: 2\n"
    with world:
        world.drop("image-to-video/two.yaml", f"{SIZE}{jobs}")
        world.drop("image-to-video/red.jpg", photo((64, 48)))
        world.drop("image-to-video/blue.jpg", photo((48, 64)))
        world.until_state("image-to-video/two", "done")
        world.until_returned("done/image-to-video/two.yaml")
        # Nobody else names them: they follow.
        world.until_returned("done/image-to-video/red.jpg")
        world.until_returned("done/image-to-video/blue.jpg")
        inputs = [world.status(f"image-to-video/two_000{number}")["inputs"] for number in (1, 2, 3)]
        plans = [world.app.store.render(job.id) for job in world.app.store.newest(3)]
    assert [each[0]["file"] for each in inputs] == ["red.jpg", "blue.jpg", "red.jpg"]
    references = [plan.uploads[0]["reference"].rpartition("/")[2] for plan in reversed(plans)]
    assert references == ["image.png [temp]", "image-2.png [temp]", "image.png [temp]"]


def test_our_own_video_where_none_is_taken_is_its_job_once_more(tmp_path: Path, engine_outside: str):
    with World(tmp_path, engine_outside) as world:
        world.drop("text-to-video/first.yaml", f"prompt: a harbour\n{SMALL}")
        world.until_state("text-to-video/first", "done")
        world.drop("text-to-video/again.mp4", (world.config.output_dir / "text-to-video/first.mp4").read_bytes())
        status = world.until_state("text-to-video/again", "done", "rejected")
        world.until_returned("done/text-to-video/again.mp4")
    assert status["settings"]["prompt"] == "a harbour"
    assert status["seed"] == 1
    assert status["same_as"] is None
    assert "text-to-video/again.mp4" in world.outbox()


def test_a_folder_drop_is_one_job_and_goes_back_whole(tmp_path: Path, engine_outside: str):
    with World(tmp_path, engine_outside) as world:
        world.drop("image-to-video/trip/image.jpg", photo((64, 48)))
        world.drop("image-to-video/trip/job.yaml", SIZE)
        world.until_state("image-to-video/trip", "done")
        world.until_returned("done/image-to-video/trip/job.yaml")
    assert world.inbox() == ["done/image-to-video/trip/image.jpg", "done/image-to-video/trip/job.yaml"]

"""Several jobs, folders and recipes: what a claim holds is read as what was dropped."""

from __future__ import annotations

from pathlib import Path

from tests.line.world import PATIENCE, SMALL, World, photo

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


def test_a_matrix_that_was_cut_off_goes_on_with_what_is_missing_and_changes_nothing(world: World):
    text = "prompt: a {red|green|blue} boat, {dawn|dusk}\nwidth: 256\nheight: 256\nframes: 8\n"
    # As long as it takes to stop the daemon, at least: without a GPU each step of a true ComfyUI takes a second.
    text += f"steps: {2 if PATIENCE > 1 else 60}\n"
    with world:
        world.drop("text-to-video/many.yaml", f"{text}matrix: {{cfg: [5, 6, 7]}}\ncount: 2\n")
        world.until_state("text-to-video/many_0002", "done")
    names = [f"text-to-video/many_{number:04}" for number in range(1, 7)]
    before = {name: world.status(name) for name in names}
    assert "queued" in {status["state"] for status in before.values()}
    with world:
        world.until_state("text-to-video/many", "done")
        world.until_returned("done/text-to-video/many.yaml")
    after = {name: world.status(name) for name in names}
    for name in names:
        assert [after[name][key] for key in ("job", "seed")] == [before[name][key] for key in ("job", "seed")]
        assert after[name]["settings"] == before[name]["settings"]
        if before[name]["state"] == "done":
            assert after[name]["times"] == before[name]["times"]
    cells = [(status["seed"], status["settings"]["cfg"]) for status in after.values()]
    first = cells[0][0]
    assert cells == [(first + take, cfg) for cfg in (5, 6, 7) for take in (0, 1)]
    # The same seed picks the same words, whatever else differs.
    assert len({(status["seed"], status["settings"]["prompt"]) for status in after.values()}) == 2

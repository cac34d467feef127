"""The main job: what is dropped comes back as a video with a status file."""

import json
import sqlite3
from pathlib import Path

import av
import pytest

from service.examiner import OpenNsfw
from tests.line.world import SMALL, World, photo


def probe(path: Path) -> tuple[int, int, float, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        return stream.width, stream.height, float(stream.average_rate), frames


def test_a_job_file_alone_becomes_a_video(world: World):
    with world:
        world.drop("text-to-video/harbour.yaml", f"prompt: a harbour at dawn\n{SMALL}fps: 8\n")
        status = world.until_state("text-to-video/harbour", "done")
        world.until_returned("done/text-to-video/harbour.yaml")
    assert world.outbox() == ["text-to-video/harbour.mp4", "text-to-video/harbour.status.json"]
    assert probe(world.config.output_dir / "text-to-video/harbour.mp4") == (256, 256, 8.0, 2)
    assert status["seed"] == 1
    assert status["progress"] == 1
    assert status["settings"]["prompt"] == "a harbour at dawn"
    assert status["outputs"][0]["file"] == "harbour.mp4"
    drawn = "preview engine" in status["engine"]
    assert any("preview engine" in warning for warning in status["warnings"]) is drawn
    assert world.inbox() == ["done/text-to-video/harbour.yaml"]


def test_a_picture_with_its_job_file_becomes_a_video_of_that_picture(world: World):
    with world:
        world.drop("image-to-video/cup.jpg", photo())
        world.drop("image-to-video/cup.yaml", "seed: 3\nwidth: 384\nheight: 256\nframes: 3\nsteps: 1\n")
        status = world.until_state("image-to-video/cup", "done")
        world.until_returned("done/image-to-video/cup.jpg")
    assert probe(world.config.output_dir / "image-to-video/cup.mp4")[:2] == (384, 256)
    assert [(each["role"], each["file"]) for each in status["inputs"]] == [("image", "cup.jpg")]
    assert (world.config.inbox_dir / "done/image-to-video/cup.jpg").read_bytes() == photo()
    assert world.inbox() == ["done/image-to-video/cup.jpg", "done/image-to-video/cup.yaml"]


def test_a_picture_alone_becomes_a_video_when_its_folder_has_been_quiet(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside)
    with world:
        world.drop("image-to-video/holiday/cup.jpg", photo((64, 48)))
        status = world.until_state("image-to-video/holiday/cup", "done")
        world.until_returned("done/image-to-video/holiday/cup.jpg")
    assert status["seed"] is not None
    assert world.outbox() == ["image-to-video/holiday/cup.mp4", "image-to-video/holiday/cup.status.json"]


def test_a_plain_text_is_a_prompt(world: World):
    with world:
        world.drop("text-to-video/lake.txt", "a lake in the mountains: calm, # no people\n")
        world.until_state("text-to-video/lake", "queued", "running", "done")
        status = world.until_state("text-to-video/lake", "done")
    assert status["settings"]["prompt"] == "a lake in the mountains: calm, # no people"


def test_count_makes_a_batch_whose_files_go_back_once(world: World):
    with world:
        world.drop("text-to-video/takes.yaml", f"prompt: a field\n{SMALL}count: 3\n")
        batch = world.until_state("text-to-video/takes", "done")
        world.until_returned("done/text-to-video/takes.yaml")
    jobs = [world.status(f"text-to-video/takes_{number:04}") for number in (1, 2, 3)]
    assert batch["kind"] == "batch"
    assert [job["seed"] for job in jobs] == [1, 2, 3]
    assert {job["batch"] for job in jobs} == {batch["job"]}
    assert [name for name in world.outbox() if name.endswith(".mp4")] == [
        f"text-to-video/takes_{number:04}.mp4" for number in (1, 2, 3)
    ]


def test_a_result_never_replaces_what_lies_in_the_outbox(world: World):
    theirs = world.config.output_dir / "text-to-video" / "harbour.mp4"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"not ours")
    with world:
        world.drop("text-to-video/harbour.yaml", f"prompt: a harbour\n{SMALL}")
        world.until_state("text-to-video/harbour_2", "done")
        world.until_returned("done/text-to-video/harbour.yaml")
    assert theirs.read_bytes() == b"not ours"
    assert world.outbox() == [
        "text-to-video/harbour.mp4", "text-to-video/harbour_2.mp4", "text-to-video/harbour_2.status.json",
    ]  # fmt: skip


def test_the_recipe_and_the_mark_are_inside_the_video(world: World):
    with world:
        world.drop("text-to-video/harbour.yaml", f"prompt: a harbour\n{SMALL}")
        status = world.until_state("text-to-video/harbour", "done")
    with av.open(str(world.config.output_dir / "text-to-video/harbour.mp4")) as container:
        tags = dict(container.metadata)
    assert tags["comment"].startswith("AI-made")
    assert tags["reeldrop_job"] == status["job"]
    recipe = json.loads(tags["reeldrop"])
    assert recipe["settings"]["prompt"] == "a harbour"
    assert recipe["graph_hash"]
    assert str(world.folder) not in " ".join(tags.values())


def test_a_job_is_a_row_and_a_status_file_from_first_sight(world: World):
    with world:
        world.drop("image-to-video/later.yaml", "seed: 1\n")
        hold = world.until_hold("image-to-video/later", "media_missing")
        assert "later.jpg" in hold["fix"]
        rows = (
            sqlite3.connect(world.config.state_dir / "reeldrop.db").execute("select name, state from jobs").fetchall()
        )
        assert rows == [("later", "waiting")]
        world.drop("image-to-video/later.jpg", photo((64, 48)))
        world.until_state("image-to-video/later", "queued", "running", "done")


def test_a_drop_that_vanishes_before_its_claim_takes_its_status_file_with_it(world: World):
    with world:
        dropped = world.drop("image-to-video/later.yaml", "seed: 1\n")
        world.until_hold("image-to-video/later", "media_missing")
        dropped.unlink()
        world.until(lambda: world.outbox() == [], "an empty outbox")
    rows = sqlite3.connect(world.config.state_dir / "reeldrop.db").execute("select state from jobs").fetchall()
    assert rows == [("cancelled",)]


def test_previews_and_progress_show_while_it_renders_and_progress_never_runs_backwards(world: World):
    # The marker classifier would find its colour in the noise of the first steps.
    world.classifier = OpenNsfw
    with world:
        world.drop("text-to-video/slow.yaml", "prompt: a harbour\nseed: 1\nframes: 16\nsteps: 20\n")
        preview = world.config.output_dir / "text-to-video/slow.preview.jpg"
        world.until(preview.exists, "a preview")
        assert preview.read_bytes()[:2] == b"\xff\xd8"
        world.until_state("text-to-video/slow", "done")
        assert not preview.exists()
    seen = [job.progress for job in world.changes if job.name == "slow"]
    assert seen == sorted(seen)
    assert any(0.1 < progress < 0.9 for progress in seen)


@pytest.mark.parametrize("name", ["häfen é", "hafen — dawn", "emoji 🎬", "quote's"])
def test_names_come_through_as_they_are(world: World, name: str):
    with world:
        world.drop(f"text-to-video/{name}.yaml", f"prompt: a harbour\n{SMALL}")
        world.until_state(f"text-to-video/{name}", "done")
        world.until_returned(f"done/text-to-video/{name}.yaml")

"""Pictures, films and notes that lie beside each other: what is a drop, what waits, and for how long."""

import os

from tests.line.world import World, photo

TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"
MOVIE = b"\0\0\0\x18ftypqt  \0\0\2\0qt  \0\0\0\0\0\0\0\x10mdat\1\2\3\4\5\6\7\x08\0\0\0\x08moov"
#: 1.2 s.
SHORT = {"media_wait_minutes": 0.02}


def test_a_live_photo_is_one_drop_of_its_picture_and_both_halves_return(world: World):
    with world:
        world.drop("image-to-video/cat.jpg", photo((64, 48)))
        world.drop("image-to-video/cat.mov", MOVIE)
        status = world.until_state("image-to-video/cat", "queued", "running", "done", "rejected")
        assert status["state"] != "rejected", status["error"]
        world.drop("image-to-video/dog.yaml", TINY)
        world.drop("image-to-video/dog.jpg", photo((64, 48)))
        world.drop("image-to-video/dog.mov", MOVIE)
        assert [each["file"] for each in world.until_state("image-to-video/dog", "done")["inputs"]] == ["dog.jpg"]
        for name in ("cat.jpg", "cat.mov", "dog.yaml", "dog.jpg", "dog.mov"):
            world.until_returned(f"done/image-to-video/{name}")
    assert [name for name in world.outbox() if name.endswith(".mp4")] == [
        "image-to-video/cat.mp4", "image-to-video/dog.mp4",
    ]  # fmt: skip


def test_a_note_beside_a_photo_is_left_alone_where_the_task_takes_no_prompt(tmp_path, engine_outside):
    with World(tmp_path, engine_outside, tasks={"image-to-video": ["image_to_video_svd"]}) as world:
        world.drop("image-to-video/cat.txt", "taken in Rome")
        world.drop("image-to-video/cat.jpg", photo((64, 48)))
        world.until_state("image-to-video/cat", "queued", "running", "done")
        world.until_returned("done/image-to-video/cat.jpg")
        assert world.app is not None
        assert world.app.intake.left_alone == ("image-to-video/cat.txt",)
    assert world.inbox() == ["done/image-to-video/cat.jpg", "image-to-video/cat.txt"]


def test_a_job_that_names_a_link_or_a_pipe_waits_with_its_reason_and_is_rejected(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch=SHORT)
    folder = world.config.inbox_dir / "image-to-video"
    folder.mkdir(parents=True)
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(photo((64, 48)))
    (folder / "link.jpg").symlink_to(secret)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "own.jpg").symlink_to(secret)
    with world:
        world.drop("image-to-video/a.yaml", f"image: link.jpg\n{TINY}")
        world.drop("image-to-video/b.yaml", f"image: pipe.jpg\n{TINY}")
        world.drop("image-to-video/own.yaml", TINY)
        for name in ("a", "b", "own"):
            assert "no plain file" in world.until_hold(f"image-to-video/{name}", "not_a_file")["title"]
        for name in ("a", "b", "own"):
            world.until_returned(f"rejected/image-to-video/{name}.reason.txt")
            assert "no plain file" in world.reason(f"image-to-video/{name}")
    assert (folder / "link.jpg").is_symlink()
    assert (folder / "own.jpg").is_symlink()


def test_a_named_picture_that_is_cut_off_waits_and_is_rejected(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch=SHORT)
    with world:
        world.drop("image-to-video/half.jpg", photo()[:20000])
        world.drop("image-to-video/cup.yaml", f"image: half.jpg\n{TINY}")
        assert "half.jpg" in world.until_hold("image-to-video/cup", "incomplete")["title"]
        world.until_returned("rejected/image-to-video/cup.reason.txt")
    assert (world.config.inbox_dir / "image-to-video/half.jpg").exists()


def test_a_picture_that_a_program_never_closes_is_named_and_its_job_rejected(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch=SHORT)
    with world:
        picture = world.drop("image-to-video/open.jpg", photo((64, 48)))
        with picture.open("ab"):
            world.drop("image-to-video/cup.yaml", f"image: open.jpg\n{TINY}")
            assert "open.jpg" in world.until_hold("image-to-video/cup", "incomplete")["title"]
            world.until_returned("rejected/image-to-video/cup.reason.txt")


def test_only_changes_of_its_own_files_make_a_drop_wait_longer(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch=SHORT)
    with world:
        world.drop("image-to-video/gone.yaml", f"image: nowhere.jpg\n{TINY}")
        other = world.drop("image-to-video/notes.doc", "0")

        def rejected() -> bool:
            # Somebody works in the same folder all the time.
            with other.open("a") as file:
                file.write("x")
            return (world.config.inbox_dir / "rejected/image-to-video/gone.reason.txt").exists()

        world.until(rejected, "the end of the wait", deadline_s=6)


def test_a_picture_that_comes_and_goes_begins_the_wait_anew(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch=SHORT)
    with world:
        world.drop("image-to-video/cup.yaml", TINY)
        assert world.app is not None
        seen = world.app.intake._sightings._seen
        world.until(lambda: "image-to-video/cup.yaml" in seen, "its sight")
        first_s = seen["image-to-video/cup.yaml"].changed_s
        picture = world.drop("image-to-video/cup.jpg", photo()[:20000])
        world.until_hold("image-to-video/cup", "incomplete")
        picture.unlink()
        world.until_hold("image-to-video/cup", "media_missing")
        assert seen["image-to-video/cup.yaml"].changed_s > first_s

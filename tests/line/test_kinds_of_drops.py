"""What is left alone, what an order by file does to what waits, and what comes of drops that lie beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import Proxy
from tests.line.test_folder_drops import drop_folder, ended
from tests.line.world import World, photo
from tests.workflows import with_shipped

TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"
CUP = f"prompt: a cup\n{TINY}"
PHOTO = photo((64, 48))


def left_alone(world: World) -> set[str]:
    assert world.app is not None
    return set(world.app.intake.left_alone)


def cancelled(world: World, path: str, *files: str) -> None:
    """Assert that a job ended cancelled before it was queued, and that its files are in rejected with the reason."""
    status = world.until_state(path, "cancelled", "done", "rejected", "failed")
    assert (status["state"], status["error"]["code"]) == ("cancelled", "cancelled")
    world.until_returned(f"rejected/{path}.reason.txt")
    assert "cancelled" in world.reason(path)
    folder = path.rpartition("/")[0]
    for file in files:
        world.until_returned(f"rejected/{folder}/{file}")


def gone(world: World, path: str) -> None:
    world.until(lambda: not (world.config.inbox_dir / path).exists(), f"the end of {path}")


# what lies beside drops ----------------------------------------------------------------------------------------------


def test_what_is_no_drop_stays_untouched_and_is_listed(world: World):
    strange = {
        "text-to-video/notes.pdf": b"%PDF",
        "text-to-video/trip/cup (Ann's conflicted copy 2026-11-22).yaml": CUP.encode(),
        "text-to-video/cup.sync-conflict-20261122-101010-ABCDEFG.yaml": CUP.encode(),
        "text-to-video/done/old.yaml": CUP.encode(),
        "image-to-video/note.doc": b"taken in Rome",
        "image-to-video/trip/PAUSE": b"",
    }
    junk = {
        "text-to-video/.DS_Store": b"\0",
        "text-to-video/Thumbs.db": b"\0",
        "text-to-video/~$cup.yaml": b"\0",
        "text-to-video/half.yaml.part": CUP.encode(),
        "text-to-video/@eaDir/cup.yaml": CUP.encode(),
        "text-to-video/old.reason.txt": b"why",
    }
    with world:
        for path, content in {**strange, **junk}.items():
            world.drop(path, content)
        world.drop("text-to-video/cup.yaml", CUP)
        assert ended(world, "text-to-video/cup")["state"] == "done"
        world.until_returned("done/text-to-video/cup.yaml")
        assert left_alone(world) == set(strange)
    found = set(world.inbox())
    assert found == {*strange, *junk, "done/text-to-video/cup.yaml"}
    assert world.outbox() == ["text-to-video/cup.mp4", "text-to-video/cup.status.json"]


def test_two_job_files_of_one_name_are_two_jobs_and_the_picture_belongs_to_the_first(world: World):
    with world:
        world.drop("media/other.jpg", PHOTO)
        drop_folder(world, "image-to-video/two", {
            "cat.yml": TINY, "cat.json": '{"image": "other.jpg", "frames": 2, "steps": 1}', "cat.jpg": PHOTO,
            "cat.txt": "not a prompt here",
        })  # fmt: skip
        first, second = (ended(world, f"image-to-video/two/{name}") for name in ("cat", "cat_2"))
        assert {first["inputs"][0]["file"], second["inputs"][0]["file"]} == {"cat.jpg", "other.jpg"}
        for name in ("cat.yml", "cat.json", "cat.jpg"):
            world.until_returned(f"done/image-to-video/two/{name}")
    assert "image-to-video/two/cat.txt" in world.inbox()


def test_a_forgotten_txt_behind_a_name_is_forgiven(world: World):
    with world:
        world.drop("text-to-video/cup.yaml.txt", CUP)
        assert ended(world, "text-to-video/cup")["settings"]["prompt"] == "a cup"
        world.until_returned("done/text-to-video/cup.yaml.txt")
        world.drop("text-to-video/PAUSE.txt", "")
        world.drop("text-to-video/mug.yaml", CUP)
        world.until_hold("text-to-video/mug", "paused")
        world.drop("text-to-video/mug.cancel.txt", "")
        cancelled(world, "text-to-video/mug", "mug.yaml")
        gone(world, "text-to-video/mug.cancel.txt")


# PAUSE ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["", "text-to-video/"])
def test_what_waits_while_paused_says_so_and_goes_on_when_the_file_is_gone(world: World, where: str):
    pause = world.drop(f"{where}PAUSE", "")
    with world:
        world.drop("text-to-video/cup.yaml", CUP)
        drop_folder(world, "text-to-video/trip/mug", {"job.yaml": CUP})
        world.drop("image-to-video/cat.jpg", PHOTO)
        world.until_hold("text-to-video/cup", "paused")
        world.until_hold("text-to-video/trip/mug", "paused")
        if where:
            assert ended(world, "image-to-video/cat")["state"] == "done"
        else:
            world.until_hold("image-to-video/cat", "paused")
        assert {"text-to-video/cup.yaml", "text-to-video/trip/mug/job.yaml"} <= set(world.inbox())
        pause.unlink()
        for path in ("text-to-video/cup", "text-to-video/trip/mug", "image-to-video/cat"):
            status = ended(world, path)
            assert (status["state"], status["hold"]) == ("done", None)


def test_a_pause_outlives_the_daemon(world: World):
    with world:
        pause = world.drop("text-to-video/pause", "")
        world.drop("text-to-video/cup.yaml", CUP)
        world.until_hold("text-to-video/cup", "paused")
    with world:
        world.until_hold("text-to-video/cup", "paused")
        pause.unlink()
        assert ended(world, "text-to-video/cup")["state"] == "done"


# cancel --------------------------------------------------------------------------------------------------------------


def test_drops_that_wait_are_cancelled_by_a_file(world: World):
    with world:
        world.drop("image-to-video/cat.yaml", TINY)
        drop_folder(world, "image-to-video/trip/dog", {"job.yaml": TINY, "notes.pdf": b"%PDF"})
        world.until_hold("image-to-video/cat", "media_missing")
        world.until_hold("image-to-video/trip/dog", "media_missing")
        world.drop("image-to-video/CAT.cancel", "")
        world.drop("image-to-video/trip/dog.CANCEL", "")
        cancelled(world, "image-to-video/cat", "cat.yaml")
        cancelled(world, "image-to-video/trip/dog", "dog/job.yaml", "dog/notes.pdf")
        gone(world, "image-to-video/CAT.cancel")
        gone(world, "image-to-video/trip/dog.CANCEL")
        # A later drop of the name is another one.
        world.drop("image-to-video/cat.jpg", PHOTO)
        assert ended(world, "image-to-video/cat")["state"] == "done"


def test_what_came_with_the_order_is_cancelled_too(world: World):
    for path, content in {
        "text-to-video/cup.yaml": CUP.encode(),
        "text-to-video/mug/job.yaml": CUP.encode(),
        "text-to-video/sea.txt": b"the sea",
        "text-to-video/two.yaml": f"{CUP}count: 2\n".encode(),
        "image-to-video/cat.jpg": PHOTO,
    }.items():
        world.drop(path, content)
        world.drop(path.replace("/job.yaml", ".yaml").rpartition(".")[0] + ".cancel", "")
    with world:
        cancelled(world, "text-to-video/cup", "cup.yaml")
        cancelled(world, "text-to-video/mug", "mug/job.yaml")
        cancelled(world, "text-to-video/sea", "sea.txt")
        cancelled(world, "text-to-video/two", "two.yaml")
        cancelled(world, "image-to-video/cat", "cat.jpg")
        world.until(lambda: not list(world.config.inbox_dir.rglob("*.cancel")), "the end of the orders")
    assert [name for name in world.outbox() if name.endswith(".mp4")] == []


def test_an_order_for_nothing_disappears(world: World):
    with world:
        world.drop("text-to-video/nobody.cancel", "")
        world.drop("image-to-video/trip/nobody.cancel", "")
        gone(world, "text-to-video/nobody.cancel")
        gone(world, "image-to-video/trip/nobody.cancel")
        world.drop("text-to-video/nobody.yaml", CUP)
        assert ended(world, "text-to-video/nobody")["state"] == "done"


def test_a_picture_that_needs_a_companion_is_no_job_that_could_be_cancelled(tmp_path: Path, engine_outside: str):
    world = World(tmp_path / "world", engine_outside, workflows_dir=str(with_shipped(tmp_path / "library")))
    world.drop("motion-mimic/ann.jpg", PHOTO)
    world.drop("motion-mimic/ann.cancel", "")
    with world:
        gone(world, "motion-mimic/ann.cancel")
    assert world.inbox() == ["motion-mimic/ann.jpg"]
    assert world.outbox() == []


@pytest.fixture
def proxy(engine_outside: str) -> Iterator[Proxy]:
    with Proxy(engine_outside) as proxy:
        yield proxy


def test_a_job_of_a_folder_is_cancelled_while_it_is_queued(tmp_path: Path, proxy: Proxy):
    with World(tmp_path, proxy.url) as world:
        proxy.freeze()
        drop_folder(world, "image-to-video/cat", {"job.yaml": TINY, "deep/cat.jpg": PHOTO, ".DS_Store": b"\0"})
        world.until_state("image-to-video/cat", "queued", "running")
        gone(world, "image-to-video/cat")
        world.drop("image-to-video/cat.cancel", "")
        cancelled(world, "image-to-video/cat", "cat/job.yaml", "cat/deep/cat.jpg", "cat/.DS_Store")
        proxy.thaw()

"""Folders as drops: one folder with job.yaml is one job, whatever else lies in it, and moves as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.proxy import Proxy
from tests.line.world import World, photo
from tests.media.drawing import clip
from tests.workflows import with_shipped

TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"
PHOTO = photo((64, 48))


@pytest.fixture
def many_roles(tmp_path: Path, engine_outside: str):
    """A world whose tasks take several media."""
    world = World(tmp_path, engine_outside, workflows_dir=str(with_shipped(tmp_path / "library")))
    yield world
    world.stop()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip(tmp_path_factory.mktemp("clips") / "dance.mp4").read_bytes()


def drop_folder(world: World, path: str, files: dict[str, bytes | str]) -> Path:
    """Put a whole folder into the inbox the way a careful program does: written aside, renamed in."""
    aside = world.folder / "aside"
    for name, content in files.items():
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).write_bytes(content.encode() if isinstance(content, str) else content)
    target = world.config.inbox_dir / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return aside.rename(target)


def below(world: World, folder: str) -> dict[str, bytes]:
    """Return every file below a folder of the inbox, by its path from there."""
    root = world.config.inbox_dir / folder
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def inputs(status: dict) -> dict[str, str]:
    return {each["role"]: each["file"] for each in status["inputs"]}


def ended(world: World, path: str) -> dict:
    """Wait until a job has ended, and return its status."""
    return world.until_state(path, "done", "rejected", "failed")


def test_a_folder_becomes_one_video_and_returns_as_a_whole(world: World):
    files = {
        "job.yaml": TINY,
        "cat.jpg": PHOTO,
        "notes/read me.pdf": b"%PDF-1.7",
        ".DS_Store": b"\0\0\0\1Bud1",
        "cat (Ann's conflicted copy 2026-11-22).jpg": PHOTO,
    }
    with world:
        drop_folder(world, "image-to-video/trip/rome/cat", files)
        status = world.until_state("image-to-video/trip/rome/cat", "done", "rejected", "failed")
        assert status["state"] == "done", status["error"]
        assert (status["name"], inputs(status)) == ("cat", {"image": "cat.jpg"})
        world.until_returned("done/image-to-video/trip/rome/cat")
        world.until(lambda: not (world.config.inbox_dir / "image-to-video/trip/rome/cat").exists(), "its going")
    kept = below(world, "done/image-to-video/trip/rome/cat")
    assert kept == {name: content.encode() if isinstance(content, str) else content for name, content in files.items()}
    assert world.outbox() == ["image-to-video/trip/rome/cat.mp4", "image-to-video/trip/rome/cat.status.json"]


def test_files_of_a_folder_say_their_roles_at_any_depth(many_roles: World, video: bytes):
    with many_roles as world:
        drop_folder(
            world,
            "face-swap/ann",
            {"job.yaml": "priority: low", "faces/source.jpg": PHOTO, "target.mp4": video, "a.xlsx": b"PK"},
        )
        drop_folder(
            world, "face-swap/bob", {"job.yml": "source: me.jpg\n", "me.jpg": PHOTO, "you.jpg": PHOTO, "a.mp4": video}
        )
        assert inputs(ended(world, "face-swap/ann")) == {"source": "faces/source.jpg", "target": "target.mp4"}
        assert inputs(ended(world, "face-swap/bob")) == {"source": "me.jpg", "target": "a.mp4"}
        for name in ("ann", "bob"):
            world.until(lambda name=name: not (world.config.inbox_dir / "face-swap" / name).exists(), "its going")
            world.until_returned(f"done/face-swap/{name}")
    assert set(below(world, "done/face-swap/ann")) == {"job.yaml", "faces/source.jpg", "target.mp4", "a.xlsx"}


def test_a_job_of_a_folder_names_its_files_by_their_path_from_there(world: World):
    with world:
        world.drop("media/blue.jpg", PHOTO)
        drop_folder(
            world,
            "image-to-video/own",
            {
                "job.json": '{"image": "pictures/cat.jpg", "frames": 2}',
                "pictures/cat.jpg": PHOTO,
                "pictures/dog.jpg": PHOTO,
            },
        )
        drop_folder(world, "image-to-video/shared", {"job.yaml.txt": f"image: blue.jpg\n{TINY}"})
        status = ended(world, "image-to-video/own")
        assert inputs(status) == {"image": "pictures/cat.jpg"}
        assert inputs(ended(world, "image-to-video/shared")) == {"image": "blue.jpg"}
        world.until_returned("done/image-to-video/own/pictures/dog.jpg")
        world.until_returned("done/image-to-video/shared/job.yaml.txt")
    assert "media/blue.jpg" in world.inbox()


def test_a_folder_waits_visibly_for_its_media_and_starts_once_they_are_there(world: World):
    with world:
        drop_folder(world, "image-to-video/cat", {"job.yaml": TINY})
        hold = world.until_hold("image-to-video/cat", "media_missing")
        assert "picture" in hold["title"]
        world.drop("image-to-video/cat/deep/cat.jpg", PHOTO)
        assert inputs(ended(world, "image-to-video/cat")) == {"image": "deep/cat.jpg"}


def test_a_folder_that_is_copied_in_slowly_is_taken_when_it_is_all_there(many_roles: World, video: bytes):
    with many_roles as world:
        begun = world.drop("face-swap/ann/job.yaml", "priority: low")
        world.until_hold("face-swap/ann", "media_missing")
        for name, content in {"you.jpg": PHOTO, "source.jpg": PHOTO}.items():
            world.drop(f"face-swap/ann/{name}", content)
            # As long as a look takes and a little more; the folder isn't quiet yet.
            world.until(lambda name=name: owned(world, "face-swap/ann/job.yaml", name), f"the sight of {name}")
        with (begun.parent / "target.mp4").open("wb") as file:
            file.write(video[:1000])
            file.flush()
            world.until(lambda: owned(world, "face-swap/ann/job.yaml", "target.mp4"), "the sight of the video")
            (begun.parent / "you.jpg").unlink()
            world.until(lambda: not owned(world, "face-swap/ann/job.yaml", "you.jpg"), "its going")
            assert world.status("face-swap/ann")["state"] == "waiting"
            file.write(video[1000:])
        assert inputs(ended(world, "face-swap/ann")) == {"source": "source.jpg", "target": "target.mp4"}


def owned(world: World, deciding: str, name: str) -> bool:
    assert world.app is not None
    candidate = world.app.intake._pairing.candidate(deciding)
    return candidate is not None and any(path.endswith(f"/{name}") for path in candidate.members)


def test_a_refused_folder_is_retried_by_moving_it_up(world: World):
    with world:
        drop_folder(
            world, "image-to-video/trip/cat", {"job.yaml": "frames: many\n", "cat.jpg": PHOTO, "notes.txt": "hi"}
        )
        assert ended(world, "image-to-video/trip/cat")["state"] == "rejected"
        world.until_returned("rejected/image-to-video/trip/cat.reason.txt")
        rejected = world.config.inbox_dir / "rejected/image-to-video/trip"
        assert "frames" in world.reason("image-to-video/trip/cat")
        assert set(below(world, "rejected/image-to-video/trip/cat")) == {"job.yaml", "cat.jpg", "notes.txt"}
        (rejected / "cat/job.yaml").write_text(TINY)
        (rejected / "cat").rename(world.config.inbox_dir / "image-to-video/trip/cat")
        assert world.until_state("image-to-video/trip/cat", "done")["name"] == "cat"
        world.until_returned("done/image-to-video/trip/cat/notes.txt")
        assert not (rejected / "cat.reason.txt").exists()
    assert world.outbox() == ["image-to-video/trip/cat.mp4", "image-to-video/trip/cat.status.json"]


def test_a_folder_of_the_same_name_is_another_job_while_the_first_runs(world: World):
    with world:
        files = {"job.yaml": TINY, "cat.jpg": PHOTO}
        drop_folder(world, "image-to-video/cat", files)
        first = world.config.inbox_dir / "image-to-video/cat"
        world.until(lambda: not first.exists(), "the claim of the first")
        drop_folder(world, "image-to-video/cat", files)
        assert ended(world, "image-to-video/cat")["state"] == "done"
        assert ended(world, "image-to-video/cat_2")["state"] == "done"
        world.until_returned("done/image-to-video/cat_2/cat/job.yaml")
    assert set(below(world, "done/image-to-video")) == {
        "cat/job.yaml", "cat/cat.jpg", "cat_2/cat/job.yaml", "cat_2/cat/cat.jpg",
    }  # fmt: skip


def test_a_file_with_other_hard_links_is_copied_so_that_nobody_changes_it_under_the_job(world: World):
    kept = world.folder / "kept.jpg"
    kept.write_bytes(PHOTO)
    with world:
        folder = drop_folder(world, "image-to-video/cat", {"job.yaml": TINY, "deep/note.pdf": b"%PDF"})
        (folder / "cat.jpg").hardlink_to(kept)
        assert ended(world, "image-to-video/cat")["state"] == "done"
        world.until_returned("done/image-to-video/cat/cat.jpg")
    assert kept.stat().st_nlink == 1
    assert set(below(world, "done/image-to-video/cat")) == {"job.yaml", "cat.jpg", "deep/note.pdf"}


def test_a_link_in_a_folder_is_neither_followed_nor_lost(world: World):
    secret = world.folder / "secret.jpg"
    secret.write_bytes(PHOTO)
    with world:
        folder = drop_folder(world, "image-to-video/cat", {"job.yaml": TINY, "cat.jpg": PHOTO})
        (folder / "away").symlink_to(world.folder)
        (folder / "read.me").symlink_to(secret)
        assert ended(world, "image-to-video/cat")["state"] == "done"
        world.until(lambda: not folder.exists(), "its going")
    there = world.config.inbox_dir / "done/image-to-video/cat"
    assert (there / "read.me").is_symlink()
    assert (there / "away").is_symlink()
    assert secret.read_bytes() == PHOTO


def test_a_link_among_the_media_of_a_folder_is_named_and_the_folder_waits(world: World):
    with world:
        folder = drop_folder(world, "image-to-video/cat", {"job.yaml": TINY})
        (folder / "cat.jpg").symlink_to(world.folder / "secret.jpg")
        assert "cat.jpg is no plain file" in world.until_hold("image-to-video/cat", "not_a_file")["title"]
        (folder / "cat.jpg").unlink()
        world.drop("image-to-video/cat/cat.jpg", PHOTO)
        assert ended(world, "image-to-video/cat")["state"] == "done"


def test_a_cancelled_folder_is_taken_back_whole_by_retry(tmp_path: Path, engine_outside: str):
    with Proxy(engine_outside) as proxy, World(tmp_path, proxy.url) as world:
        proxy.freeze()
        drop_folder(world, "image-to-video/cat", {"job.yaml": TINY, "deep/cat.jpg": PHOTO, "notes.pdf": b"%PDF"})
        world.until_state("image-to-video/cat", "queued", "running")
        world.drop("image-to-video/cat.cancel", "")
        world.until_returned("rejected/image-to-video/cat.reason.txt")
        proxy.thaw()
        assert world.app is not None
        drop, store = world.status("image-to-video/cat")["drop"], world.app.store
        world.until(lambda: (known := store.drop(drop)) is not None and known.returned_to is not None, "its return")
        # What somebody put beside it there comes along.
        (world.config.inbox_dir / "rejected/image-to-video/cat/mine.txt").write_text("why?")
        world.app.retrial.retry("image-to-video/cat")
        status = world.until_state("image-to-video/cat", "done")
        assert (status["attempt"], inputs(status)) == (2, {"image": "deep/cat.jpg"})
        world.until_returned("done/image-to-video/cat/mine.txt")
    assert set(below(world, "done/image-to-video/cat")) == {"job.yaml", "deep/cat.jpg", "notes.pdf", "mine.txt"}
    assert not below(world, "rejected")


def test_a_waiting_folder_that_is_taken_away_takes_its_status_with_it(world: World):
    with world:
        folder = drop_folder(world, "image-to-video/cat", {"job.yaml": TINY})
        world.until_hold("image-to-video/cat", "media_missing")
        folder.rename(world.folder / "taken away")
        status = world.config.output_dir / "image-to-video/cat.status.json"
        world.until(lambda: not status.exists(), "the end of its status")


def test_a_folder_that_is_copied_under_a_hidden_or_temporary_name_starts_when_it_is_renamed(world: World):
    with world:
        folders = [drop_folder(world, f"text-to-video/{name}", {"job.yaml": f"prompt: a cup\n{TINY}"})
                   for name in (".cup", "cat.v2.tmp", "trip/_UNPACK_mug")]  # fmt: skip
        world.drop("text-to-video/first.yaml", f"prompt: a cup\n{TINY}")
        assert ended(world, "text-to-video/first")["state"] == "done"
        assert all(folder.is_dir() for folder in folders)
        for folder, name in zip(folders, ("cup", "cat.v2", "mug"), strict=True):
            folder.rename(folder.with_name(name))
        for path in ("cup", "cat.v2", "trip/mug"):
            assert ended(world, f"text-to-video/{path}")["state"] == "done"
            world.until_returned(f"done/text-to-video/{path}/job.yaml")


def test_of_two_folders_within_each_other_the_outer_one_is_the_drop(world: World):
    with world:
        drop_folder(world, "text-to-video/outer", {
            "job.yaml": f"prompt: a cup\n{TINY}", "inner/job.yaml": "prompt: never", "job.json": "{}",
            "more.yaml": "prompt: never", "sea.txt": "never", "nobody.cancel": "",
        })  # fmt: skip
        assert ended(world, "text-to-video/outer")["settings"]["prompt"] == "a cup"
        world.until_returned("done/text-to-video/outer/inner/job.yaml")
    assert world.outbox() == ["text-to-video/outer.mp4", "text-to-video/outer.status.json"]
    kept = {"job.yaml", "inner/job.yaml", "job.json", "more.yaml", "sea.txt"}
    assert set(below(world, "done/text-to-video/outer")) == kept


def test_a_picture_that_changes_in_its_claim_fails_the_job(tmp_path: Path, engine_outside: str):
    with Proxy(engine_outside) as proxy, World(tmp_path, proxy.url) as world:
        proxy.freeze()
        drop_folder(world, "image-to-video/cat", {"job.yaml": TINY, "cat.jpg": PHOTO})
        world.until_state("image-to-video/cat", "queued")
        [held] = (world.config.inbox_dir / ".reeldrop/claims").glob("*/dropped/cat.jpg")
        held.write_bytes(photo((80, 64)))
        proxy.thaw()
        status = ended(world, "image-to-video/cat")
        assert (status["state"], status["error"]["code"]) == ("failed", "media_changed")
        world.until_returned("rejected/image-to-video/cat/cat.jpg")

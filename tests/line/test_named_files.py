"""Files that jobs name: where they are looked for, whose they are, what becomes of them, and what a change does."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.faults.proxy import Proxy
from tests.line.crashing import Scene
from tests.line.test_folder_drops import ended
from tests.line.world import World, photo, picture
from tests.media.drawing import clip
from tests.workflows import with_shipped

TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"
PHOTO = photo((64, 48))
#: 1.2 s.
SHORT = {"media_wait_minutes": 0.02}


def colour(*rgb: int) -> bytes:
    return picture(Image.new("RGB", (64, 48), rgb), "JPEG")


RED, GREEN, BLUE = colour(200, 20, 20), colour(20, 200, 20), colour(20, 20, 200)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def taken(status: dict) -> str:
    assert status["state"] == "done", status["error"]
    return str(status["inputs"][0]["sha256"])


def test_a_name_is_searched_beside_the_job_then_in_media_then_in_the_media_folders(tmp_path: Path, engine_outside: str):
    roots = [tmp_path / "first root", tmp_path / "second root"]
    for root, content in zip(roots, (GREEN, BLUE), strict=True):
        (root / "deep").mkdir(parents=True)
        (root / "everywhere.jpg").write_bytes(content)
        (root / "deep/rooted.jpg").write_bytes(content)
    (roots[1] / "second.jpg").write_bytes(BLUE)
    world = World(tmp_path / "world", engine_outside, media_roots=[str(root) for root in roots])
    before = {root: root.stat().st_mtime_ns for root in roots}
    with world:
        world.drop("media/everywhere.jpg", RED)
        world.drop("media/cats/tabby.jpg", RED)
        world.drop("image-to-video/own/everywhere.jpg", PHOTO)
        world.drop("image-to-video/own/a.yaml", f"image: everywhere.jpg\n{TINY}")
        world.drop("image-to-video/b.yaml", f"image: everywhere.jpg\n{TINY}")
        world.drop("image-to-video/c.yaml", f"image: cats/tabby.jpg\n{TINY}")
        world.drop("image-to-video/d.yaml", f"image: deep/rooted.jpg\n{TINY}")
        world.drop("image-to-video/e.yaml", f"image: second.jpg\n{TINY}")
        found = {name: taken(ended(world, f"image-to-video/{name}")) for name in ("own/a", "b", "c", "d", "e")}
        world.until_returned("done/image-to-video/own/everywhere.jpg")
    contents = {"own/a": PHOTO, "b": RED, "c": RED, "d": GREEN, "e": BLUE}
    assert found == {name: sha256(content) for name, content in contents.items()}
    assert {root: root.stat().st_mtime_ns for root in roots} == before
    assert {"media/everywhere.jpg", "media/cats/tabby.jpg"} <= set(world.inbox())


def test_names_are_found_however_they_are_spelled(world: World):
    with world:
        world.drop(f"media/{unicodedata.normalize('NFD', 'Grün')}/Kätzchen.JPG", PHOTO)
        world.drop("image-to-video/cup.yaml", f"image: {unicodedata.normalize('NFC', 'grün/kätzchen.jpg')}\n{TINY}")
        assert taken(ended(world, "image-to-video/cup")) == sha256(PHOTO)


@pytest.mark.parametrize("name", ["/etc/cat.jpg", "../cat.jpg", "cats/../../cat.jpg", "~/cat.jpg", ".hidden.jpg"])
def test_names_that_lead_elsewhere_are_refused(world: World, name: str):
    with world:
        world.drop("image-to-video/cup.yaml", f"image: {name}\n{TINY}")
        assert ended(world, "image-to-video/cup")["state"] == "rejected"


def test_a_file_that_is_missing_elsewhere_is_found_once_it_comes(tmp_path: Path, engine_outside: str):
    root = tmp_path / "root"
    root.mkdir()
    world = World(tmp_path / "world", engine_outside, media_roots=[str(root)])
    with world:
        world.drop("image-to-video/a.yaml", f"image: late.jpg\n{TINY}")
        world.drop("image-to-video/b.yaml", f"image: deep/later.jpg\n{TINY}")
        for name, file in {"a": "late.jpg", "b": "deep/later.jpg"}.items():
            assert file in world.until_hold(f"image-to-video/{name}", "media_missing")["title"]
        world.drop("media/late.jpg", PHOTO)
        (root / "deep").mkdir()
        (root / "deep/later.jpg").write_bytes(RED)
        assert taken(ended(world, "image-to-video/a")) == sha256(PHOTO)
        assert taken(ended(world, "image-to-video/b")) == sha256(RED)


def test_a_file_that_changes_while_the_job_waits_for_another_is_taken_as_it_is_at_the_claim(world: World):
    with world:
        shared = world.drop("media/cat.jpg", RED)
        # Its end is missing, so the job waits.
        shared.write_bytes(RED[:-2])
        world.drop("image-to-video/cup.yaml", f"image: cat.jpg\n{TINY}")
        world.until_hold("image-to-video/cup", "incomplete")
        shared.write_bytes(GREEN)
        assert taken(ended(world, "image-to-video/cup")) == sha256(GREEN)


def test_a_file_that_is_replaced_after_the_look_refuses_the_job_that_named_the_other(
    tmp_path: Path, engine_outside: str
):
    scene = Scene(tmp_path, "shared", engine_outside)
    # Claimed with what the look saw of the picture, which nobody has read yet.
    assert scene.run("before 1 store.transaction of _remember").killed
    (tmp_path / "inbox/image-to-video/blue.jpg").unlink()
    (tmp_path / "inbox/image-to-video/blue.jpg").write_bytes(RED)
    scene.finish()
    status = scene.status("image-to-video/cup")
    assert (status["state"], status["error"]["code"]) == ("rejected", "media_changed")
    # The new one was named by nobody, so it is a job of its own.
    assert scene.status("image-to-video/blue")["state"] == "done"
    assert set(scene.files("inbox")) == {
        "done/image-to-video/blue.jpg", "rejected/image-to-video/cup.reason.txt", "rejected/image-to-video/cup.yaml",
    }  # fmt: skip


# large files ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("clips")
    return [clip(folder / f"{frames}.mp4", frames=frames, audio=True).read_bytes() for frames in (24, 25)]


@pytest.fixture
def proxy(engine_outside: str) -> Iterator[Proxy]:
    with Proxy(engine_outside) as proxy:
        yield proxy


@pytest.fixture
def large(tmp_path: Path, proxy: Proxy) -> Iterator[World]:
    """A world in which every video is large: it is used where it lies."""
    root = tmp_path / "root"
    root.mkdir()
    library = str(with_shipped(tmp_path / "library"))
    world = World(tmp_path / "world", proxy.url, workflows_dir=library, media_roots=[str(root)]).start()
    assert world.app is not None
    world.app.admission._examination._large_bytes = 100
    yield world
    proxy.thaw()
    world.stop()


@pytest.mark.parametrize("place", ["beside", "media", "root", "claim"])
def test_a_large_file_that_changes_while_its_job_is_queued_fails_it(
    large: World, proxy: Proxy, videos: list[bytes], place: str
):
    proxy.freeze()
    inbox = large.config.inbox_dir
    name = "cup.mp4" if place == "claim" else "dance.mp4"
    path = {"media": inbox / "media", "root": large.folder.parent / "root"}.get(place, inbox / "retouch") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(videos[0])
    large.drop("retouch/cup.yaml", "priority: low" if place == "claim" else f"target: {name}")
    status = large.until_state("retouch/cup", "queued", "rejected")
    assert (status["state"], taken_names(status)) == ("queued", {name}), status["error"]
    if place == "claim":
        [path] = (inbox / ".reeldrop/claims").glob("*/cup.mp4")
    path.write_bytes(videos[1])
    proxy.thaw()
    status = ended(large, "retouch/cup")
    assert (status["state"], status["error"]["code"]) == ("failed", "media_changed")
    large.until_returned("rejected/retouch/cup.reason.txt")
    assert name in large.reason("retouch/cup")
    if place in ("media", "root"):
        assert path.read_bytes() == videos[1]


def taken_names(status: dict[str, Any]) -> set[str]:
    return {each["file"] for each in status["inputs"]}


def test_large_files_that_stay_as_they_are_are_used_where_they_lie(large: World, videos: list[bytes]):
    large.drop("media/dance.mp4", videos[0])
    large.drop("retouch/cup.yaml", "target: dance.mp4")
    assert taken(ended(large, "retouch/cup")) == sha256(videos[0])
    large.until_returned("done/retouch/cup.yaml")
    assert large.inbox() == ["done/retouch/cup.yaml", "media/dance.mp4"]


# files of the job's own folder ---------------------------------------------------------------------------------------


@pytest.fixture
def slow(tmp_path: Path, proxy: Proxy) -> Iterator[World]:
    """A world whose server answers only once it is thawed."""
    yield from _held(World(tmp_path, proxy.url), proxy)


def _held(world: World, proxy: Proxy) -> Iterator[World]:
    with world:
        yield world
        proxy.thaw()


def left_and_returned(world: World) -> tuple[list[str], list[str]]:
    """Return what lies in the task folders, and what in done and rejected."""
    names = world.inbox()
    returned = [name for name in names if name.startswith(("done/", "rejected/"))]
    return [name for name in names if name not in returned], returned


def test_a_file_that_two_jobs_name_stays_for_the_second_and_follows_it(slow: World, proxy: Proxy):
    for name in "ab":
        slow.drop(f"image-to-video/trip/{name}.yaml", f"image: blue.jpg\n{TINY}")
    slow.until_hold("image-to-video/trip/b", "media_missing")
    proxy.freeze()
    slow.drop("image-to-video/trip/blue.jpg", BLUE)
    for name in "ab":
        slow.until_state(f"image-to-video/trip/{name}", "queued", "running")
    slow.drop("image-to-video/trip/a.cancel", "")
    slow.until_returned("rejected/image-to-video/trip/a.yaml")
    assert "image-to-video/trip/blue.jpg" in slow.inbox()
    proxy.thaw()
    assert taken(ended(slow, "image-to-video/trip/b")) == sha256(BLUE)
    slow.until_returned("done/image-to-video/trip/blue.jpg")
    assert left_and_returned(slow) == ([], [
        "done/image-to-video/trip/b.yaml", "done/image-to-video/trip/blue.jpg",
        "rejected/image-to-video/trip/a.reason.txt", "rejected/image-to-video/trip/a.yaml",
    ])  # fmt: skip


def test_a_file_that_a_waiting_job_names_stays_until_that_one_is_gone(world: World):
    world.drop("image-to-video/a.yaml", f"image: blue.jpg\n{TINY}")
    other = world.drop("image-to-video/b.yaml", "jobs:\n- image: blue.jpg\n- image: missing.jpg\n")
    with world:
        world.until_hold("image-to-video/b", "media_missing")
        blue = world.drop("image-to-video/blue.jpg", BLUE)
        assert taken(ended(world, "image-to-video/a")) == sha256(BLUE)
        world.until_returned("done/image-to-video/a.yaml")
        world.until_hold("image-to-video/b", "media_missing")
        for _ in range(3):
            looked(world)
        assert blue.exists()
        other.unlink()
        world.until_returned("done/image-to-video/blue.jpg")
    assert not (world.config.output_dir / "image-to-video/b.status.json").exists()


def looked(world: World) -> None:
    """Wait until a look at the inbox has been taken."""
    assert world.app is not None
    intake = world.app.intake
    before = intake.look_took_s
    world.app.wake()
    world.until(lambda: intake.look_took_s != before, "a look")


def test_a_file_follows_a_batch_once_all_of_it_is_over(world: World):
    with world:
        world.drop(
            "image-to-video/two.yaml",
            f"{TINY}jobs:\n- image: blue.jpg\n- image: red.jpg\n- image: blue.jpg\n  seed: 3\n",
        )
        world.until_hold("image-to-video/two", "media_missing")
        world.drop("image-to-video/red.jpg", RED)
        world.drop("image-to-video/blue.jpg", BLUE)
        assert ended(world, "image-to-video/two")["state"] == "done"
        for name in ("two.yaml", "red.jpg", "blue.jpg"):
            world.until_returned(f"done/image-to-video/{name}")
    assert left_and_returned(world)[0] == []


def test_a_file_follows_a_refused_job_and_comes_back_with_it(world: World):
    with world:
        world.drop("image-to-video/bad.yaml", "image: cat.jpg\nframes: many\n")
        assert ended(world, "image-to-video/bad")["state"] == "rejected"
        world.drop("image-to-video/worse.yaml", f"image: cat.jpg\n{TINY}")
        world.until_hold("image-to-video/worse", "media_missing")
        broken = b"\xff\xd8\xff\xe0" + bytes(100) + b"\xff\xd9"
        world.drop("image-to-video/cat.jpg", broken)
        assert ended(world, "image-to-video/worse")["state"] == "rejected"
        world.until_returned("rejected/image-to-video/cat.jpg")
        rejected = world.config.inbox_dir / "rejected/image-to-video"
        (rejected / "cat.jpg").unlink()
        (rejected / "worse.yaml").rename(world.config.inbox_dir / "image-to-video/worse.yaml")
        world.drop("image-to-video/cat.jpg", PHOTO)
        assert taken(world.until_state("image-to-video/worse", "done")) == sha256(PHOTO)
        world.until_returned("done/image-to-video/cat.jpg")
        world.until_returned("done/image-to-video/worse.yaml")
    assert left_and_returned(world)[1] == [
        "done/image-to-video/cat.jpg", "done/image-to-video/worse.yaml",
        "rejected/image-to-video/bad.reason.txt", "rejected/image-to-video/bad.yaml",
    ]  # fmt: skip


def test_a_named_file_is_never_a_job_of_its_own_while_a_new_one_of_its_name_is(slow: World, proxy: Proxy):
    slow.drop("image-to-video/cup.yaml", f"image: blue.jpg\n{TINY}")
    slow.until_hold("image-to-video/cup", "media_missing")
    proxy.freeze()
    blue = slow.drop("image-to-video/blue.jpg", BLUE)
    slow.until_state("image-to-video/cup", "queued", "running")
    slow.drop("image-to-video/green.jpg", GREEN)
    slow.until_state("image-to-video/green", "queued", "running")
    assert not (slow.config.output_dir / "image-to-video/blue.status.json").exists()
    blue.unlink()
    slow.drop("image-to-video/blue.jpg", RED)
    slow.until_state("image-to-video/blue", "queued", "running")
    proxy.thaw()
    assert taken(ended(slow, "image-to-video/cup")) == sha256(BLUE)
    assert taken(ended(slow, "image-to-video/blue")) == sha256(RED)
    slow.until_returned("done/image-to-video/blue.jpg")
    slow.until_returned("done/image-to-video/cup.yaml")

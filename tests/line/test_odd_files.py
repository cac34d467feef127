"""Links, pipes, devices, twins and files that fell decoders: none is followed, none holds up what lies beside it."""

import json
import os
import socket
from dataclasses import replace

import pytest
from PIL import Image

from tests.line.odd import bench, names
from tests.line.odd.decoders import Hanging
from tests.line.odd.texts import GOOD
from tests.line.world import World, photo, picture
from tests.marker_classifier import MARKER
from tests.media import drawing
from tests.workflows import with_shipped

TINY = "seed: 7\nwidth: 64\nheight: 64\nframes: 2\nsteps: 1\n"
JOB = f"prompt: x\n{TINY}"


def good_after(world: World) -> None:
    """A plain good job, dropped after all that is odd, is done."""
    world.drop("text-to-video/good.yaml", GOOD)
    world.until_state("text-to-video/good", "done")


def test_no_link_pipe_socket_or_device_is_opened_or_moved(world: World, monkeypatch: pytest.MonkeyPatch):
    inbox, secret = world.config.inbox_dir, world.folder / "secret"
    secret.mkdir()
    (secret / "job.yaml").write_text(JOB)
    (secret / "cat.jpg").write_bytes(photo((64, 48)))
    folder = inbox / "text-to-video"
    folder.mkdir(parents=True)
    (inbox / "image-to-video").mkdir()
    (folder / "link.yaml").symlink_to(secret / "job.yaml")
    (folder / "dangling.yaml").symlink_to(secret / "nowhere.yaml")
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")
    (folder / "inner").symlink_to(secret)
    (inbox / "image-to-video" / "alone.jpg").symlink_to(secret / "cat.jpg")
    os.mkfifo(folder / "pipe.yaml")
    os.mkfifo(inbox / "image-to-video" / "pipe.jpg")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.yaml")
        held = ["link", "dangling", "loop", "pipe", "socket"]
        if os.geteuid() == 0:
            os.mknod(folder / "device.yaml", 0o20666, os.makedev(1, 5))
            held.append("device")
        (folder / "directory.yaml").mkdir()
        with world:
            good_after(world)
            for name in held:
                assert "no plain file" in world.until_hold(f"text-to-video/{name}", "not_a_file")["title"]
            told = {name.partition(".")[0] for name in world.outbox()}
            assert told == {f"text-to-video/{name}" for name in (*held, "good")}
    assert sorted(path.name for path in secret.iterdir()) == ["cat.jpg", "job.yaml"]
    assert (folder / "link.yaml").is_symlink()
    assert (folder / "inner").is_symlink()


def test_of_two_hard_links_only_the_dropped_one_moves_and_later_writes_to_the_other_change_nothing(world: World):
    other = world.folder / "mine.jpg"
    other.write_bytes(photo((64, 48)))
    before = other.stat()
    inbox = world.config.inbox_dir / "image-to-video"
    inbox.mkdir(parents=True)
    os.link(other, inbox / "cat.jpg")
    with world:
        world.drop("image-to-video/cat.yaml", TINY)
        world.until_state("image-to-video/cat", "done")
        world.until_returned("done/image-to-video/cat.jpg")
    there = world.config.inbox_dir / "done/image-to-video/cat.jpg"
    assert there.read_bytes() == other.read_bytes() == photo((64, 48))
    assert there.stat().st_ino != before.st_ino
    assert (other.stat().st_ino, other.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    other.write_bytes(b"mine again")
    assert there.read_bytes() == photo((64, 48))


def test_a_dropped_folder_with_links_in_it_is_used_for_its_plain_files_and_nothing_is_followed(world: World):
    secret = world.folder / "secret.jpg"
    secret.write_bytes(photo((32, 32)))
    part = world.config.inbox_dir / "image-to-video" / ".cat.part"
    part.mkdir(parents=True)
    (part / "job.yaml").write_text(TINY)
    (part / "image.jpg").write_bytes(photo((64, 48)))
    (part / "other.jpg").symlink_to(secret)
    (part / "outside").symlink_to(world.folder)
    with world:
        part.rename(part.with_name("cat"))
        good_after(world)
        file = world.config.output_dir / "image-to-video/cat.status.json"
        world.until(file.exists, "a status of the folder")
        status = world.status("image-to-video/cat")
    assert secret.read_bytes() == photo((32, 32))
    assert status["state"] != "done" or status["inputs"][0]["file"] == "image.jpg"


def test_twins_of_one_name_are_two_jobs_and_both_results_are_kept(world: World):
    with world:
        for number, (first, second) in enumerate(names.twins()):
            for seed, dropped in ((2 * number, first), (2 * number + 1, second)):
                text = {"prompt": f"twin {seed}", "seed": seed, "width": 64, "height": 64, "frames": 2, "steps": 1}
                bench.drop(world, b"text-to-video/" + dropped, json.dumps(text).encode())
        done = world.config.inbox_dir / "done" / "text-to-video"

        def all_back() -> bool:
            return done.is_dir() and sum(path.is_file() for path in done.rglob("*")) == 8

        world.until(all_back, "all eight")
    seeds = [json.loads(path.read_text())["seed"] for path in world.config.output_dir.rglob("*.status.json")]
    assert sorted(seeds) == list(range(8))
    films = [name for name in world.outbox() if name.endswith(".mp4")]
    assert len({name.casefold() for name in films}) == 8


def test_a_picture_that_several_jobs_name_serves_them_all_and_stays_where_many_share_it(world: World):
    with world:
        shared = world.drop("media/cat.jpg", photo((64, 48)))
        for number in range(3):
            world.drop(f"image-to-video/job{number}.yaml", f"image: cat.jpg\n{TINY.replace('7', str(number))}")
        for number in range(3):
            assert world.until_state(f"image-to-video/job{number}", "done")["inputs"][0]["file"] == "cat.jpg"
    assert shared.read_bytes() == photo((64, 48))


def test_control_files_for_nothing_do_nothing_and_go(world: World):
    with world:
        gone = [world.drop(f"text-to-video/{name}", "") for name in ("nobody.cancel", "Nobody2.CANCEL", "x.cancel.txt")]
        elsewhere = world.drop("no-such-task/nobody.cancel", "")
        good_after(world)
        world.until(lambda: not any(path.exists() for path in gone), "their end")
    assert elsewhere.exists()
    assert world.outbox() == ["text-to-video/good.mp4", "text-to-video/good.status.json"]


def test_a_picture_over_which_the_decoder_hangs_holds_up_nothing_and_is_refused_when_it_falls(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside)
    world.classifier = Hanging(tmp_path)
    with world:
        world.drop("image-to-video/bad.png", picture(Image.new("RGB", (64, 64), MARKER), "PNG"))
        world.drop("image-to-video/bad.yaml", TINY)
        world.until((tmp_path / "hangs").exists, "the hanging decoder")
        # Nobody lets it go before these are done: whatever waited for it would wait for ever.
        good_after(world)
        world.drop("text-to-video/refused.yaml", "promt: x\n")
        world.until_state("text-to-video/refused", "rejected")
        assert world.status("image-to-video/bad")["state"] == "waiting"
        (tmp_path / "go").touch()
        error = world.until_state("image-to-video/bad", "rejected")["error"]
        assert "bad.png made the decoder fall over" in error["title"]
        world.drop("image-to-video/fine.jpg", photo((64, 48)))
        world.drop("image-to-video/fine.yaml", TINY)
        world.until_state("image-to-video/fine", "done")
        world.until_returned("rejected/image-to-video/bad.png")


def test_a_film_over_which_the_decoder_hangs_is_refused_at_its_deadline(tmp_path, engine_outside):
    folder = str(with_shipped(tmp_path / "workflows"))
    world = World(tmp_path, engine_outside, workflows_dir=folder)
    world.classifier = Hanging(tmp_path)
    film = drawing.clip(tmp_path / "film.mp4", draw=drawing.marked_at(*range(24))).read_bytes()
    with world:
        assert world.app is not None
        examiner = world.app._drops_examiner
        examiner._deadlines = replace(examiner._deadlines, screen_s=1.5, video_s_per_s=100)
        world.drop("retouch/bad.mp4", film)
        world.drop("retouch/bad.yaml", "rerun: true\n")
        world.until((tmp_path / "hangs").exists, "the hanging decoder")
        good_after(world)
        error = world.until_state("retouch/bad", "rejected")["error"]
        assert "bad.mp4 could not be examined within 2 seconds" in error["title"]
        world.until_returned("rejected/retouch/bad.mp4")
    assert (world.config.inbox_dir / "rejected/retouch/bad.mp4").read_bytes() == film

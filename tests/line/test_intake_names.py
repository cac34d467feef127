"""Names that are no UTF-8, and drops over which the daemon itself stumbles."""

import os
import subprocess
from pathlib import Path

import pytest

from service.drops import Candidate
from service.sightings import Seen
from tests.line.world import SMALL, World, photo

GOOD = f"prompt: a harbour\n{SMALL}"
TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"


def drop(world: World, path: bytes, content: bytes) -> bytes:
    """Put a file of any name bytes into the inbox."""
    target = os.path.join(os.fsencode(world.config.inbox_dir), path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(content)
    return target


def there(world: World, path: bytes) -> bool:
    return os.path.lexists(os.path.join(os.fsencode(world.config.inbox_dir), path))


def test_a_job_file_and_a_folder_that_are_no_utf8_go_through_and_return_with_their_exact_bytes(world: World):
    drop(world, b"text-to-video/\xff.yaml", GOOD.encode())
    drop(world, b"text-to-video/caf\xe9/\xfe.txt", b"a lake")
    with world:
        world.until_state("text-to-video/_", "done")
        world.until(lambda: there(world, b"done/text-to-video/\xff.yaml"), "the job file")
        # One that is refused, in a folder of such a name.
        drop(world, b"text-to-video/caf\xe9/\xfd.yaml", b"seed: x\n")
        world.until(lambda: there(world, b"rejected/text-to-video/caf\xe9/\xfd.yaml"), "the refused one")
        assert "text-to-video/caf_/_.status.json" in world.outbox()
        assert all(name.isascii() for name in world.outbox())


def test_a_picture_that_is_no_utf8_is_named_found_and_remembered(world: World):
    drop(world, b"image-to-video/cup\xff.jpg", photo((64, 48)))
    drop(world, b"image-to-video/cup\xff.yaml", TINY.encode())
    drop(world, b"image-to-video/later\xff.yaml", TINY.encode())
    with world:
        world.until_state("image-to-video/cup_", "done")
        world.until(lambda: there(world, b"done/image-to-video/cup\xff.jpg"), "the picture")
        assert "later?" in world.until_hold("image-to-video/later_", "media_missing")["title"]
    with world:
        drop(world, b"image-to-video/later\xff.jpg", photo((64, 48)))
        world.until(lambda: there(world, b"done/image-to-video/later\xff.yaml"), "the later one")


@pytest.mark.parametrize("known", [False, True], ids=["before its first sight", "after it"])
def test_a_drop_over_which_the_daemon_stumbles_holds_itself_and_nothing_else(world: World, known: bool, caplog):
    with world:
        assert world.app is not None
        sightings = world.app.intake._sightings
        see, see_all = sightings.see, sightings.see_all

        def stumble(candidate: Candidate, now_s: float) -> Seen:
            if candidate.name == "bad" and not known:
                raise KeyError("a fault")
            seen = see(candidate, now_s)
            if candidate.name == "bad":
                raise KeyError("a fault")
            return seen

        def stumble_all(candidates, now_s: float, **how):
            if any(candidate.name == "bad" for candidate in candidates):
                raise KeyError("a fault")
            return see_all(candidates, now_s, **how)

        sightings.see = stumble
        if not known:
            sightings.see_all = stumble_all
        world.drop("text-to-video/bad.yaml", GOOD)
        world.drop("text-to-video/good.yaml", GOOD)
        world.until_state("text-to-video/good", "done")
        if known:
            world.until_hold("text-to-video/bad", "internal")
    assert len([record for record in caplog.records if record.exc_info and record.levelname == "ERROR"]) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that it may not rename (chattr +i)")
def test_a_picture_that_may_not_be_moved_holds_itself_and_nothing_after_it(world: World):
    stuck: Path = world.drop("image-to-video/a-stuck.jpg", photo((64, 48)))
    if subprocess.run(["chattr", "+i", str(stuck)], capture_output=True).returncode:
        pytest.skip("this file system has no immutable files")
    try:
        with world:
            world.until_hold("image-to-video/a-stuck", "not_readable")
            world.drop("image-to-video/b-good.jpg", photo((64, 48)))
            world.until_state("image-to-video/b-good", "queued", "running", "done")
    finally:
        subprocess.run(["chattr", "-i", str(stuck)], check=True)


def test_a_text_over_which_the_reader_stumbles_holds_its_drop_and_nothing_else(world: World):
    with world:
        assert world.app is not None
        texts = world.app.intake._texts
        parse = texts._parse

        def stumble(candidate: Candidate, text: bytes):
            if candidate.name == "bad":
                raise KeyError("a fault")
            return parse(candidate, text)

        texts._parse = stumble
        world.drop("text-to-video/bad.yaml", GOOD)
        world.drop("text-to-video/good.yaml", GOOD)
        world.until_state("text-to-video/good", "done")
        world.until_hold("text-to-video/bad", "internal")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder unwritable for itself (chattr +i)")
def test_an_outbox_that_refuses_while_a_drop_vanishes_stops_no_other_drop(world: World):
    with world:
        gone = world.drop("image-to-video/gone.yaml", TINY)
        world.until_hold("image-to-video/gone", "media_missing")
        outbox = world.config.output_dir / "image-to-video"
        if subprocess.run(["chattr", "+i", str(outbox)], capture_output=True).returncode:
            pytest.skip("this file system has no immutable folders")
        try:
            gone.unlink()
            world.drop("text-to-video/good.yaml", GOOD)
            world.until_state("text-to-video/good", "done")
        finally:
            subprocess.run(["chattr", "-i", str(outbox)], check=True)
        world.until(lambda: not (outbox / "gone.status.json").exists(), "the end of its status file")

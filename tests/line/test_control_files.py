"""PAUSE and NAME.cancel as people put them into the inbox: what they stop, what goes on, and that they go again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.examiner import OpenNsfw
from tests.faults.proxy import Proxy
from tests.line.test_control import assert_cancelled_once, queue_up, server_queue, until_rendering
from tests.line.world import SMALL, World, photo

CUP = f"prompt: a cup\n{SMALL}"

#: Long enough to be seen running, short enough that a slow machine ends it in time.
SOME_SECONDS = "prompt: a harbour\nseed: 1\nwidth: 512\nheight: 512\nframes: 16\nsteps: 90\n"


@pytest.fixture
def proxy(engine_outside: str) -> Iterator[Proxy]:
    with Proxy(engine_outside) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, proxy: Proxy) -> Iterator[World]:
    world = World(tmp_path, proxy.url)
    # The marker classifier would find its colour in the noise of the first steps.
    world.classifier = OpenNsfw
    yield world
    proxy.thaw()
    world.stop()


def until_gone(world: World, path: str) -> None:
    world.until(lambda: not (world.config.inbox_dir / path).exists(), f"the end of {path}")


def test_a_drop_that_waits_for_media_is_cancelled_and_comes_back(world: World):
    world.start()
    world.drop("image-to-video/cup.yaml", "image: lost.jpg\n")
    world.until_hold("image-to-video/cup", "media_missing")
    world.drop("image-to-video/cup.cancel", "")
    assert_cancelled_once(world, "image-to-video/cup")
    world.until_returned("rejected/image-to-video/cup.yaml")
    until_gone(world, "image-to-video/cup.cancel")
    world.until_returned("rejected/image-to-video/cup.reason.txt")
    assert "It was cancelled." in world.reason("image-to-video/cup")


def test_a_drop_that_waits_for_media_is_cancelled_from_the_outbox_too(world: World):
    world.start()
    world.drop("image-to-video/cup.yaml", "image: lost.jpg\n")
    world.until_hold("image-to-video/cup", "media_missing")
    mark = world.config.output_dir / "image-to-video" / "cup.cancel"
    mark.touch()
    assert_cancelled_once(world, "image-to-video/cup")
    world.until_returned("rejected/image-to-video/cup.yaml")
    world.until(lambda: not mark.exists(), "the end of the control file")


def test_an_order_in_a_grouping_folder_cancels_there_alone(world: World, proxy: Proxy):
    world.start()
    queue_up(world, proxy, "red/cup", "blue/cup")
    world.drop("text-to-video/red/CUP.cancel", "")
    assert_cancelled_once(world, "text-to-video/red/cup")
    until_gone(world, "text-to-video/red/CUP.cancel")
    assert world.status("text-to-video/blue/cup")["state"] == "queued"


def test_what_comes_with_its_order_is_cancelled_and_what_comes_after_is_not(world: World, proxy: Proxy):
    world.drop("text-to-video/cup.yaml", CUP)
    world.drop("text-to-video/cup.cancel", "")
    world.start()
    world.until_returned("rejected/text-to-video/cup.yaml")
    until_gone(world, "text-to-video/cup.cancel")
    world.drop("text-to-video/cup.yaml", CUP)
    assert world.until_state("text-to-video/cup", "done")["outputs"][0]["file"] == "cup.mp4"
    assert proxy.prompts_sent == 1


def test_a_pause_of_everything_holds_the_queue_and_what_comes_and_lets_what_runs_go_on(world: World, proxy: Proxy):
    world.start()
    world.drop("text-to-video/long.yaml", SOME_SECONDS)
    until_rendering(world, proxy)
    world.drop("text-to-video/queued.yaml", CUP)
    world.until_state("text-to-video/queued", "queued", "running")
    world.drop("PAUSE", "")
    hold = world.until_hold("text-to-video/queued", "paused")
    assert "inbox/PAUSE" in hold["fix"]
    world.drop("text-to-video/fresh.yaml", CUP)
    assert "Everything" in world.until_hold("text-to-video/fresh", "paused")["title"]
    world.until_state("text-to-video/long", "done")
    assert world.status("text-to-video/queued")["state"] == "queued"
    assert world.status("text-to-video/fresh")["state"] == "waiting"
    world.until(world.app.finished, "nothing to do")
    # It may have been in the server's queue behind the first, and was taken back.
    assert server_queue(proxy.upstream) == ([], [])
    assert not (world.config.output_dir / "text-to-video/queued.mp4").exists()
    (world.config.inbox_dir / "PAUSE").unlink()
    for name in ("queued", "fresh"):
        assert world.until_state(f"text-to-video/{name}", "done")["hold"] is None


def test_a_pause_of_one_task_lets_the_others_run(world: World, proxy: Proxy):
    world.start()
    world.drop("text-to-video/Pause.txt", "")
    world.until(lambda: world.app.control.paused("text-to-video"), "the pause")
    world.drop("text-to-video/cup.yaml", CUP)
    assert "inbox/text-to-video/PAUSE" in world.until_hold("text-to-video/cup", "paused")["fix"]
    world.drop("image-to-video/mug.jpg", photo())
    world.drop("image-to-video/mug.yaml", SMALL)
    world.until_state("image-to-video/mug", "done")
    assert world.status("text-to-video/cup")["state"] == "waiting"
    (world.config.inbox_dir / "text-to-video" / "Pause.txt").unlink()
    world.until_state("text-to-video/cup", "done")


def test_a_pause_outlives_the_daemon_and_so_does_its_end(world: World, proxy: Proxy):
    world.start()
    queue_up(world, proxy, "cup")
    world.drop("PAUSE", "")
    world.until_hold("text-to-video/cup", "paused")
    proxy.thaw()
    world.stop()
    world.start()
    # Before any look, or a lane might take a job in between.
    assert world.app.control.paused("text-to-video")
    world.until(lambda: world.app.intake.settled, "a look")
    assert world.status("text-to-video/cup")["state"] == "queued"
    world.stop()
    (world.config.inbox_dir / "PAUSE").unlink()
    world.start()
    assert world.until_state("text-to-video/cup", "done")["hold"] is None


def test_what_is_paused_can_be_cancelled(world: World, proxy: Proxy):
    world.start()
    queue_up(world, proxy, "cup")
    world.drop("PAUSE", "")
    world.until_hold("text-to-video/cup", "paused")
    world.drop("text-to-video/waits.yaml", CUP)
    world.until_hold("text-to-video/waits", "paused")
    for name in ("cup", "waits"):
        world.drop(f"text-to-video/{name}.cancel", "")
        assert_cancelled_once(world, f"text-to-video/{name}")
        world.until_returned(f"rejected/text-to-video/{name}.yaml")

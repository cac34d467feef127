"""Jobs with a time of their own as a user sees them: they rest in inbox/scheduled/, start when it comes, come again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.line.world import SMALL, World, photo

BERLIN = ZoneInfo("Europe/Berlin")
CUP = f"prompt: a cup\n{SMALL}"
LATER = f"start_at: 2026-11-23 22:00\n{CUP}"
NIGHTLY = f"every: 0 22 * * *\n{CUP}"


class Clocked(World):
    """A world whose clock on the wall the test sets."""

    def __init__(self, folder: Path, url: str | None) -> None:
        super().__init__(folder, url)
        self.now = datetime(2026, 11, 23, 12, tzinfo=BERLIN)
        self.prepare = self._set_clock

    def _set_clock(self) -> None:
        assert self.app is not None
        self.app.now = lambda: self.now

    def set(self, text: str) -> None:
        """Set the clock; what rests is looked at soon after."""
        self.now = datetime.fromisoformat(text).replace(tzinfo=BERLIN)
        assert self.app is not None
        self.app.wake()


@pytest.fixture
def world(tmp_path: Path, engine_outside: str) -> Iterator[Clocked]:
    world = Clocked(tmp_path, engine_outside)
    yield world
    world.stop()


def test_a_job_before_its_time_rests_in_scheduled_and_starts_when_it_comes(world: Clocked):
    with world:
        world.drop("text-to-video/trip/cup.yaml", LATER)
        hold = world.until_hold("text-to-video/trip/cup", "scheduled")
        assert hold["title"] == "It starts at 2026-11-23 22:00."
        assert hold["fix"] == "Edit inbox/scheduled/text-to-video/trip/cup.yaml to change that, delete it to end it."
        assert world.status("text-to-video/trip/cup")["state"] == "waiting"
        assert world.inbox() == ["scheduled/text-to-video/trip/cup.yaml"]
        job = world.status("text-to-video/trip/cup")["job"]
        world.until(world.app.finished, "nothing else is to be done")
        world.set("2026-11-23 21:59:59")
        world.until(world.app.finished, "nothing else is to be done")
        assert world.status("text-to-video/trip/cup")["state"] == "waiting"
        world.set("2026-11-23 22:00")
        world.until_state("text-to-video/trip/cup", "done")
        world.until_returned("done/text-to-video/trip/cup.yaml")
        assert world.status("text-to-video/trip/cup")["job"] == job
        assert world.outbox() == ["text-to-video/trip/cup.mp4", "text-to-video/trip/cup.status.json"]


def test_a_time_that_is_past_starts_at_once(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", LATER.replace("22:00", "11:00"))
        world.until_state("text-to-video/cup", "done")


def test_what_rests_outlives_a_restart_and_starts_though_its_time_came_meanwhile(world: Clocked):
    with world:
        world.drop("image-to-video/cat.yaml", LATER.replace("prompt: a cup\n", ""))
        world.drop("image-to-video/cat.jpg", photo())
        world.until_hold("image-to-video/cat", "scheduled")
        job = world.status("image-to-video/cat")["job"]
    assert world.inbox() == ["scheduled/image-to-video/cat.jpg", "scheduled/image-to-video/cat.yaml"]
    with world:
        world.until(world.app.finished, "nothing to do")
        assert world.status("image-to-video/cat")["hold"]["code"] == "scheduled"
    world.now += timedelta(days=3)
    with world:
        assert world.until_state("image-to-video/cat", "done")["job"] == job
        world.until_returned("done/image-to-video/cat.jpg")


def test_who_deletes_what_rests_ends_it(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", LATER)
        world.until_hold("text-to-video/cup", "scheduled")
        (world.config.inbox_dir / "scheduled/text-to-video/cup.yaml").unlink()
        world.until(lambda: world.outbox() == [], "its status goes")
        world.set("2026-11-23 22:01")
        world.until(world.app.finished, "nothing to do")
        assert world.outbox() == []


def test_who_edits_what_rests_gives_it_another_time(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", LATER)
        world.until_hold("text-to-video/cup", "scheduled")
        world.drop("scheduled/text-to-video/cup.yaml", LATER.replace("22:00", "23:30"))
        world.until(lambda: "23:30" in world.status("text-to-video/cup")["hold"]["title"], "it says its new time")
        world.drop("scheduled/text-to-video/cup.yaml", CUP)
        assert "inbox/text-to-video/" in world.until_hold("text-to-video/cup", "no_time")["fix"]
        world.drop("scheduled/text-to-video/cup.yaml", LATER.replace("start_at", "startat"))
        world.until_state("text-to-video/cup", "rejected")
        world.until_returned("rejected/text-to-video/cup.reason.txt")
        assert "start_at" in world.reason("text-to-video/cup")


def test_a_job_that_comes_again_is_copied_each_time_and_stays(world: Clocked):
    with world:
        world.drop("image-to-video/cat.yaml", NIGHTLY.replace("prompt: a cup\n", ""))
        world.drop("image-to-video/cat.jpg", photo())
        hold = world.until_hold("image-to-video/cat", "scheduled")
        assert hold["title"] == "It runs next at 2026-11-23 22:00 (every 0 22 * * *)."
        world.set("2026-11-23 22:00")
        first = world.until_state("image-to-video/cat_2026-11-23_2200", "done")
        world.until(lambda: "2026-11-24 22:00" in world.status("image-to-video/cat")["hold"]["title"], "the next one")
        world.set("2026-11-24 22:03")
        second = world.until_state("image-to-video/cat_2026-11-24_2200", "done")
        assert first["drop"] != second["drop"]
        world.until(world.app.finished, "nothing to do")
        assert world.inbox() == ["scheduled/image-to-video/cat.jpg", "scheduled/image-to-video/cat.yaml"]
        claims = world.config.inbox_dir / ".reeldrop" / "claims"
        world.until(lambda: not list(claims.iterdir()), "the copies go")


def test_a_clock_that_is_set_back_an_hour_begins_nothing_twice(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", NIGHTLY)
        world.until_hold("text-to-video/cup", "scheduled")
        world.set("2026-11-23 22:10")
        world.until_state("text-to-video/cup_2026-11-23_2200", "done")
        world.set("2026-11-23 21:10")
        world.until(lambda: "2026-11-24" in world.status("text-to-video/cup")["hold"]["title"], "tonight's is over")
        world.set("2026-11-23 22:00")
        world.until(world.app.finished, "nothing to do")
    with world:
        world.until(world.app.finished, "nothing to do")
        assert [path for path in world.outbox() if path.endswith(".mp4")] == ["text-to-video/cup_2026-11-23_2200.mp4"]


def test_what_fails_of_one_time_goes_to_rejected_and_the_next_time_comes_all_the_same(world: Clocked):
    with world:
        world.drop(
            "text-to-video/cup.yaml", NIGHTLY + "workflow: text_to_video_basic\nloras: [{name: none.safetensors}]\n"
        )
        world.until_hold("text-to-video/cup", "scheduled")
        world.set("2026-11-23 22:00")
        world.until_state("text-to-video/cup_2026-11-23_2200", "rejected")
        world.until_returned("rejected/text-to-video/cup.reason.txt")
        assert "inbox/scheduled/text-to-video/cup.yaml comes again" in world.reason("text-to-video/cup")
        world.until(lambda: "2026-11-24" in world.status("text-to-video/cup")["hold"]["title"], "the next one")


def test_a_cancelled_one_goes_to_rejected(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", NIGHTLY)
        world.until_hold("text-to-video/cup", "scheduled")
        world.drop("scheduled/text-to-video/cup.cancel", "")
        world.until_state("text-to-video/cup", "cancelled")
        world.until_returned("rejected/text-to-video/cup.reason.txt")
        assert world.inbox() == ["rejected/text-to-video/cup.reason.txt", "rejected/text-to-video/cup.yaml"]


def test_a_paused_task_begins_nothing_and_makes_it_up_when_it_goes_on(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", NIGHTLY)
        world.until_hold("text-to-video/cup", "scheduled")
        pause = world.drop("text-to-video/PAUSE", "")
        world.until(lambda: world.app.control.paused("text-to-video"), "paused")
        world.set("2026-11-23 22:00")
        world.until_hold("text-to-video/cup", "paused")
        world.set("2026-11-24 06:00")
        pause.unlink()
        world.until_state("text-to-video/cup_2026-11-23_2200", "done")


def test_a_time_that_comes_before_the_one_before_is_over_is_left_out(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", NIGHTLY)
        world.until_hold("text-to-video/cup", "scheduled")
        world.app.store.drain_backend("server", draining=True)
        world.set("2026-11-23 22:00")
        world.until_state("text-to-video/cup_2026-11-23_2200", "queued")
        world.set("2026-11-24 22:00")
        world.until(lambda: "2026-11-25" in world.status("text-to-video/cup")["hold"]["title"], "the next one")
        assert not [path for path in world.outbox() if "2026-11-24" in path]


def test_a_file_that_it_names_beside_it_stays_until_it_is_over_and_starts_nothing(world: Clocked):
    with world:
        world.drop("image-to-video/cat.yaml", LATER.replace("prompt: a cup\n", "image: tom.jpg\n"))
        world.drop("image-to-video/tom.jpg", photo())
        world.until_hold("image-to-video/cat", "scheduled")
        world.until(world.app.finished, "nothing to do")
    with world:
        world.until(world.app.finished, "nothing to do")
        assert world.inbox() == ["image-to-video/tom.jpg", "scheduled/image-to-video/cat.yaml"]
        world.set("2026-11-23 22:00")
        world.until_state("image-to-video/cat", "done")
        world.until_returned("done/image-to-video/tom.jpg")


def test_media_and_texts_in_scheduled_are_left_alone(world: Clocked):
    with world:
        world.drop("scheduled/image-to-video/cat.jpg", photo())
        world.drop("scheduled/text-to-video/cup.txt", "a cup")
        world.drop("text-to-video/mug.yaml", CUP)
        world.until_state("text-to-video/mug", "done")
        world.until(world.app.finished, "nothing to do")
        assert world.app.intake.left_alone == ("scheduled/image-to-video/cat.jpg", "scheduled/text-to-video/cup.txt")


def test_a_folder_and_a_batch_rest_and_start_as_a_whole(world: Clocked):
    with world:
        world.drop("image-to-video/tom/cat.jpg", photo())
        world.drop("image-to-video/tom/job.yaml", LATER.replace("prompt: a cup\n", "count: 2\n"))
        world.until_hold("image-to-video/tom", "scheduled")
        world.until_returned("scheduled/image-to-video/tom/job.yaml")
        world.set("2026-11-23 22:00")
        world.until_state("image-to-video/tom", "done")
        world.until_state("image-to-video/tom_0002", "done")
        world.until_returned("done/image-to-video/tom/cat.jpg")


def test_a_second_one_of_the_same_name_rests_beside_the_first(world: Clocked):
    with world:
        world.drop("text-to-video/cup.yaml", LATER)
        world.until_hold("text-to-video/cup", "scheduled")
        world.until_returned("scheduled/text-to-video/cup.yaml")
        world.drop("text-to-video/cup.yaml", LATER.replace("seed: 1", "seed: 2"))
        world.until_hold("text-to-video/cup_2", "scheduled")
        world.until_returned("scheduled/text-to-video/cup_2/cup.yaml")
        world.set("2026-11-23 22:00")
        for name in ("cup", "cup_2"):
            world.until_state(f"text-to-video/{name}", "done")

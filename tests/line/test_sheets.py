"""A batch gets a sheet of first frames when it ends: once, also after a crash, and only of what was published."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from service.disk import sha256_of
from service.job import State
from tests.line.world import SMALL, World

SHARED = f"prompt: a harbour\n{SMALL}"
SHEET = "text-to-video/takes.sheet.jpg"


@pytest.fixture
def world(tmp_path: Path, engine_outside: str):
    world = World(tmp_path, engine_outside)
    yield world
    world.stop()


@pytest.fixture
def idle(tmp_path: Path):
    """A daemon without any server: what it queues stays queued."""
    world = World(tmp_path, None, engine="off")
    yield world
    world.stop()


def sheet_of(world: World) -> Image.Image:
    file = world.config.output_dir / SHEET
    world.until(file.exists, "the sheet")
    image = Image.open(io.BytesIO(file.read_bytes()))
    image.load()
    return image


def owed(world: World) -> list[str]:
    assert world.app is not None
    return world.app.store.owed_sheets()


def test_a_batch_has_a_sheet_when_it_ends_and_a_new_one_at_the_next_start_if_none_was_made(world: World):
    with world:
        world.drop("text-to-video/takes.yaml", f"{SHARED}matrix: {{cfg: [6, 7]}}\n")
        world.until_state("text-to-video/takes", "done")
        first = sheet_of(world)
        world.until(lambda: not owed(world), "nothing owed")
    assert first.width > first.height
    assert first.info["comment"].startswith(b"AI-made")
    # As after a crash between the batch's end and its sheet.
    batch = world.status("text-to-video/takes")["job"]
    (world.config.output_dir / SHEET).unlink()
    with sqlite3.connect(world.config.state_dir / "reeldrop.db") as database:
        database.execute("INSERT INTO owed_sheets (batch) VALUES (?)", (batch,))
    with world:
        assert sheet_of(world).size == first.size
        world.until(lambda: not owed(world), "nothing owed")
    # Somebody who deletes a sheet doesn't get it again, and a single job has none.
    (world.config.output_dir / SHEET).unlink()
    with world:
        world.drop("text-to-video/one.yaml", SHARED.replace("seed: 1", "seed: 5"))
        world.until_state("text-to-video/one", "done")
        world.until_returned("done/text-to-video/one.yaml")
    assert not [path for path in world.outbox() if path.endswith(".sheet.jpg")]


def test_an_outbox_that_refuses_it_is_tried_again(world: World):
    folder = world.config.output_dir / SHEET
    with world:
        world.drop("text-to-video/takes.yaml", f"{SHARED}count: 2\n")
        world.until_state("text-to-video/takes", "running", "done")
        folder.mkdir()
        world.until_state("text-to-video/takes", "done")
        world.until(lambda: bool(owed(world)) and not world.app.sheets.busy(), "a sheet that was refused")
        assert owed(world)
    folder.rmdir()
    with world:
        sheet_of(world)
        world.until(lambda: not owed(world), "nothing owed")


def test_a_batch_of_which_nothing_is_done_has_none(idle: World):
    with idle:
        idle.drop("text-to-video/takes.yaml", f"{SHARED}count: 2\n")
        idle.until_state("text-to-video/takes", "queued")
        assert idle.app is not None
        for job in idle.app.store.in_states(State.QUEUED):
            idle.app.ending.end(job.id, State.CANCELLED)
        idle.until_state("text-to-video/takes", "cancelled")
        idle.until(lambda: not owed(idle), "nothing owed")
    assert idle.outbox() == [f"text-to-video/takes{end}.status.json" for end in ("", "_0001", "_0002")]


def test_a_sheet_shows_a_bounded_number_of_jobs(idle: World):
    with idle:
        assert idle.app is not None
        idle.drop("text-to-video/takes.yaml", f"{SHARED}count: 130\n")
        idle.until_state("text-to-video/takes", "queued")
        jobs = idle.app.store.jobs_of_batch(idle.status("text-to-video/takes")["job"], 1000)
        assert [job.name for job in jobs][:2] == ["takes_0001", "takes_0002"]
        # One result stands in the outbox; the others have failed.
        result = idle.config.output_dir / "text-to-video/takes_0001.png"
        Image.new("RGB", (64, 64), (0, 90, 200)).save(result)
        output = {"file": result.name, "bytes": result.stat().st_size, "sha256": sha256_of(result)}
        idle.app.store.move(jobs[0].id, State.RUNNING)
        idle.app.ending.end(jobs[0].id, State.DONE, outputs=[output], progress=1.0)
        for job in jobs[1:]:
            idle.app.ending.end(job.id, State.CANCELLED)
        # 99 cells and one that says how many more: ten by ten.
        assert sheet_of(idle).size == (10 * 246 + 6, 10 * 268 + 6)

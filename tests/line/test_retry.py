"""Retry: what failed or was cancelled is rendered after all, with the files it came from, or it is said why not."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from service.errors import Problem, Rejected, error_of
from service.job import Job, State
from tests.line.crashing import Scene
from tests.line.world import SMALL, World, photo

TEXT = f"prompt: a harbour\n{SMALL}"


@pytest.fixture
def idle(tmp_path: Path):
    """A daemon without any server: what it queues stays queued."""
    world = World(tmp_path, None, engine="off")
    yield world
    world.stop()


def rows(world: World) -> dict[str, Job]:
    assert world.app is not None
    return {job.name: job for job in world.app.store.newest(10_000)}


def fail(world: World, *names: str) -> None:
    assert world.app is not None
    for name in names:
        error = error_of([Problem("engine_died", "The engine died.", "Retry it.")])
        world.app.ending.end(rows(world)[name].id, State.FAILED, error=error)


def queue(world: World, path: str, content: str) -> None:
    world.drop(path, content)
    world.until_state(path.rpartition(".")[0], "queued")


def retry(world: World, target: str) -> str:
    assert world.app is not None
    return world.app.retrial.retry(target)


def refusal(world: World, target: str) -> str:
    with pytest.raises(Rejected) as refused:
        retry(world, target)
    (problem,) = refused.value.problems
    assert problem.fix
    return problem.code


def test_a_failed_job_goes_back_to_the_queue_as_its_next_attempt_with_its_files(idle: World):
    with idle:
        queue(idle, "text-to-video/harbour.yaml", TEXT)
        first = rows(idle)["harbour"]
        plan = idle.app.store.render(first.id)
        fail(idle, "harbour")
        assert "rejected/text-to-video/harbour.yaml" in idle.inbox()
        said = retry(idle, "text-to-video/harbour")
        again = rows(idle)["harbour"]
        planned = idle.app.store.render(first.id)
        status = idle.status("text-to-video/harbour")
    assert said == "text-to-video/harbour goes back to the queue as attempt 2."
    assert (again.state, again.attempt, again.error) == (State.QUEUED, 2, None)
    assert (again.seed, again.settings) == (first.seed, first.settings)
    # Under a name of its own: a server may answer an equal graph from its cache, and its file may be gone.
    assert planned.graph["14"]["inputs"].pop("filename_prefix") == f"reeldrop/{first.id}-2"
    assert plan.graph["14"]["inputs"].pop("filename_prefix") == f"reeldrop/{first.id}"
    assert planned.graph == plan.graph
    assert planned.prompt_id != plan.prompt_id
    assert (status["state"], status["attempt"], status["error"]) == ("queued", 2, None)
    assert idle.inbox() == []


def test_what_its_previews_have_shown_holds_for_every_attempt_of_a_job(idle: World):
    hit = {"preview_hit": True}
    with idle:
        for name in ("failed", "aside"):
            queue(idle, f"text-to-video/{name}.yaml", TEXT)
            idle.app.store.change(rows(idle)[name].id, trouble={"stalls": 2, **hit}, aside=name == "aside")
        fail(idle, "failed")
        idle.until_returned("rejected/text-to-video/failed.yaml")
        for name in ("failed", "aside"):
            retry(idle, f"text-to-video/{name}")
        found = rows(idle)
    assert not found["aside"].aside
    assert found["aside"].trouble == hit
    assert found["failed"].trouble["preview_hit"]


def test_what_is_retried_is_rendered_and_goes_to_done(tmp_path: Path, engine_outside: str):
    with World(tmp_path, None, engine="off") as idle:
        queue(idle, "text-to-video/harbour.yaml", TEXT)
        fail(idle, "harbour")
        retry(idle, rows(idle)["harbour"].id)
    with World(tmp_path, engine_outside) as world:
        assert world.until_state("text-to-video/harbour", "done")["attempt"] == 2
        world.until_returned("done/text-to-video/harbour.yaml")
    assert world.outbox() == ["text-to-video/harbour.mp4", "text-to-video/harbour.status.json"]
    assert world.inbox() == ["done/text-to-video/harbour.yaml"]


def test_a_picture_is_made_ready_again(tmp_path: Path, engine_outside: str):
    settings = "seed: 3\nwidth: 256\nheight: 256\nframes: 2\nsteps: 1\n"
    with World(tmp_path, None, engine="off") as idle:
        idle.drop("image-to-video/cup.jpg", photo((64, 48)))
        queue(idle, "image-to-video/cup.yaml", settings)
        fail(idle, "cup")
        assert list((idle.config.state_dir / "work").iterdir()) == []
        assert "looked at again" in retry(idle, "cup")
        idle.until_state("image-to-video/cup", "queued")
    with World(tmp_path, engine_outside) as world:
        world.until_state("image-to-video/cup", "done")
        world.until_returned("done/image-to-video/cup.jpg")
    assert world.inbox() == ["done/image-to-video/cup.jpg", "done/image-to-video/cup.yaml"]


def test_a_file_that_was_changed_in_rejected_moves_nothing(idle: World):
    with idle:
        queue(idle, "text-to-video/harbour.yaml", TEXT)
        fail(idle, "harbour")
        rejected = idle.config.inbox_dir / "rejected/text-to-video/harbour.yaml"
        rejected.write_text(TEXT + "# changed\n")
        before = idle.inbox()
        assert refusal(idle, "harbour") == "files_gone"
        assert idle.inbox() == before
        rejected.unlink()
        assert refusal(idle, "harbour") == "files_gone"
        assert rows(idle)["harbour"].state is State.FAILED


def test_a_batch_is_retried_as_far_as_it_is_not_done(idle: World):
    with idle:
        queue(idle, "text-to-video/takes.yaml", f"{TEXT}count: 3\n")
        store = idle.app.store
        store.move(rows(idle)["takes_0001"].id, State.RUNNING)
        idle.app.ending.end(rows(idle)["takes_0001"].id, State.DONE, progress=1.0)
        fail(idle, "takes_0002")
        # Others of it still run, so its files are still here.
        assert "takes_0002" in retry(idle, "takes_0002")
        assert rows(idle)["takes_0002"].attempt == 2
        fail(idle, "takes_0002", "takes_0003")
        assert idle.status("text-to-video/takes")["state"] == "failed"
        reason = idle.reason("text-to-video/takes")
        assert "2 of 3 jobs aren't done." in reason
        assert 'retry "text-to-video/takes"' in reason
        assert "2 jobs of text-to-video/takes go back" in retry(idle, "takes")
        states = {name: job.state for name, job in rows(idle).items()}
        batch = idle.status("text-to-video/takes")
    assert states == {
        "takes": State.RUNNING,
        "takes_0001": State.DONE,
        "takes_0002": State.QUEUED,
        "takes_0003": State.QUEUED,
    }
    assert batch["jobs"]["states"] == {"queued": 2, "done": 1}
    assert idle.inbox() == []


def test_what_cannot_be_retried_is_refused_with_the_cure(idle: World):
    with idle:
        queue(idle, "text-to-video/live.yaml", TEXT)
        assert refusal(idle, "live") == "still_live"
        idle.drop("text-to-video/wrong.yaml", "promt: a harbour\n")
        idle.until_state("text-to-video/wrong", "rejected")
        assert refusal(idle, "wrong") == "was_refused"
        assert refusal(idle, "nobody") == "unknown_job"
        idle.app.store.move(rows(idle)["live"].id, State.RUNNING)
        idle.app.ending.end(rows(idle)["live"].id, State.DONE)
        assert refusal(idle, "text-to-video/live") == "already_done"


def test_a_name_in_two_folders_is_asked_for_with_its_folder(idle: World):
    with idle:
        for grouping in ("a", "b"):
            queue(idle, f"text-to-video/{grouping}/harbour.yaml", TEXT)
        assert refusal(idle, "harbour") == "name_twice"
        assert refusal(idle, "text-to-video/a/harbour.status.json") == "still_live"


def test_a_retried_job_whose_name_was_taken_meanwhile_gets_another(idle: World):
    with idle:
        queue(idle, "text-to-video/harbour.yaml", TEXT)
        fail(idle, "harbour")
        (idle.config.output_dir / "text-to-video/harbour.mp4").write_bytes(b"somebody's")
        retry(idle, "harbour")
        assert idle.status("text-to-video/harbour_2")["state"] == "queued"
        assert idle.outbox() == ["text-to-video/harbour.mp4", "text-to-video/harbour_2.status.json"]


def test_a_named_picture_that_followed_its_job_comes_back_with_it(idle: World):
    with idle:
        idle.drop("image-to-video/blue.jpg", photo((64, 48)))
        queue(idle, "image-to-video/cup.yaml", "image: blue.jpg\nseed: 1\nwidth: 256\nheight: 256\nframes: 2\n")
        fail(idle, "cup")
        away = idle.config.inbox_dir / "rejected/image-to-video/blue.jpg"
        home = idle.config.inbox_dir / "image-to-video/blue.jpg"
        if not away.exists():
            # What the intake does in its own time.
            home.rename(away)
        retry(idle, "cup")
        idle.until_state("image-to-video/cup", "queued")
        assert home.exists()
        assert not away.exists()


def test_a_picture_that_can_not_be_used_any_more_goes_back_with_the_reason(idle: World):
    with idle:
        picture = idle.drop("image-to-video/blue.jpg", photo((64, 48)))
        queue(idle, "image-to-video/cup.yaml", "image: blue.jpg\nseed: 1\nwidth: 256\nheight: 256\nframes: 2\n")
        fail(idle, "cup")
        away = idle.config.inbox_dir / "rejected/image-to-video/blue.jpg"
        (away if away.exists() else picture).unlink()
        retry(idle, "cup")
        idle.until_returned("rejected/image-to-video/cup.reason.txt")
        assert rows(idle)["cup"].error["code"] == "media_missing"
        assert "blue.jpg is gone" in idle.reason("image-to-video/cup")
        assert rows(idle)["cup"].state is State.FAILED


#: Where it dies before a file has moved, and so all is as it was.
UNDONE = (r"before 1 write .*claims/ID/\.claim", r"after 1 rename to .*claims/ID/claim\.json")
POINTS = {
    UNDONE[0]: "nothing of it begun",
    UNDONE[1]: "said, nothing moved",
    r"after 1 rename to .*claims/ID/cup\.yaml": "its file back in the claim",
    "before 1 store.transaction of _name": "all files back, not in the database",
    "before 1 store.transaction of record": "about to be queued",
    "after 1 store.transaction of record": "queued, not shown",
}


@pytest.mark.parametrize("fuel", POINTS, ids=list(POINTS.values()))
def test_a_retry_that_is_killed_ends_once(tmp_path: Path, engine_outside: str, fuel: str):
    scene = Scene(tmp_path, "text", engine_outside)
    with World(tmp_path, None, engine="off") as idle:
        idle.until_state("text-to-video/cup", "queued")
        fail(idle, "cup")
    request = tmp_path / "var" / "requests" / "0123.json"
    request.parent.mkdir(exist_ok=True)
    request.write_text(json.dumps({"verb": "retry", "target": "cup"}))
    life = scene.run(fuel)
    assert life.killed, f"ended with {life.code}; last effect: {life.last}"
    request.unlink(missing_ok=True)
    scene.finish()
    state, attempt = scene.rows("SELECT state, attempt FROM jobs")[0]
    inbox = scene.files("inbox")
    content = scene.kind.drop["text-to-video/cup.yaml"]
    if attempt == 1:
        assert fuel in UNDONE
        assert state == "failed"
        assert inbox["rejected/text-to-video/cup.yaml"] == content
        assert set(inbox) == {"rejected/text-to-video/cup.yaml", "rejected/text-to-video/cup.reason.txt"}
    else:
        assert fuel not in UNDONE
        assert (state, attempt) == ("done", 2)
        assert inbox == {"done/text-to-video/cup.yaml": content}
        assert set(scene.files("outbox")) == {"text-to-video/cup.mp4", "text-to-video/cup.status.json"}
    assert os.listdir(scene.folder / "inbox/.reeldrop/claims") == []


def test_the_reason_says_how_to_retry(idle: World):
    with idle:
        queue(idle, "text-to-video/harbour.yaml", TEXT)
        fail(idle, "harbour")
        assert re.search(r'retry "text-to-video/harbour"', idle.reason("text-to-video/harbour"))
        record = json.dumps(idle.app.store.drop(rows(idle)["harbour"].drop).record)
    assert "rejected/text-to-video" in record

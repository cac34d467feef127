"""Results in which the screen finds nudity: deleted at once, or kept for the operator, who may release them."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.commands import commands
from service.errors import Rejected
from service.job import State
from service.store import Store
from tests.line.world import World, photo

TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\nseed: 7\n"
CUP = f"prompt: a cup\n{TINY}"


class Squares:
    """Takes every square picture for somewhat like nudity."""

    SCORE = 0.61

    def score(self, rgb: Any) -> float:
        return self.SCORE if rgb.shape[0] == rgb.shape[1] else 0.0


class CertainOfSquares(Squares):
    SCORE = 0.93


class Harmless(Squares):
    SCORE = 0.1


@pytest.fixture
def alarmed(world: World) -> World:
    world.classifier = Squares
    return world


def files(world: World) -> list[Path]:
    folder = world.config.state_dir / "quarantine"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def failed(world: World, text: str = CUP, path: str = "text-to-video/cup") -> dict[str, Any]:
    world.drop(f"{path}.yaml", text)
    status = world.until_state(path, "failed", "done")
    world.until(lambda: world.app.store.drop(status["drop"]).returned_to is not None, "its files")
    return status


def run(world: World, *arguments: str, answer: str | None = None) -> Any:
    config = world.folder / "config.yaml"
    keys = {"state_dir": str(world.config.state_dir), "inbox_dir": str(world.config.inbox_dir)}
    config.write_text(json.dumps(keys))
    return CliRunner().invoke(commands, ["quarantine", *arguments, "--config", str(config)], input=answer)


def test_a_result_made_from_words_alone_is_kept_where_only_the_operator_sees_it(alarmed: World):
    with alarmed as world:
        status = failed(world)
        listed = json.loads(run(world, "list", "--json").stdout)["quarantine"]
    (file,) = files(world)
    assert status["error"]["code"] == "nudity_quarantined"
    assert "0.61" in status["error"]["title"]
    assert str(world.config.state_dir) not in json.dumps(status)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert world.outbox() == ["text-to-video/cup.status.json"]
    (entry,) = listed
    assert (entry["name"], entry["score"], entry["frame"], entry["job"]) == (
        "text-to-video/cup",
        0.61,
        0,
        status["job"],
    )
    assert entry["may_be_released"] is True


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("image-to-video/cup", TINY),
        ("text-to-video/child", f"prompt: a child playing in a park\n{TINY}"),
        ("text-to-video/ages", f"prompt: a woman, 17 years old, reading\n{TINY}"),
    ],
)
def test_a_result_that_may_show_somebody_real_or_young_is_deleted_at_once(alarmed: World, path: str, text: str):
    with alarmed as world:
        if path.startswith("image"):
            world.drop(f"{path}.jpg", photo((64, 48)))
        status = failed(world, text, path)
    assert (status["state"], status["error"]["code"]) == ("failed", "nudity_found")
    assert files(world) == []
    assert not list(world.config.state_dir.rglob("*.mp4"))


def test_a_released_result_is_published_like_any_other_and_not_rendered_again(alarmed: World):
    with alarmed as world:
        status = failed(world)
        prompts = world.app.store.render(status["job"]).prompt_id
        (entry,) = world.app.store.quarantine_list()
        said = world.app.quarantine.release(status["job"], "ann", "it is a cup", world.app.retrial.retry)
        done = world.until_state("text-to-video/cup", "done", "failed")
        world.until_returned("done/text-to-video/cup.yaml")
        events = world.app.store._rows("SELECT event, detail FROM events WHERE job = ?", (status["job"],))
    assert "will be published" in said
    assert done["state"] == "done", done["error"]
    assert (done["job"], done["attempt"]) == (status["job"], 2)
    assert done["outputs"][0]["ai_generated"] is True
    assert ("released", "by ann: it is a cup") in [tuple(row) for row in events]
    assert files(world) == []
    assert world.app is None or prompts
    assert world.outbox() == ["text-to-video/cup.mp4", "text-to-video/cup.status.json"]
    assert entry.score == 0.61


def test_a_release_needs_no_server_and_says_what_rendered_it(alarmed: World):
    with alarmed as world:
        status = failed(world)
    away = World(world.folder, "http://127.0.0.1:9")
    away.classifier = Squares
    with away as world:
        world.app.quarantine.release(status["job"], "ann", "it is a cup", world.app.retrial.retry)
        done = world.until_state("text-to-video/cup", "done", "failed")
        world.until_returned("done/text-to-video/cup.yaml")
    assert done["state"] == "done", done["error"]
    assert (done["engine"], done["backend"]) == (status["engine"], status["backend"])
    assert files(world) == []


def test_what_is_released_and_gone_from_the_quarantine_is_rendered_again(alarmed: World):
    with alarmed as world:
        status = failed(world)
        (world.config.inbox_dir / "PAUSE").touch()
        world.until(lambda: "" in world.app.control.paused_tasks, "the pause")
        world.app.quarantine.release(status["job"], "ann", "it is a cup", world.app.retrial.retry)
        world.until_hold("text-to-video/cup", "paused")
    files(world)[0].unlink()
    world.classifier = Harmless
    (world.config.inbox_dir / "PAUSE").unlink()
    with world:
        done = world.until_state("text-to-video/cup", "done", "failed")
        world.until_returned("done/text-to-video/cup.yaml")
        assert world.app.store.quarantine_list() == []
    assert done["state"] == "done", done["error"]


def test_a_release_that_can_no_longer_be_carried_out_is_undone_by_the_next_life(alarmed: World):
    with alarmed as world:
        status = failed(world)
    store = Store(world.config.state_dir / "reeldrop.db")
    store.release(status["job"], "ann", "it is a cup")
    store.close()
    (world.config.inbox_dir / "rejected/text-to-video/cup.yaml").unlink()
    with world:
        (entry,) = world.app.store.quarantine_list()
        assert world.app.store.get(status["job"]).state is State.FAILED
    assert entry.released_at is None
    assert len(files(world)) == 1


def test_a_certain_hit_is_never_released(world: World):
    world.classifier = CertainOfSquares
    with world:
        status = failed(world)
        with pytest.raises(Rejected, match="nothing is released"):
            world.app.quarantine.release(status["job"], "ann", "really", world.app.retrial.retry)
        assert world.app.store.get(status["job"]).state is State.FAILED
    assert len(files(world)) == 1


def test_a_release_says_why_and_is_of_the_very_file_that_was_screened(alarmed: World):
    with alarmed as world:
        status = failed(world)
        quarantine, retry = world.app.quarantine, world.app.retrial.retry
        with pytest.raises(Rejected, match="needs a reason"):
            quarantine.release(status["job"], "ann", "  ", retry)
        with pytest.raises(Rejected, match="goes by"):
            quarantine.release("somebody", "ann", "why", retry)
        (file,) = files(world)
        content = file.read_bytes()
        file.write_bytes(content + b"x")
        with pytest.raises(Rejected, match="isn't what was screened"):
            quarantine.release(status["job"], "ann", "why", retry)
        file.write_bytes(content)
        (world.config.inbox_dir / "rejected/text-to-video/cup.yaml").unlink()
        with pytest.raises(Rejected):
            quarantine.release(status["job"], "ann", "why", retry)
        (entry,) = world.app.store.quarantine_list()
        assert entry.released_at is None, "what could not be carried out is taken back"


def test_a_retry_of_a_quarantined_job_renders_again_and_forgets_what_was_kept(alarmed: World):
    with alarmed as world:
        failed(world)
    world.classifier = Harmless
    with world:
        world.app.retrial.retry("text-to-video/cup")
        world.until_state("text-to-video/cup", "done")
        world.until_returned("done/text-to-video/cup.yaml")
        assert world.app.store.quarantine_list() == []
    assert files(world) == []


def test_a_released_result_is_published_by_the_next_life_too(alarmed: World):
    with alarmed as world:
        status = failed(world)
        store = world.app.store
    store = Store(world.config.state_dir / "reeldrop.db")
    store.release(status["job"], "ann", "it is a cup")
    store.close()
    with world:
        done = world.until_state("text-to-video/cup", "done", "failed")
        world.until_returned("done/text-to-video/cup.yaml")
    assert done["state"] == "done"
    assert files(world) == []


def test_after_thirty_days_it_is_purged_and_what_a_crash_left_with_it(alarmed: World):
    with alarmed as world:
        failed(world)
        stray = world.config.state_dir / "quarantine" / "stray.mp4"
        stray.write_bytes(b"x")
        quarantine, now = world.app.quarantine, datetime.now(UTC)
        quarantine.tidy(now + timedelta(days=29))
        assert len(files(world)) == 2
        quarantine.tidy(now + timedelta(days=31))
        assert files(world) == [stray], "it may be on its way in just now"
        assert world.app.store.quarantine_list() == []
        import os

        os.utime(stray, (0, 0))
        quarantine.tidy(now)
    assert files(world) == []


def test_the_commands_ask_for_confirmation_and_take_no_pipe_for_an_answer(alarmed: World):
    with alarmed as world:
        status = failed(world)
        assert run(world, "release", "text-to-video/cup").exit_code == 2, "--why is missing"
        piped = run(world, "release", "text-to-video/cup", "--why", "it is a cup", answer="y\n")
        assert piped.exit_code == 2
        assert run(world, "purge", "text-to-video/cup", answer="y\n").exit_code == 2
        assert run(world, "purge").exit_code == 2
        assert run(world, "release", "nobody", "--why", "x", "--yes").exit_code == 1
        assert "0.61 at frame 0" in run(world, "list").stdout
        assert world.app.store.quarantined(status["job"]).released_at is None
        assert run(world, "purge", "text-to-video/cup", "--yes").stdout == "1 purged.\n"
    assert files(world) == []
    assert "empty" in run(world, "list").stdout

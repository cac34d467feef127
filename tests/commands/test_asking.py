"""cancel, retry, pause, resume and status as a person uses them, beside a daemon and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.app import App
from service.commands import commands, lines
from service.commands.lines import Lines
from service.commands.speech import settings
from service.errors import Problem, Rejected, Unavailable
from service.job import Job, State
from tests.line.world import ROOT, SMALL, World

CUP = f"prompt: a cup\n{SMALL}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A folder with a config.yaml of its own whose ComfyUI is never there, so that what is queued stays so."""
    (tmp_path / "config.yaml").write_text(
        f"workflows_dir: '{ROOT / 'workflows'}'\nmodels_dir: '{ROOT / 'models'}'\n"
        "backends: [{name: gpu, url: 'http://127.0.0.1:9'}]\n"
        "watch: {sidecar_wait_seconds: 0.2, quiet_seconds_local: 0.05, quiet_seconds: 0.1, rescan_seconds: 1}\n"
    )
    world = World(tmp_path, None)
    world.config = settings(tmp_path / "config.yaml")
    yield world
    world.stop()


def call(world: World, *words: str) -> Result:
    return CliRunner().invoke(commands, [*words, "--config", str(world.folder / "config.yaml")])


def queue_up(world: World, *paths: str) -> None:
    for path in paths:
        world.drop(f"{path}.yaml", CUP)
    for path in paths:
        world.until_state(path, "queued")


def test_cancel_by_name_tells_what_was_done(world: World):
    with world:
        queue_up(world, "text-to-video/cup", "text-to-video/mug")
        told = call(world, "cancel", "cup")
        assert (told.exit_code, told.output) == (0, "text-to-video/cup: cancelled.\n")
        world.until_state("text-to-video/cup", "cancelled")
        told = call(world, "cancel", "mug", "--task", "text-to-video", "--json")
        assert json.loads(told.output) == {"said": "text-to-video/mug: cancelled."}


def test_cancel_of_what_is_not_there_or_not_sure_is_1_and_says_what_to_do(world: World):
    with world:
        queue_up(world, "text-to-video/red/cup", "text-to-video/blue/cup")
        several = call(world, "cancel", "cup")
        assert several.exit_code == 1
        for folder in ("red", "blue"):
            assert world.status(f"text-to-video/{folder}/cup")["drop"] in several.output
        none = call(world, "cancel", "cub", "--json")
        assert none.exit_code == 1
        assert "Did you mean cup?" in json.loads(none.output)["problems"][0]["fix"]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_what_only_a_daemon_can_do_says_so_where_none_runs(world: World, verb: str):
    away = call(world, verb, "cup")
    assert isinstance(away.exception, Unavailable)
    assert "No daemon is running" in away.exception.title
    assert "reeldrop run" in away.exception.fix


def test_retry_reaches_the_daemon_and_brings_back_its_answer(world: World):
    def retry(request) -> str:
        if request.target != "cup":
            raise Rejected(Problem("not_found", f"Nothing goes by {request.target}.", "Look into status."))
        return "text-to-video/cup: queued again."

    with world:
        world.app.verbs["retry"] = retry
        assert call(world, "retry", "cup").output == "text-to-video/cup: queued again.\n"
        assert call(world, "retry", "mug").exit_code == 1


def test_pause_and_resume_write_and_remove_the_file_without_a_daemon(world: World):
    with world:
        pass
    inbox = world.config.inbox_dir
    assert call(world, "pause").output.startswith("everything is paused")
    assert (inbox / "PAUSE").read_text().startswith("Written by `reeldrop pause`")
    assert "already" in call(world, "pause").output
    assert call(world, "pause", "text-to-video").exit_code == 0
    assert (inbox / "text-to-video" / "PAUSE").is_file()
    assert json.loads(call(world, "status", "--json").output)["paused"] == ["", "text-to-video"]
    told = call(world, "resume").output
    assert "everything goes on" in told
    assert "text-to-video is still paused; `reeldrop resume text-to-video` ends that" in told
    assert not (inbox / "PAUSE").exists()
    assert json.loads(call(world, "resume", "text-to-video", "--json").output) == {
        "resumed": "text-to-video", "was_paused": True, "paused": [],
    }  # fmt: skip
    assert "was not paused" in call(world, "resume").output


def test_resume_removes_what_people_write_in_its_place(world: World):
    with world:
        pass
    for name in ("PAUSE.txt", "pause"):
        (world.config.inbox_dir / name).touch()
    assert "goes on" in call(world, "resume").output
    assert not [path for path in world.config.inbox_dir.iterdir() if path.name.lower().startswith("pause")]


def test_a_pause_of_no_task_or_no_inbox_is_refused(world: World):
    with world:
        pass
    wrong = call(world, "pause", "text-to-vide")
    assert isinstance(wrong.exception, Rejected)
    assert "Did you mean text-to-video?" in str(wrong.exception)
    (world.config.inbox_dir / ".reeldrop" / "marker.json").unlink()
    assert isinstance(call(world, "pause").exception, Unavailable)
    assert not (world.config.inbox_dir / "PAUSE").exists()


def test_status_shows_places_turns_waiting_trouble_and_what_is_left_alone(world: World):
    with world:
        for name in ("one", "two", "three"):
            queue_up(world, f"text-to-video/{name}")
        world.drop("image-to-video/lost.yaml", "image: nobody.jpg\n")
        world.until_hold("image-to-video/lost", "media_missing")
        world.app.store.set_notice("watch_limit", Problem("watch_limit", "The limit is reached.", "Raise it."))
        (world.config.inbox_dir / "notes.doc").touch()
        (world.config.inbox_dir / "holidays").mkdir()
        (world.config.inbox_dir / "text-to-video" / "mine.doc").touch()
        report = json.loads(call(world, "status", "--json").output)
        told = call(world, "status").output
    assert {job["name"]: job["place"] for job in report["jobs"]} == {"one": 1, "two": 2, "three": 3}
    assert [job["name"] for job in report["waiting"]] == ["lost"]
    assert report["left_alone"] == ["text-to-video/mine.doc", "notes.doc", "holidays/"]
    assert f"daemon: {report['daemon']}" in told
    assert "watching: by file events" in told
    assert "The limit is reached. Raise it." in told
    assert "number 3 in the queue" in told
    assert "nobody.jpg" in told
    assert "left alone: holidays/" in told


def test_status_is_cut_where_it_would_be_long(world: World):
    with world:
        pass
    for number in range(1, 31):
        (world.config.inbox_dir / "text-to-video" / f"{number}.doc").touch()
    told = call(world, "status").output
    assert told.count("left alone:") == 20
    assert "and 10 more" in told


def test_the_live_list_fits_its_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LINES", "8")
    monkeypatch.setenv("COLUMNS", "60")
    live = Lines(live=True)
    for number in range(30):
        state = State.RUNNING if number == 29 else State.QUEUED
        name, title = f"{number:02} {'long ' * 30}", "word " * 50
        job = Job(str(number), "d", "job", None, "text-to-video", "", name, state, f"{number:02}", "", stage=title)
        live.hear(job)
    jobs = live.jobs()
    assert len(jobs) == 6
    assert jobs[0].state is State.RUNNING
    with live._console.capture() as captured:
        live._console.print(lines.table(jobs, live._unshown(len(jobs))))
    drawn = captured.get().splitlines()
    assert len(drawn) == 7
    assert "and 24 more" in drawn[-1]


def test_once_ends_at_once_when_all_that_is_left_is_paused(world: World):
    world.start()
    queue_up(world, "text-to-video/cup")
    app: App = world.app
    assert not app.finished()
    app.control.note_pauses(["text-to-video"])
    world.until_hold("text-to-video/cup", "paused")
    world.until(app.finished, "the end")
    app.control.note_pauses([])
    world.until(lambda: not app.finished(), "more to do")


@pytest.mark.parametrize("running", [True, False])
def test_a_priority_is_changed_with_and_without_a_daemon(world: World, running: bool):
    with world:
        queue_up(world, "text-to-video/cup", "text-to-video/mug")
        world.drop("text-to-video/several.yaml", f"count: 3\n{CUP}")
        world.until_state("text-to-video/several", "queued")
        if not running:
            world.stop()
        assert call(world, "priority", "mug", "high").output == "text-to-video/mug: priority 50.\n"
        told = call(world, "priority", "several", "-20", "--task", "text-to-video", "--json")
        assert json.loads(told.output) == {"said": "3 jobs of several: priority -20."}
        wrong = call(world, "priority", "mug", "highest", "--json")
        assert wrong.exit_code == 1
        assert "low, normal, high" in json.loads(wrong.output)["problems"][0]["title"]
        names = [line.split()[0] for line in call(world, "status").output.splitlines() if "number 1 in" in line]
        assert len(names) == 1

"""The commands as a person runs them: a process of its own, its words, its exit code."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from service.commands import once
from service.commands.lines import Lines, table
from service.job import Job, State
from tests.faults.process import Process
from tests.line.world import ROOT, SMALL

DAEMON = str(ROOT / "daemon.py")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a config.yaml of its own, on the embedded engine."""
    (tmp_path / "config.yaml").write_text(
        f"workflows_dir: '{ROOT / 'workflows'}'\nmodels_dir: '{ROOT / 'models'}'\n"
        "watch: {sidecar_wait_seconds: 0.2, quiet_seconds_local: 0.05}\n"
    )
    (tmp_path / "inbox" / "text-to-video").mkdir(parents=True)
    return tmp_path


def call(home: Path, *words: str, deadline_s: float = 25) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, DAEMON, *words, "--config", str(home / "config.yaml")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=deadline_s, stdin=subprocess.DEVNULL)


def drop(home: Path, name: str, text: str) -> None:
    part = home / "inbox" / "text-to-video" / f".{name}.part"
    part.write_text(text)
    part.rename(part.with_name(name))


def status(home: Path, name: str) -> dict:
    return json.loads((home / "outbox" / "text-to-video" / f"{name}.status.json").read_text())


def test_once_renders_what_lies_there_and_says_so_line_by_line(home: Path):
    drop(home, "harbour.yaml", f"prompt: a harbour\n{SMALL}")
    done = call(home, "once")
    assert done.returncode == 0, done.stderr
    assert "text-to-video/harbour: queued" in done.stdout
    assert "text-to-video/harbour: done: harbour.mp4, 256x256, 2 frames at 12 fps" in done.stdout
    assert (home / "outbox/text-to-video/harbour.mp4").exists()
    assert (home / "inbox/done/text-to-video/harbour.yaml").exists()


def test_once_ends_with_1_if_a_job_was_rejected_and_prints_the_cure(home: Path):
    drop(home, "broken.yaml", "promt: a harbour\n")
    ended = call(home, "once")
    assert ended.returncode == 1
    assert "Did you mean prompt?" in ended.stdout


def test_submit_drops_whole_files_and_status_shows_them(home: Path):
    job = home / "mine.yaml"
    job.write_text(f"prompt: a harbour\n{SMALL}")
    assert call(home, "submit", "text-to-video", str(job)).returncode == 0
    assert [path.name for path in (home / "inbox/text-to-video").iterdir()] == ["mine.yaml"]
    again = call(home, "submit", "text-to-video", str(job))
    assert again.returncode == 2
    assert "already there" in again.stderr
    assert call(home, "once").returncode == 0
    (home / "inbox/text-to-video/notes.doc").write_text("mine")
    told = call(home, "status", "--json")
    report = json.loads(told.stdout)
    assert [(job["name"], job["state"]) for job in report["jobs"]] == [("mine", "done")]
    assert report["left_alone"] == ["text-to-video/notes.doc"]
    assert "mine" in call(home, "status").stdout


def test_submit_checks_the_job_file_before_it_drops_anything(home: Path):
    job = home / "mine.yaml"
    job.write_text("promt: a harbour\n")
    ended = call(home, "submit", "text-to-video", str(job))
    assert ended.returncode == 2
    assert "line 1, column 1" in ended.stderr
    assert call(home, "submit", "text-to-vide", str(job)).returncode == 2
    assert not list((home / "inbox/text-to-video").iterdir())


def test_status_works_before_anything_ever_ran(home: Path):
    told = call(home, "status")
    assert told.returncode == 0
    assert "none" in told.stdout


@pytest.mark.parametrize("kind", ["job", "config", "manifest", "status"])
def test_schema_prints_a_json_schema(home: Path, kind: str):
    told = call(home, "schema", kind)
    assert json.loads(told.stdout)["properties"]


def test_a_broken_config_is_named_with_its_place_and_wrong_use_is_2(home: Path):
    (home / "config.yaml").write_text("default_stebs: 20\nbackends: 3\n")
    ended = call(home, "once")
    assert ended.returncode == 2
    assert "line 1, column 1" in ended.stderr
    assert "default_steps" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert call(home, "dance").returncode == 2


def test_outside_its_environment_the_front_step_says_how_to_set_up(tmp_path: Path):
    shutil.copy(DAEMON, tmp_path / "daemon.py")
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("import nosuchlibrary\n")
    ended = subprocess.run([sys.executable, tmp_path / "daemon.py"], capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1
    assert "make" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.timeout(60)  # after the restart the prompt counts as lost only after eight seconds
@pytest.mark.parametrize("ask", ["terminate", "interrupt"])
def test_a_signal_stops_within_five_seconds_in_mid_render_and_the_job_goes_on_at_the_next_start(home: Path, ask: str):
    with Process(DAEMON, "run", "--config", home / "config.yaml") as daemon:
        daemon.wait_for_file(home / "inbox" / ".reeldrop" / "lease.json", 20)
        drop(home, "slow.yaml", "prompt: a harbour\nseed: 1\nwidth: 256\nheight: 256\nframes: 16\nsteps: 60\n")
        file = home / "outbox" / "text-to-video" / "slow.status.json"
        daemon.wait_until(lambda: file.exists() and status(home, "slow")["state"] == "running", 25, "it renders")
        began = time.monotonic()
        getattr(daemon, ask)()
        code = daemon.wait(10)
        assert time.monotonic() - began < 5
        assert code == 0
        assert "Traceback" not in daemon.stderr
        assert "the preview engine draws" in daemon.stdout
        assert "text-to-video/slow: running" in daemon.stdout
        assert "goes on at the next start" in daemon.stdout
    assert status(home, "slow")["state"] == "running"
    assert call(home, "once").returncode == 0
    assert status(home, "slow")["state"] == "done"
    rows = sqlite3.connect(home / "var/reeldrop.db").execute("select count(*) from jobs").fetchone()
    assert rows == (1,)


def test_status_names_no_daemon_after_a_kill_and_prints_no_control_letters(home: Path):
    with Process(DAEMON, "run", "--config", home / "config.yaml") as daemon:
        daemon.wait_for_file(home / "inbox" / ".reeldrop" / "lease.json", 20)
        assert f"/{daemon.pid}" in call(home, "status").stdout
        daemon.kill()
    (home / "inbox/text-to-video/two\nlines.doc").write_text("mine")
    (home / "inbox/text-to-video/PAUSE").write_text("")
    told = call(home, "status").stdout
    assert "none is running" in told
    assert "two\\nlines.doc" in told
    assert "paused: text-to-video" in told
    assert "text-to-video/PAUSE" not in told


def test_a_batch_leaves_its_waiting_line_to_its_jobs():
    lines = Lines(live=True)
    waiting = Job("b", "d", "job", None, "text-to-video", "", "takes", State.WAITING, "", "")
    lines.hear(waiting)
    lines.hear(replace(waiting, kind="batch", state=State.QUEUED))
    lines.hear(replace(waiting, id="j", batch="b", name="takes_0001", state=State.QUEUED))
    assert [job.name for job in lines.jobs()] == ["takes_0001"]


def test_what_people_write_is_no_markup_for_the_live_lines():
    job = Job(
        "j",
        "d",
        "job",
        None,
        "text-to-video",
        "",
        "[/x] name",
        State.REJECTED,
        "",
        "",
        error={"title": "[/b]", "fix": ""},
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(table([job]))
    assert "[/x] name" in console.file.getvalue()
    assert "[/b]" in console.file.getvalue()


def test_once_ends_when_all_that_is_left_waits_for_somebody_else(home: Path, monkeypatch: pytest.MonkeyPatch):
    config = (home / "config.yaml").read_text()
    (home / "config.yaml").write_text(config + "engine: 'off'\n")
    drop(home, "harbour.yaml", f"prompt: a harbour\n{SMALL}")
    monkeypatch.setattr(once, "_PATIENCE_S", 0.5)
    ended = CliRunner().invoke(once.once, ["--config", str(home / "config.yaml")])
    assert ended.exit_code == 1
    assert "No ComfyUI is configured" in ended.output

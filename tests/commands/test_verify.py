"""reeldrop verify: results, changed, stripped, forged, damaged and foreign ones, as a person checks them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from service.commands import commands
from service.job import Drop, Job, MediaFacts, MediaKind, Render, State
from service.jobfile import parse
from service.marking import tags_of
from service.media.pictures import save_tagged
from service.status import document
from service.store import Store
from tests.media.drawing import clip, scene

SETTINGS = {
    "prompt": "a harbour: 'no' & {dawn|dusk} ünder 16:9", "negative_prompt": "", "seed": 42, "width": 64, "height": 64,
    "frames": 16, "fps": 12, "seconds": 1.333, "steps": 20, "cfg": 7.5, "sampler": "euler",
}  # fmt: skip
JOB = Job(
    "0198", "d1", "job", None, "text-to-video", "", "harbour", State.DONE, "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z", workflow="text_to_video_basic", seed=42, settings=SETTINGS, graph_hash="ab",
)  # fmt: skip
FACTS = MediaFacts(MediaKind.VIDEO, "mp4", 64, 64, 16, 12.0, 1.33, "h264", audio=False)
MP4 = {"movflags": "use_metadata_tags+faststart"}
MARK = {"comment": "AI-made: by software.", "ai_generated": "true"}


def tags(job: Job = JOB) -> dict[str, str]:
    return tags_of(job, Render(job.id, "p", {}, "1", None, {}, []), FACTS)


def video(path: Path, said: dict[str, str], **how: object) -> Path:
    return clip(path, frames=16, draw=lambda number: scene(number, 64, 64), metadata=said, **how)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("{}\n")
    return tmp_path


def known(home: Path, file: Path, job: Job = JOB) -> None:
    """Let the database know of a job with this result."""
    (home / "var").mkdir(exist_ok=True)
    store = Store(home / "var" / "reeldrop.db")
    drop = Drop(job.drop, job.task, "", job.name, "job_file", ("text-to-video/harbour.yaml",))
    store.see(
        drop, replace(job, outputs=[{"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}])
    )
    store.close()


def call(home: Path, file: Path, *words: str) -> Result:
    return CliRunner().invoke(commands, ["verify", str(file), *words, "--config", str(home / "config.yaml")])


def verdicts(home: Path, file: Path) -> dict[str, str]:
    done = call(home, file, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code == 0) == told["fine"], done.output
    return {finding["check"]: finding["verdict"] for finding in told["findings"]}


FINE = {"file": "fine", "mark": "fine", "job": "fine", "bytes": "fine", "recipe": "fine", "c2pa": "absent"}


@pytest.mark.parametrize("name", ["harbour.mp4", "harbour.mov", "harbour.mkv"])
def test_a_result_of_ours_is_fine_in_every_format_that_carries_words(home: Path, name: str):
    file = video(home / name, tags(), container_options={} if name.endswith("mkv") else MP4)
    known(home, file)
    assert verdicts(home, file) == FINE
    assert "bit for bit" in call(home, file).stdout


def test_a_picture_of_ours_is_fine_too(home: Path):
    file = home / "harbour.png"
    save_tagged(scene(0, 64, 64), file, tags())
    known(home, file)
    assert verdicts(home, file) == FINE


def test_one_byte_of_other_pictures_is_a_change(home: Path):
    file = video(home / "harbour.mp4", tags(), container_options=MP4)
    known(home, file)
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    assert verdicts(home, file)["bytes"] == "changed"
    done = call(home, file)
    assert done.exit_code == 1
    assert "CHANGED" in done.stdout


def test_what_was_published_is_known_by_its_bytes_whatever_it_is_called_and_by_the_status_file_beside_it(home: Path):
    file = video(home / "harbour.mp4", tags(), container_options=MP4)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    said = document(replace(JOB, outputs=[{"file": "harbour.mp4", "sha256": sha256}]), "host/1")
    (home / "harbour.status.json").write_text(json.dumps(said))
    assert verdicts(home, file) == {**FINE, "job": "unknown"}
    known(home, file)
    assert verdicts(home, file.rename(home / "holiday.mp4")) == FINE


def test_a_result_whose_words_were_taken_out_has_no_mark(home: Path):
    file = video(home / "harbour.mp4", {})
    found = verdicts(home, file)
    assert (found["mark"], found["job"], found["recipe"]) == ("missing", "absent", "absent")
    assert call(home, file, "--job").exit_code == 1


def test_minimal_metadata_is_fine_and_the_database_knows_the_job(home: Path):
    job = replace(JOB, settings={**SETTINGS, "output": {"metadata": "minimal"}})
    file = video(home / "harbour.mp4", tags(job), container_options=MP4)
    assert call(home, file, "--job").exit_code == 1
    known(home, file, job)
    assert verdicts(home, file) == {**FINE, "recipe": "absent"}
    asked = parse(call(home, file, "--job").stdout.encode()).settings.asked()
    assert (asked["seed"], asked["output"].metadata) == (42, "minimal")


def test_the_job_it_prints_is_a_job_file_that_asks_for_the_same(home: Path):
    file = video(home / "harbour.mp4", tags(), container_options=MP4)
    printed = call(home, file, "--job")
    assert printed.exit_code == 0, printed.output
    asked = parse(printed.stdout.encode()).settings.asked()
    left = {name: value for name, value in SETTINGS.items() if name not in ("negative_prompt", "seconds", "prompt")}
    assert asked.pop("prompt").replace("\\", "") == SETTINGS["prompt"]
    assert asked == {**left, "workflow": "text_to_video_basic"}


def test_forged_words_are_claims_that_the_database_contradicts(home: Path):
    other = video(home / "other.mp4", tags(), container_options=MP4)
    known(home, other)
    forged = video(home / "forged.mp4", tags(replace(JOB, seed=7)), container_options=MP4)
    found = verdicts(home, forged)
    assert (found["bytes"], found["claims"]) == ("changed", "changed")
    assert "It says that job" in call(home, forged).stdout


@pytest.mark.parametrize(
    "recipe",
    ["{", "[]", '{"settings": 3}', "9" * 5000, "[" * 50_000, '{"settings": {"image": "/etc/passwd"}}', "x" * 90_000],
)
def test_hostile_words_never_become_a_job_and_never_end_in_a_traceback(home: Path, recipe: str):
    file = video(home / "bad.mp4", {**MARK, "reeldrop_job": "0198", "reeldrop": recipe}, container_options=MP4)
    assert "file" in verdicts(home, file)
    done = call(home, file, "--job")
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "passwd" not in done.stdout


def test_words_can_not_play_with_the_terminal(home: Path):
    wild = "\x1b[2J\u202eevil\x9b31m"
    told = {"settings": {"prompt": "a cup \u202e b \u0085 c", "seed": 1}, "workflow": wild, "seed": 1}
    file = video(
        home / "wild.mp4",
        {"comment": wild, "ai_generated": "true", "reeldrop_job": wild, "reeldrop": json.dumps(told)},
        container_options=MP4,
    )
    for words in ([], ["--json"], ["--job"]):
        said = call(home, file, *words).output
        assert not set("\x1b\u202e\x9b\u0085") & set(said), words


def test_damaged_and_foreign_files_are_said_to_be_so(home: Path):
    whole = video(home / "whole.mp4", tags(), container_options=MP4).read_bytes()
    damaged = {
        "cut.mp4": whole[: len(whole) // 2],
        "text.mp4": b"hello" * 100,
        "empty.mp4": b"",
        "noise.png": b"\x89PNG",
    }
    for name, data in damaged.items():
        (home / name).write_bytes(data)
        assert verdicts(home, home / name)["file"] == "broken", name
        # What is cut off can still tell, where its words stand before what is missing.
        assert call(home, home / name, "--job").exit_code == (0 if name == "cut.mp4" else 1)
    Image.new("RGB", (32, 32), "teal").save(home / "photo.jpg")
    found = verdicts(home, home / "photo.jpg")
    assert (found["file"], found["mark"], found["job"]) == ("fine", "missing", "absent")


def test_wrong_use_is_said_with_its_own_exit_code(home: Path):
    assert call(home, home / "nothing.mp4").exit_code == 2
    assert call(home, home).exit_code == 2

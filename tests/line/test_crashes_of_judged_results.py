"""kill -9 while a result is kept, released, signed or drawn on a sheet: it ends once, shown to nobody who mustn't."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.commands import commands
from tests.line.crashing import Scene
from tests.line.test_signing import verdicts


class Alarmed:
    """Takes every square picture for somewhat like nudity."""

    def score(self, rgb: Any) -> float:
        return 0.61 if rgb.shape[0] == rgb.shape[1] else 0.0


def kept(scene: Scene) -> list[Path]:
    folder = scene.folder / "var" / "quarantine"
    return sorted(folder.iterdir()) if folder.is_dir() else []


# quarantine ------------------------------------------------------------------------------------------------------

KEEPING = [
    (r"before 1 copy to var/quarantine/", "found, nothing kept"),
    (r"before 1 store.transaction of quarantine", "kept, nothing said of it"),
    (r"before 1 unlink var/work/ID/raw\.mp4", "kept and said, its raw file still there"),
    (r"after 1 store.move failed", "failed, its files not returned"),
]


@pytest.mark.parametrize(("fuel", "meaning"), KEEPING, ids=[meaning for _, meaning in KEEPING])
def test_a_result_that_is_kept_is_kept_once_and_shown_to_nobody(
    tmp_path: Path, engine_outside: str, fuel: str, meaning: str
):
    scene = Scene(tmp_path, "text", engine_outside)
    scene.classifier = Alarmed
    life = scene.run(fuel)
    assert life.killed, f"{meaning}: ended with {life.code}; last effect: {life.last}"
    scene.finish()
    check_kept(scene)


def check_kept(scene: Scene) -> None:
    status = scene.status("text-to-video/cup")
    assert (status["state"], status["error"]["code"]) == ("failed", "nudity_quarantined")
    assert set(scene.files("outbox")) == {"text-to-video/cup.status.json"}
    assert set(scene.files("inbox")) == {f"rejected/text-to-video/cup.{ending}" for ending in ("yaml", "reason.txt")}
    (file,) = kept(scene)
    assert scene.rows("SELECT job, file, sha256, released_at FROM quarantine") == [
        (status["job"], file.name, sha256(file.read_bytes()).hexdigest(), None)
    ]
    assert [path for path in scene.folder.rglob("*.mp4") if path != file] == []
    assert scene.posted() - scene.posted_before == 1


# release ---------------------------------------------------------------------------------------------------------

RELEASING = [
    ("before 1 store.transaction of release", "asked, and heard by nobody"),
    (r"before 1 mkdir .*claims/ID$", "released, its files still away"),
    (r"after 1 rename to .*claims/ID/cup\.yaml", "released, its files back, not queued"),
    ("after 1 store.move running", "taken up again"),
    (r"before 1 rename to new outbox/.*/cup\.mp4", "half copied into the outbox"),
    ("after 1 unlink var/quarantine/ID.mp4", "published, its row still there"),
    ("before 1 store.move done", "published and forgotten, the job still running"),
]


@pytest.mark.parametrize(("fuel", "meaning"), RELEASING, ids=[meaning for _, meaning in RELEASING])
def test_a_release_ends_with_one_video_and_nothing_is_rendered_again(
    tmp_path: Path, engine_outside: str, fuel: str, meaning: str
):
    scene = Scene(tmp_path, "text", engine_outside)
    scene.classifier = Alarmed
    scene.finish()
    ask_for_release(scene)
    life = scene.run(fuel)
    assert life.killed, f"{meaning}: ended with {life.code}; last effect: {life.last}"
    ask_for_release(scene)
    last = scene.finish()
    assert "submit" not in (*life.effects, *last.effects)
    scene.check_files()
    assert kept(scene) == []
    assert scene.rows("SELECT * FROM quarantine") == []
    assert scene.rows("SELECT event, count(*) FROM events WHERE event IN ('failed', 'done') GROUP BY event") == [
        ("done", 1), ("failed", 1),
    ]  # fmt: skip
    assert scene.posted() - scene.posted_before == 1


def ask_for_release(scene: Scene) -> None:
    """Ask for it where it isn't granted yet, the way the command does."""
    for (job,) in scene.rows("SELECT job FROM quarantine WHERE released_at IS NULL"):
        request = scene.folder / "var" / "requests" / f"{len(scene.lives)}.json"
        request.parent.mkdir(exist_ok=True)
        said = {"verb": "quarantine release", "target": job, "more": {"who": "ann", "why": "it is a cup"}}
        request.write_text(json.dumps(said), encoding="utf-8")


# sheets ----------------------------------------------------------------------------------------------------------

DRAWING = [
    ("before 1 examine sheet", "owed, not drawn"),
    (r"before 1 rename to outbox/.*/cup\.sheet\.jpg", "half written"),
    ("before 1 store.transaction of settle_sheet", "written, still owed"),
]


@pytest.mark.parametrize(("fuel", "meaning"), DRAWING, ids=[meaning for _, meaning in DRAWING])
def test_a_batch_gets_its_one_sheet(tmp_path: Path, engine_outside: str, fuel: str, meaning: str):
    scene = Scene(tmp_path, "batch", engine_outside)
    life = scene.run(fuel)
    assert life.killed, f"{meaning}: ended with {life.code}; last effect: {life.last}"
    scene.finish()
    scene.check()
    assert scene.rows("SELECT * FROM owed_sheets") == []


# signatures ------------------------------------------------------------------------------------------------------

SIGNING = [
    ("after 1 examine sign", "signed, not looked at"),
    (r"before 1 rename to new outbox/.*/cup\.mp4", "signed, half copied into the outbox"),
]


@pytest.mark.parametrize(("fuel", "meaning"), SIGNING, ids=[meaning for _, meaning in SIGNING])
def test_a_signed_result_is_whole_and_its_signature_true(tmp_path: Path, engine_outside: str, fuel: str, meaning: str):
    pytest.importorskip("c2pa", reason="signing is an extra")
    assert CliRunner().invoke(commands, ["verify", "--make-certificate", str(tmp_path / "keys")]).exit_code == 0
    keys = {name: str(tmp_path / "keys" / f"{name}.pem") for name in ("certificate", "private_key")}
    scene = Scene(tmp_path / "scene", "text", engine_outside, c2pa=keys)
    life = scene.run(fuel)
    assert life.killed, f"{meaning}: ended with {life.code}; last effect: {life.last}"
    scene.finish()
    scene.check()
    config, video = scene.folder / "config.yaml", scene.folder / "outbox" / "text-to-video" / "cup.mp4"
    told = json.loads(CliRunner().invoke(commands, ["verify", "--json", "--config", str(config), str(video)]).stdout)
    assert (told["fine"], told["c2pa"]["state"], verdicts(told)["c2pa"]) == (True, "Trusted", "fine")


# previews --------------------------------------------------------------------------------------------------------


class AlarmedLater:
    """Finds nothing in the first picture that it sees, and something in every other."""

    def __init__(self) -> None:
        self._seen = 0

    def score(self, _rgb: Any) -> float:
        self._seen += 1
        return 0.61 if self._seen > 1 else 0.0


def test_a_preview_that_was_hit_keeps_all_later_ones_back_in_the_next_life_too(tmp_path: Path):
    # The engine dies with its daemon: the next life renders anew, and hears of previews again.
    scene = Scene(tmp_path, "shown", None)
    scene.classifier = AlarmedLater
    life = scene.run(r"before 1 unlink outbox/.*/cup\.preview\.jpg")
    assert life.killed, f"ended with {life.code}; last effect: {life.last}"
    assert [json.loads(trouble) for (trouble,) in scene.rows("SELECT trouble FROM jobs")] == [{"preview_hit": True}]
    scene.classifier = None
    last = scene.finish()
    assert [effect for effect in last.effects if effect.startswith("rename to") and "preview" in effect] == []
    scene.check()

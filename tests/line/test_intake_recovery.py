"""What was claimed is there at the next start, or it isn't: each way has its end."""

import os
import shutil
from pathlib import Path

from tests.line.crashing import Scene


def claim_of(scene: Scene) -> Path:
    (claim,) = (scene.folder / "inbox" / ".reeldrop" / "claims").iterdir()
    return claim


def test_a_drop_whose_half_made_claim_is_undone_keeps_its_row_and_its_name(tmp_path: Path, engine_outside: str):
    scene = Scene(tmp_path, "image", engine_outside)
    assert scene.run(r"before 1 rename to .*claims/ID/cup\.jpg").killed
    os.utime(claim_of(scene) / "cup.yaml", (1, 1))
    scene.finish()
    scene.check()


def test_an_undone_claim_whose_files_are_taken_away_meanwhile_leaves_nothing_waiting(
    tmp_path: Path, engine_outside: str
):
    scene = Scene(tmp_path, "text", engine_outside)
    assert scene.run("before 1 store.transaction of _save").killed
    shutil.rmtree(claim_of(scene))
    scene.finish()
    assert scene.states() == {"cup": "cancelled"}
    assert scene.files("outbox") == {}


def test_a_queued_job_whose_claim_is_gone_fails_at_once_with_its_reason(tmp_path: Path, engine_outside: str):
    scene = Scene(tmp_path, "batch", engine_outside)
    assert scene.run("before 1 store.move running").killed
    shutil.rmtree(claim_of(scene))
    scene.finish()
    assert set(scene.states().values()) == {"failed"}
    for name in ("cup", "cup_0001", "cup_0002"):
        assert scene.status(f"text-to-video/{name}")["state"] == "failed"
    assert scene.status("text-to-video/cup_0001")["error"]["code"] == "claim_gone"
    assert scene.posted() == scene.posted_before

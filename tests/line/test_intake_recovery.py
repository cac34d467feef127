"""What was claimed is there at the next start, or it isn't: each way has its end."""

import json
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
    assert scene.run("before 1 store.transaction of record").killed
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


def test_an_odd_record_holds_its_own_drop_and_stops_no_start(tmp_path: Path, engine_outside: str):
    scene = Scene(tmp_path, "text", engine_outside)
    assert scene.run("before 1 store.transaction of record").killed
    record = json.loads((claim_of(scene) / "claim.json").read_text())
    (claim_of(scene) / "claim.json").write_text(json.dumps({**record, "task": "../x"}))
    (tmp_path / "inbox" / "text-to-video" / "mug.yaml").write_bytes(scene.kind.drop["text-to-video/cup.yaml"])
    scene.finish()
    assert scene.states() == {"cup": "waiting", "mug": "done"}
    assert scene.status("text-to-video/cup")["hold"]["code"] == "claim_odd"
    assert (claim_of(scene) / "cup.yaml").read_bytes() == scene.kind.drop["text-to-video/cup.yaml"]


def test_a_record_that_names_another_file_of_the_machine_is_not_followed(tmp_path: Path, engine_outside: str):
    scene = Scene(tmp_path, "shared", engine_outside)
    assert scene.run(r"before 1 replace var/work/ID/shared-image\.jpg").killed
    aside = tmp_path / "inbox" / "image-to-video" / "other" / "blue.jpg"
    aside.parent.mkdir()
    (tmp_path / "inbox" / "image-to-video" / "blue.jpg").rename(aside)
    found = aside.stat()
    path = "image-to-video/other/blue.jpg"
    record = json.loads((claim_of(scene) / "claim.json").read_text())
    record |= {"shared": {"image": path}, "named": {path: [found.st_size, found.st_mtime_ns, found.st_ino]}}
    (claim_of(scene) / "claim.json").write_text(json.dumps(record))
    scene.finish()
    assert scene.states() == {"cup": "rejected"}

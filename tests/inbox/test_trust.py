"""Whoever may write to the share may write claim.json, links and other files: none of it is believed."""

import json
import os

import pytest

from service.inbox.named import Changed, Places, copy_unchanged
from service.inbox.trust import check_drop
from tests.inbox.world import JOB, PICTURE, World

WHOLE = {
    "task": "text-to-video",
    "grouping": "trip",
    "name": "harbour",
    "kind": "job_file",
    "job": "j-1",
    "found": {"harbour.jpg": PICTURE},
    "animated": [],
    "named": {PICTURE: [1, 2, 3]},
    "problem": None,
}

ODD = {
    "no record": [],
    "another drop": {"drop": "d2"},
    "drop": {"drop": "../d1"},
    "stage": {"stage": "half"},
    "members": {"members": "none"},
    "a member": {"members": ["x"]},
    "task above": {"task": "../x"},
    "another task": {"task": "done"},
    "task of no text": {"task": 5},
    "grouping": {"grouping": "../.."},
    "name": {"name": ["harbour"]},
    "kind": {"kind": "gift"},
    "job": {"job": "../../etc"},
    "found outside": {"found": {"cat.jpg": "../../etc/passwd"}},
    "found outside of a root": {"found": {"cat.jpg": "/pictures/../../etc/passwd"}},
    "found list": {"found": [1]},
    "animated text": {"animated": "cat.gif"},
    "another folder's files": {"folder": "text-to-video/other"},
    "a folder without its files": {"folder": "text-to-video/trip/harbour"},
    "files taken from elsewhere": {"sources": {PICTURE: "text-to-video/secret.jpg"}},
    "named": {"named": {PICTURE: [1, 2]}},
    "problem": {"problem": {"code": "x"}},
    "problem with more": {"problem": {"code": "x", "title": "t", "fix": "f", "evil": 1}},
    "seed": {"seed": -1},
    "jobs": {"jobs": [{"id": "../x", "prompt_id": "p"}]},
    "outbox name": {"outbox_name": "../../x"},
    "returning": {"stage": "returning", "returning": {"where": "home"}},
}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "world")


def make(world):
    world.drop(JOB)
    claim = world.claims().make("d1", world.members(JOB), **WHOLE)
    claim.save(seed=1, jobs=[{"id": "j-1", "prompt_id": "p-1"}], outbox_name="harbour")
    return claim


def test_what_we_write_ourselves_is_believed(world):
    make(world)
    (again,) = world.claims().resume()
    check_drop(again.record)
    assert again.record["found"] == {"harbour.jpg": PICTURE}


@pytest.mark.parametrize("change", ODD.values(), ids=list(ODD))
def test_an_odd_record_leaves_its_claim_as_it_is_and_named(world, change):
    claim = make(world)
    record = claim.record | change if isinstance(change, dict) else change
    (claim.folder / "claim.json").write_text(json.dumps(record))
    claims = world.claims()
    assert claims.resume() == []
    assert list(claims.unresumed) == world.claim_folders()
    assert (world.claim_folders()[0] / "harbour.yaml").is_file()


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff\xfe"], ids=["empty", "cut", "bomb", "no text"])
def test_a_record_that_is_no_json_leaves_its_claim_as_it_is(world, data):
    (make(world).folder / "claim.json").write_bytes(data)
    claims = world.claims()
    assert claims.resume() == []
    assert len(claims.unresumed) == 1


def test_a_link_in_the_place_of_a_claimed_file_is_not_followed(world, tmp_path):
    claim = make(world)
    claim.file_of(JOB).unlink()
    claim.file_of(JOB).symlink_to(tmp_path / "secret")
    claims = world.claims()
    assert claims.resume() == []
    assert "no plain file" in next(iter(claims.unresumed.values()))


@pytest.mark.parametrize("missing", list(WHOLE))
def test_a_drop_is_not_taken_up_without_all_that_it_needs(world, missing):
    record = make(world).record
    with pytest.raises(ValueError, match=missing):
        check_drop({key: value for key, value in record.items() if key != missing})


# named files -------------------------------------------------------------------------------------------------------


def identity(path):
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def test_a_named_file_is_copied_as_it_was_seen(world, tmp_path):
    picture = world.drop(PICTURE)
    copy_unchanged(Places(world.inbox), PICTURE, identity(picture), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == picture.read_bytes()


@pytest.mark.parametrize("change", ["content", "replaced", "link", "pipe", "folder is a link", "unknown"])
def test_a_named_file_that_is_another_one_by_now_is_not_read(world, tmp_path, change):
    world.drop(PICTURE)
    path = world.inbox / PICTURE
    seen = identity(path) if change != "unknown" else None
    aside = tmp_path / "aside"
    if change == "content":
        path.write_bytes(b"longer than it was before " * 9)
    elif change == "replaced":
        aside.write_bytes(path.read_bytes())
        os.utime(aside, ns=(seen[1], seen[1]))
        aside.rename(path)
    elif change == "link":
        path.rename(aside)
        path.symlink_to(aside)
    elif change == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif change == "folder is a link":
        path.parent.rename(aside)
        path.parent.symlink_to(aside)
    with pytest.raises(Changed):
        copy_unchanged(Places(world.inbox), PICTURE, seen, tmp_path / "copy")


def test_a_named_file_that_is_gone_is_gone(world, tmp_path):
    with pytest.raises(FileNotFoundError):
        copy_unchanged(Places(world.inbox), PICTURE, [1, 2, 3], tmp_path / "copy")

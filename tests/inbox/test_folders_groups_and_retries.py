"""A dropped folder moves as one, many drops are taken together, returned files are taken back: one place each."""

import json
import os
from dataclasses import replace

import pytest

from service.errors import Rejected
from service.inbox.claim import Claim, ClaimLost, MembersChanged, Wanted
from service.inbox.giveback import give_back
from service.job import Drop
from tests.inbox.world import ABILITIES, JOB, PICTURE, Fuel, World, stops

FOLDER = "image-to-video/trip/cat"
FILES = (f"{FOLDER}/job.yaml", f"{FOLDER}/source.jpg", f"{FOLDER}/more/notes.jpg")
RECORD = {
    "task": "image-to-video",
    "grouping": "trip",
    "name": "cat",
    "kind": "job_file",
    "job": "j1",
    "found": {},
    "named": {},
    "animated": [],
    "problem": None,
}
REASON = "prompt is missing."


@pytest.fixture(params=ABILITIES)
def new_world(request, fast_path):
    def make(number=0):
        world = World(fast_path / str(number), ABILITIES[request.param])
        for path in FILES:
            world.drop(path)
        world.drop(f"{FOLDER}/.DS_Store")
        return world

    return make


def take(world, fuel=None):
    return world.claims(fuel).make("d1", world.members(*FILES), FOLDER, **RECORD)


def taken_back(world, fuel=None):
    """Return what a daemon's retry makes of the drop whose files went back as `record` says."""
    return world.claims(fuel).take_back(world.returned)


def return_rejected(world):
    claim = take(world)
    give_back(claim, world.inbox, "rejected", REASON)
    world.returned = Drop("d1", "image-to-video", "trip", "cat", "job_file", FILES, record=dict(claim.record))
    return claim


def test_a_dropped_folder_moves_as_one_with_everything_in_it(new_world):
    world = new_world()
    claim = take(world)
    assert (claim.name, claim.home) == ("cat", "image-to-video/trip")
    assert not (world.inbox / FOLDER).exists()
    assert claim.file_of(FILES[2]).is_file()
    assert (claim.folder / "dropped/.DS_Store").is_file()
    world.check_one_place_each()
    assert give_back(claim, world.inbox, "done", None) == world.inbox / "done/image-to-video/trip"
    assert (world.inbox / "done/image-to-video/trip/cat/more/notes.jpg").is_file()
    world.check_tidy()


def test_a_folder_whose_name_is_taken_is_returned_beside_it(new_world):
    world = new_world()
    world.drop("rejected/image-to-video/trip/cat/mine.txt")
    folder = give_back(take(world), world.inbox, "rejected", REASON)
    assert folder == world.inbox / "rejected/image-to-video/trip/cat_2"
    assert (folder / "cat/job.yaml").is_file()
    assert (folder / "cat.reason.txt").is_file()
    world.check_one_place_each()


def test_a_folder_in_which_a_file_changed_goes_back_whole(new_world):
    world = new_world()
    members = world.members(*FILES)
    (world.inbox / FILES[1]).write_bytes(b"another picture")
    with pytest.raises(MembersChanged):
        world.claims().make("d1", members, FOLDER, **RECORD)
    assert (world.inbox / FILES[0]).is_file()
    assert (world.inbox / FILES[1]).read_bytes() == b"another picture"
    assert world.claim_folders() == []


@pytest.mark.parametrize("act", ["rewrite", "remove", "remove the job file", "add"])
def test_a_folder_that_changes_in_the_last_instant_goes_back_whole(new_world, act):
    world = new_world()

    def meanwhile(effect, path):
        if (effect, path) == ("rename", world.inbox / FOLDER):
            changed = world.inbox / FILES[0 if "job" in act else 2]
            if "remove" in act:
                changed.rename(world.root / "theirs")
            elif act == "rewrite":
                changed.write_bytes(b"another picture")
            else:
                (changed.parent / "late.jpg").write_bytes(b"one more picture")

    with pytest.raises(MembersChanged):
        take(world, Fuel(onlooker=meanwhile))
    assert (world.inbox / FILES[1]).is_file()
    assert (world.inbox / FILES[0]).is_file() != ("job" in act)
    assert (world.inbox / FOLDER / "more/late.jpg").is_file() == (act == "add")
    assert world.claim_folders() == []


def test_a_copy_for_other_hard_links_leaves_nothing_in_the_folder_wherever_the_power_goes(new_world):
    def linked(number):
        world = new_world(number)
        (world.root / "kept.jpg").hardlink_to(world.inbox / FILES[1])
        return world

    for _, world in stops(linked, take):
        for claim in world.claims().resume():
            assert claim.file_of(FILES[1]).stat().st_nlink == 1
        found = [path.name for path in world.inbox.rglob("*") if path.is_file() and path.name != "claim.json"]
        assert sorted(found) == [".DS_Store", "job.yaml", "notes.jpg", "source.jpg"]


def test_a_folder_is_in_one_place_wherever_the_power_goes_while_it_is_claimed(new_world):
    for _, world in stops(new_world, take):
        for claim in world.claims().resume():
            assert claim.units[0].path == FOLDER
        world.check_one_place_each()


def test_a_folder_is_in_one_place_wherever_the_power_goes_while_it_is_returned(new_world):
    def back(world, fuel):
        claim = take(world)
        claim.disk = world.disk(fuel)
        give_back(claim, world.inbox, "rejected", REASON)

    for _, world in stops(new_world, back):
        for claim in world.claims().resume():
            give_back(claim, world.inbox, "rejected", REASON)
        world.check_one_place_each()
        world.check_tidy()
        notes = [data for path, data in world.files().items() if path.endswith("cat.reason.txt")]
        assert any(note.startswith(REASON.encode()) for note in notes)


# many at once --------------------------------------------------------------------------------------------------------


def wanted(world, number):
    path = f"text-to-video/{number}.yaml"
    record = {**RECORD, "task": "text-to-video", "grouping": "", "name": str(number), "job": f"j{number}"}
    return Wanted(f"d{number}", world.members(path), record)


def test_many_drops_are_taken_together_and_each_has_its_own_answer(tmp_path):
    world = World(tmp_path)
    for number in range(6):
        world.drop(f"text-to-video/{number}.yaml")
    drops = [wanted(world, number) for number in range(6)]
    (world.inbox / "text-to-video/2.yaml").write_bytes(b"changed meanwhile")
    (world.inbox / "text-to-video/4.yaml").unlink()
    answers = world.claims().make_all(drops)
    assert [type(answer) for answer in answers] == [Claim, Claim, MembersChanged, Claim, ClaimLost, Claim]
    assert len(world.claim_folders()) == 4
    assert (world.inbox / "text-to-video/2.yaml").read_bytes() == b"changed meanwhile"


def test_many_drops_are_each_in_one_place_wherever_the_power_goes(fast_path):
    def new(number):
        world = World(fast_path / str(number))
        for each in range(3):
            world.drop(f"text-to-video/{each}.yaml")
        return world

    def take_all(world, fuel):
        world.claims(fuel).make_all([wanted(world, number) for number in range(3)])

    for _, world in stops(new, take_all):
        resumed = world.claims().resume()
        world.check_one_place_each()
        assert {claim.folder for claim in resumed} == set(world.claim_folders())


def test_a_full_disk_leaves_every_drop_where_it_was(tmp_path):
    world = World(tmp_path)
    for number in range(3):
        world.drop(f"text-to-video/{number}.yaml")

    def refuse(effect, path):
        if effect == "write" and path.name == ".claim.json.part":
            raise OSError(28, "No space left on device")

    claims = world.claims()
    claims._disk = world.disk(refuse)
    answers = claims.make_all([wanted(world, number) for number in range(3)])
    assert [getattr(answer, "errno", None) for answer in answers] == [28, 28, 28]
    assert len(list((world.inbox / "text-to-video").iterdir())) == 3


# taken back ----------------------------------------------------------------------------------------------------------


def test_what_was_returned_is_taken_back_with_all_that_its_claim_knew(new_world):
    world = new_world()
    return_rejected(world)
    claim = taken_back(world)
    assert (claim.name, claim.home, claim.record["job"]) == ("cat", "image-to-video/trip", "j1")
    assert claim.file_of(FILES[1]).is_file()
    assert not (world.inbox / "rejected/image-to-video/trip/cat.reason.txt").exists()
    world.check_one_place_each()
    give_back(claim, world.inbox, "done", None)
    assert (world.inbox / "done/image-to-video/trip/cat/job.yaml").is_file()


def test_what_was_returned_is_in_one_place_wherever_the_power_goes_while_it_is_taken_back(new_world):
    def new(number):
        world = new_world(number)
        return_rejected(world)
        return world

    for _, world in stops(new, taken_back):
        world.claims().resume()
        world.check_one_place_each()


@pytest.mark.parametrize("spoil", ["gone", "changed", "replaced", "part of it gone"])
def test_what_is_gone_or_changed_is_not_taken_back_and_nothing_moves(new_world, spoil):
    world = new_world()
    return_rejected(world)
    folder = world.inbox / "rejected" / FOLDER
    if spoil == "gone":
        os.rename(folder, world.inbox / "elsewhere")
    elif spoil == "changed":
        (folder / "job.yaml").write_bytes(b"prompt: corrected by hand")
    elif spoil == "part of it gone":
        (folder / "source.jpg").unlink()
    else:
        os.rename(folder, world.inbox / "elsewhere")
        folder.mkdir()
    before = world.files()
    with pytest.raises(Rejected, match="any more"):
        taken_back(world)
    assert world.files() == before
    assert world.claim_folders() == []


def test_a_drop_without_a_believable_record_is_not_taken_back(tmp_path):
    world = World(tmp_path)
    world.drop(JOB)
    world.drop(PICTURE)
    claim = world.claims().make(
        "d1", world.members(JOB, PICTURE), **{**RECORD, "task": "text-to-video"} | {"name": "harbour"}
    )
    give_back(claim, world.inbox, "rejected", REASON)
    drop = Drop("d1", "text-to-video", "trip", "harbour", "job_file", (JOB, PICTURE), record=dict(claim.record))
    for spoiled in (None, {}, drop.record | {"members": []}, json.loads(json.dumps(drop.record)) | {"returning": {}}):
        with pytest.raises(Rejected):
            world.claims().take_back(replace(drop, record=spoiled))
    assert world.claims().take_back(drop).held_units()

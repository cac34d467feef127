"""What a user dropped is in exactly one place, whenever the power goes."""

import errno
import json
import os
from contextlib import suppress

import pytest

from service.inbox.claim import ClaimLost, Claims, MembersChanged
from service.inbox.giveback import give_back, remove
from tests.inbox.world import ABILITIES, JOB, PICTURE, STRANGE, Fuel, Stopped, World, stops

REASON = "prompt is missing.\n\nTo try again: correct it and move the files up."


@pytest.fixture(params=ABILITIES)
def new_world(request, fast_path):
    """Makes inboxes on a disk of each ability."""

    def make(number=0):
        return World(fast_path / str(number), ABILITIES[request.param])

    return make


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def take(world, fuel, *paths):
    return world.claims(fuel).make("d1", world.members(*paths), task="text-to-video")


# a claim -------------------------------------------------------------------------------------------------------------


def test_a_claim_holds_the_files_and_a_record_of_what_they_were(world):
    world.drop(JOB)
    world.drop(PICTURE)
    seen = world.members(JOB, PICTURE)
    claim = world.claims().make("d1", seen, kind="job_file")
    assert claim.folder == world.inbox / ".reeldrop/claims/d1.1"
    assert claim.file_of(JOB) == claim.folder / "harbour.yaml"
    assert claim.inbox == world.inbox
    assert (claim.name, claim.home) == ("harbour", "text-to-video/trip")
    assert claim.members == tuple(seen)
    record = json.loads((claim.folder / "claim.json").read_bytes())
    assert record["kind"] == "job_file"
    assert (record["host"], record["boot"], record["drop"]) == ("here", "boot-1", "d1")
    assert record["members"][1] == {
        "path": PICTURE,
        "stored": "harbour.jpg",
        "size": seen[1].facts.size,
        "mtime_ns": seen[1].facts.mtime_ns,
        "ctime_ns": seen[1].facts.ctime_ns,
        "inode": seen[1].facts.inode,
        "device": seen[1].facts.device,
        "links": 1,
    }
    assert not list((world.inbox / "text-to-video/trip").iterdir())


def test_what_is_saved_in_a_claim_is_there_after_a_restart(world):
    world.drop(STRANGE)
    take(world, None, STRANGE).save(job="j1", names=["a"])
    [claim] = world.claims().resume()
    assert claim.folder.name == "d1.2"
    assert (claim.record["job"], claim.record["names"], claim.record["task"]) == ("j1", ["a"], "text-to-video")
    assert claim.file_of(STRANGE).read_bytes() in world.dropped


def test_a_record_keeps_its_own_words_for_itself(world):
    world.drop(JOB)
    with pytest.raises(ValueError, match="members"):
        take(world, None, JOB).save(members=[])


def test_a_drop_without_files_has_a_claim_too(world):
    claim = world.claims().make("d1", [], task="text-to-video")
    claim.save(job="j1")
    claims = world.claims()
    [again] = claims.resume()
    assert again.record["job"] == "j1"
    remove(again)
    assert world.claim_folders() == []


def test_a_claim_that_was_never_saved_and_has_no_files_is_a_claim(world):
    world.claims().make("d1", [])
    assert [claim.drop_id for claim in world.claims().resume()] == ["d1"]


def test_a_file_that_is_gone_is_a_lost_claim(world):
    world.drop(JOB)
    seen = world.members(JOB)
    (world.inbox / JOB).unlink()
    with pytest.raises(ClaimLost):
        world.claims().make("d1", seen)
    assert world.claim_folders() == []


def test_the_first_rename_decides_between_two(world):
    """The other daemon is quicker, between the check and the rename."""
    place = world.drop(JOB)
    fuel = Fuel(
        onlooker=lambda effect, path: (effect, path) == ("rename", place) and place.rename(world.root / "theirs")
    )
    with pytest.raises(ClaimLost):
        take(world, fuel, JOB)
    assert world.claim_folders() == []


@pytest.mark.parametrize("changed", [JOB, PICTURE])
def test_a_file_that_changed_puts_all_back(world, changed):
    world.drop(JOB)
    world.drop(PICTURE)
    seen = world.members(JOB, PICTURE)
    world.dropped = {content: path for content, path in world.dropped.items() if path != changed}
    world.drop(changed, b"new content")
    with pytest.raises(MembersChanged):
        world.claims().make("d1", seen)
    world.check_tidy()
    assert sorted(world.files()) == sorted([JOB, PICTURE])
    world.check_one_place_each()


@pytest.mark.parametrize("act", ["rewrite", "replace", "remove"])
@pytest.mark.parametrize("which", [JOB, PICTURE])
def test_a_file_that_changes_in_the_last_instant_puts_all_back(world, act, which):
    for path in (JOB, PICTURE):
        world.drop(path)
    place = world.inbox / which

    def meanwhile(effect, path):
        if (effect, path) == ("rename", place) and place.exists():
            world.dropped = {content: path for content, path in world.dropped.items() if path != which}
            if act == "remove":
                place.unlink()
            elif act == "rewrite":
                world.drop(which, b"rewritten content")
            else:
                other = world.root / "other"
                other.write_bytes(b"replaced content")
                other.replace(place)
                world.dropped[b"replaced content"] = which

    with pytest.raises((MembersChanged, ClaimLost)):
        take(world, Fuel(onlooker=meanwhile), JOB, PICTURE)
    world.check_tidy()
    world.check_one_place_each()
    assert set(world.files()) == {JOB, PICTURE} - ({which} if act == "remove" else set())


def test_a_file_with_other_hard_links_is_copied_by_content(world):
    place = world.drop(PICTURE)
    other = world.root / "other.jpg"
    os.link(place, other)
    world.drop(JOB)
    claim = take(world, None, JOB, PICTURE)
    held = claim.file_of(PICTURE)
    assert held.read_bytes() == other.read_bytes()
    assert held.stat().st_ino != other.stat().st_ino
    assert held.stat().st_nlink == other.stat().st_nlink == 1
    assert held.stat().st_mtime_ns == other.stat().st_mtime_ns
    assert [claim.drop_id for claim in world.claims().resume()] == ["d1"]


def test_files_called_like_the_claims_own_keep_their_names_outside(world):
    names = ["text-to-video/claim.json", "text-to-video/publish-x.jpg", "text-to-video/Publish.jpg"]
    for name in names:
        world.drop(name)
    claim = take(world, None, *names)
    assert len({claim.file_of(name) for name in names}) == 3
    assert claim.record["drop"] == "d1"
    folder = give_back(claim, world.inbox, "done", None)
    assert sorted(path.name for path in folder.iterdir()) == ["Publish.jpg", "claim.json", "publish-x.jpg"]


def test_names_that_differ_in_case_only_stay_apart(world):
    names = ["text-to-video/cat.yaml", "text-to-video/Cat.jpg", "text-to-video/cat.jpg"]
    for name in names:
        world.drop(name)
    folder = give_back(take(world, None, *names), world.inbox, "done", None)
    assert sorted(path.name for path in folder.iterdir()) == ["Cat.jpg", "cat.jpg", "cat.yaml"]
    world.check_one_place_each()


def test_trouble_with_the_disk_leaves_the_files_where_they_were(world):
    for path in (JOB, PICTURE):
        world.drop(path)

    def full(effect, path):
        if effect == "rename" and path.name == "harbour.jpg":
            raise OSError(errno.EIO, "the share is in trouble")

    with pytest.raises(OSError, match="in trouble"):
        take(world, Fuel(onlooker=full), JOB, PICTURE)
    assert sorted(world.files()) == sorted([JOB, PICTURE])
    assert world.claim_folders() == []


def test_an_error_after_a_rename_that_worked_is_no_error(world):
    """A server's answer is lost; asked again, it finds nothing under the old name."""
    place = world.drop(JOB)

    def lose_the_answer(effect, path):
        if (effect, path) == ("rename", place):
            place.rename(world.claim_folders()[0] / place.name)

    claim = take(world, Fuel(onlooker=lose_the_answer), JOB)
    assert claim.file_of(JOB).exists()


# every stop ----------------------------------------------------------------------------------------------------------


def finish(world, where="done"):
    """What the next life of the daemon does: resume, and give back what is whole."""
    for claim in world.claims().resume():
        give_back(claim, world.inbox, where, REASON if where == "rejected" else None)


def make_drop(new_world, number, *, linked=False):
    world = new_world(number)
    world.drop(JOB)
    place = world.drop(PICTURE)
    if linked:
        os.link(place, world.root / "linked.jpg")
    return world


@pytest.mark.parametrize("linked", [False, True])
def test_a_stop_before_any_effect_of_a_claim_loses_nothing(new_world, linked):
    def act(world, fuel):
        take(world, fuel, JOB, PICTURE).save(job="j1")

    worlds = list(stops(lambda number: make_drop(new_world, number, linked=linked), act))
    for _, world in worlds:
        claims = world.claims().resume()
        world.check_one_place_each()
        in_inbox = [places[0] for places in world.places().values() if ".reeldrop" not in places[0]]
        assert sorted(in_inbox) == ([] if claims else sorted([JOB, PICTURE]))
        assert not [path for path in world.files() if path.endswith(".part") and not path.startswith(".reeldrop")]
    assert claims[0].record["job"] == "j1"
    assert len(worlds) > 8


@pytest.mark.parametrize("where", ["done", "rejected"])
def test_a_stop_before_any_effect_of_a_return_loses_nothing(new_world, where):
    def act(world, fuel):
        give_back(take(world, fuel, JOB, PICTURE), world.inbox, where, REASON if where == "rejected" else None)

    for _, world in stops(lambda number: make_drop(new_world, number), act):
        finish(world, where)
        world.check_one_place_each()
        places = {places[0] for places in world.places().values()}
        in_where = {f"{where}/{JOB}", f"{where}/{PICTURE}"}
        if "hard_links" in world.abilities:
            in_where |= {f"{where}/text-to-video/trip/harbour_2/{name}" for name in ("harbour.yaml", "harbour.jpg")}
        assert places == {JOB, PICTURE} or (places <= in_where and len(places) == 2)
        world.check_tidy()
        notes = [path for path in world.files() if path.endswith(".reason.txt") and world.files()[path]]
        assert len(notes) == (where == "rejected" and places != {JOB, PICTURE})
    assert places == {f"{where}/{JOB}", f"{where}/{PICTURE}"}


def test_a_stop_while_a_claim_is_cleared_leaves_nothing_for_ever(fast_path):
    """Other rooms put files of their own beside the record."""

    def act(world, fuel):
        claim = take(world, None, JOB)
        (claim.folder / "a note of another room").touch()
        claim.disk = world.disk(fuel)
        give_back(claim, world.inbox, "done", None)

    def new_world(number):
        world = World(fast_path / str(number))
        world.drop(JOB)
        return world

    for _, world in stops(new_world, act):
        finish(world)
        world.check_tidy()
        world.check_one_place_each()


def test_a_stop_while_resuming_loses_nothing_either(fast_path):
    """Stopped once at each place, and again at each place of the recovery from that."""

    def first(world, fuel):
        give_back(take(world, fuel, JOB, PICTURE), world.inbox, "rejected", REASON)

    runs = 0
    for allowed, _ in stops(lambda number: make_drop(lambda n: World(fast_path / f"a{n}"), number, linked=True), first):

        def stopped_world(number, allowed=allowed):
            world = make_drop(lambda n: World(fast_path / f"b{allowed}-{n}"), number, linked=True)
            with suppress(Stopped):
                first(world, Fuel(allowed))
            return world

        def second(world, fuel):
            for claim in world.claims(fuel).resume():
                give_back(claim, world.inbox, "rejected", REASON)

        for _, world in stops(stopped_world, second):
            runs += 1
            finish(world, "rejected")
            world.check_one_place_each()
            world.check_tidy()
            notes = [path for path in world.files() if path.endswith(".reason.txt")]
            assert len(notes) == (not (world.inbox / JOB).exists())
    assert runs > 200


def test_a_stop_while_putting_back_loses_nothing(new_world):
    def act(world, fuel):
        claims = world.claims(fuel)
        claim = claims.make("d1", world.members(JOB, PICTURE))
        # Meanwhile the user has dropped a new job file of the same name.
        world.drop(JOB, b"the newer one")
        claims.put_back(claim)

    for _, world in stops(lambda number: make_drop(new_world, number), act):
        for claim in world.claims().resume():
            give_back(claim, world.inbox, "done", None)
        world.check_one_place_each()
        world.check_tidy()
    assert (world.inbox / JOB).read_bytes() == b"the newer one"
    assert (world.inbox / PICTURE).exists()
    assert (world.inbox / "rejected" / JOB).exists()
    assert "taken their place" in (world.inbox / "rejected/text-to-video/trip/harbour.reason.txt").read_text()


def test_a_claim_whose_missing_file_changed_is_undone_at_resume(fast_path):
    """Stopped with the first file in; the second is another one by the time of the restart."""
    undone = 0
    for allowed in range(30):
        world = make_drop(lambda n: World(fast_path / str(n)), allowed)
        with suppress(Stopped):
            take(world, Fuel(allowed), JOB, PICTURE)
        if (world.inbox / PICTURE).exists() and not (world.inbox / JOB).exists():
            world.dropped = {content: path for content, path in world.dropped.items() if path != PICTURE}
            world.drop(PICTURE, b"another picture")
            assert world.claims().resume() == []
            assert sorted(world.files()) == sorted([JOB, PICTURE])
            undone += 1
        world.claims().resume()
        world.check_one_place_each()
    assert undone >= 1


# giving back ---------------------------------------------------------------------------------------------------------


def test_done_files_lie_under_their_exact_names(world):
    world.drop(STRANGE)
    folder = give_back(take(world, None, STRANGE), world.inbox, "done", None)
    assert folder == world.inbox / "done/text-to-video/trip"
    assert os.listdir(os.fsencode(folder)) == [b"caf\xe9.yaml"]
    world.check_tidy()


def test_a_refused_drop_lies_beside_its_reason(world):
    world.drop(JOB)
    folder = give_back(take(world, None, JOB), world.inbox, "rejected", REASON)
    assert (folder / "harbour.reason.txt").read_text().startswith(REASON)
    assert sorted(path.name for path in folder.iterdir()) == ["harbour.reason.txt", "harbour.yaml"]
    assert (folder / "harbour.yaml").read_bytes() in world.dropped


def test_giving_back_twice_is_giving_back_once(world):
    world.drop(JOB)
    claim = take(world, None, JOB)
    folder = give_back(claim, world.inbox, "rejected", REASON)
    assert give_back(claim, world.inbox, "rejected", REASON) == folder
    assert len(world.files()) == 2


@pytest.mark.parametrize("taken", ["harbour.jpg", "harbour.reason.txt"])
def test_nothing_is_replaced_and_the_whole_drop_goes_elsewhere(world, taken):
    for path in (JOB, PICTURE):
        world.drop(path)
    theirs = world.drop(f"rejected/text-to-video/trip/{taken}", b"somebody else's")
    world.drop("rejected/text-to-video/trip/harbour_2/x", b"a folder of theirs")
    folder = give_back(take(world, None, JOB, PICTURE), world.inbox, "rejected", REASON)
    assert folder.name == "harbour_3"
    assert sorted(path.name for path in folder.iterdir()) == ["harbour.jpg", "harbour.reason.txt", "harbour.yaml"]
    assert theirs.read_bytes() == b"somebody else's"
    world.check_one_place_each()


@pytest.mark.parametrize("taken", ["harbour.yaml", "harbour.jpg", "harbour.reason.txt"])
def test_a_name_that_is_taken_in_the_last_instant_sends_the_whole_drop_elsewhere(new_world, taken):
    world = new_world()
    for path in (JOB, PICTURE):
        world.drop(path)
    theirs = world.inbox / "rejected/text-to-video/trip" / taken

    def meanwhile(effect, path):
        if theirs.parent.is_dir() and not theirs.exists():
            world.drop(f"rejected/text-to-video/trip/{taken}", b"somebody else's")

    claim = take(world, Fuel(onlooker=meanwhile), JOB, PICTURE)
    folder = give_back(claim, world.inbox, "rejected", REASON)
    assert folder == theirs.parent / "harbour_2"
    assert sorted(path.name for path in folder.iterdir()) == ["harbour.jpg", "harbour.reason.txt", "harbour.yaml"]
    assert [path.name for path in theirs.parent.iterdir() if path.is_file()] == [taken]
    assert theirs.read_bytes() == b"somebody else's"
    world.check_one_place_each()
    world.check_tidy()


def test_a_file_in_the_place_of_a_folder_keeps_the_drop_in_its_claim(world):
    world.drop(JOB)
    world.drop("rejected/text-to-video", b"not a folder")
    with pytest.raises(OSError, match="text-to-video"):
        give_back(take(world, None, JOB), world.inbox, "rejected", REASON)
    (world.inbox / "rejected/text-to-video").unlink()
    world.dropped.pop(b"not a folder")
    assert world.claims().resume() == []
    assert (world.inbox / "rejected" / JOB).exists()


def test_a_reason_goes_when_its_name_is_claimed_again(world):
    world.drop(JOB)
    folder = give_back(take(world, None, JOB), world.inbox, "rejected", REASON)
    # Moved up to retry.
    (folder / "harbour.yaml").rename(world.inbox / JOB)
    claim = take(world, None, JOB)
    assert not (folder / "harbour.reason.txt").exists()
    assert give_back(claim, world.inbox, "rejected", REASON) == folder


def test_a_note_of_the_users_own_stays(world):
    note = world.drop("rejected/text-to-video/trip/harbour.reason.txt", b"my own words\n")
    world.drop(JOB)
    take(world, None, JOB)
    assert note.exists()


def test_names_as_long_as_a_disk_allows_come_back(world):
    path = f"text-to-video/{'n' * 250}.yaml"
    world.drop(path)
    world.drop(f"rejected/{path}", b"somebody else's")
    folder = give_back(take(world, None, path), world.inbox, "rejected", REASON)
    assert len(folder.name) == 252
    assert sorted(len(item.name) for item in folder.iterdir()) == [255, 255]


def test_a_claim_that_holds_a_users_file_is_never_removed(world):
    world.drop(JOB)
    claims = world.claims()
    with pytest.raises(ValueError, match=r"harbour\.yaml"):
        remove(claims.make("d1", world.members(JOB)))


def test_files_that_are_gone_from_a_claim_are_not_missed(world):
    for path in (JOB, PICTURE):
        world.drop(path)
    claim = take(world, None, JOB, PICTURE)
    claim.file_of(JOB).unlink()
    folder = give_back(claim, world.inbox, "rejected", REASON)
    assert sorted(path.name for path in folder.iterdir()) == ["harbour.jpg", "harbour.reason.txt"]


# resuming ------------------------------------------------------------------------------------------------------------


def test_an_earlier_daemon_finds_its_claims_gone(world):
    world.drop(JOB)
    claim = take(world, None, JOB)
    world.claims().resume()
    with pytest.raises(FileNotFoundError):
        claim.save(job="j1")


def test_a_later_daemons_claims_are_left_alone(world):
    world.drop(JOB)
    claim = Claims(world.inbox, "there", "boot", 99).make("d1", world.members(JOB))
    assert world.claims().resume() == []
    assert claim.file_of(JOB).exists()


@pytest.mark.parametrize(
    "record",
    [b"", b"{}", b"[]", b"not json", b'{"drop": "d1", "stage": "claimed", "members": [{"path": "a"}]}'],
)
def test_a_damaged_record_is_said_and_its_files_stay(world, record):
    for path in (JOB, PICTURE):
        world.drop(path)
    damaged = take(world, None, JOB)
    (damaged.folder / "claim.json").write_bytes(record)
    world.claims().make("d2", world.members(PICTURE))
    claims = world.claims()
    assert [claim.drop_id for claim in claims.resume()] == ["d2"]
    assert [folder.name for folder in claims.unresumed] == [f"d1.{world.epoch}"]
    world.check_one_place_each()


@pytest.mark.parametrize("key", ["path", "stored"])
def test_a_record_whose_members_lie_outside_is_not_followed(world, key):
    world.drop(JOB)
    claim = take(world, None, JOB)
    record = claim.record | {"members": [claim.record["members"][0] | {key: "../../../../elsewhere"}]}
    (claim.folder / "claim.json").write_text(json.dumps(record))
    claims = world.claims()
    assert claims.resume() == []
    assert "outside" in claims.unresumed[world.claim_folders()[0]]
    world.check_one_place_each()


def test_a_record_that_sends_files_outside_is_not_followed(world):
    world.drop(JOB)
    claim = take(world, None, JOB)
    record = claim.record | {"stage": "returning", "returning": {"where": "done", "folder": "../outside", "inodes": {}}}
    (claim.folder / "claim.json").write_text(json.dumps(record))
    claims = world.claims()
    assert claims.resume() == []
    assert claims.unresumed
    assert not (world.root / "outside").exists()


def test_resuming_an_empty_inbox_is_nothing(world):
    assert world.claims().resume() == []

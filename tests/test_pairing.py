"""Pairing follows the listing folder by folder and always says what a fresh grouping of everything would say."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.drops import group
from service.inbox.look import Listing
from service.pairing import Pairing

TASKS = ("image-to-video", "text-to-video")
PRESETS = ("cinematic",)
FOLDERS = (
    "image-to-video",
    "image-to-video/trip",
    "image-to-video/trip/deep",
    "image-to-video/cinematic",
    "text-to-video",
)
NAMES = (
    "job.yaml",
    "cat.yaml",
    "cat.jpg",
    "cat.mp4",
    "dog.jpg",
    "cat.source.jpg",
    "cat.status.json",
    "note.txt",
    "a.xyz",
)


def new(inbox):
    listing = Listing(inbox, TASKS)
    return listing, Pairing(listing, TASKS, TASKS, PRESETS)


def files(listing):
    return [f"{folder}/{name}" for folder, names in listing.folders.items() for name in names]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("pairing")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES), st.booleans()), max_size=6), max_size=6
    )
)
def test_it_always_says_what_a_fresh_grouping_says(root, steps):
    inbox = root / "inbox"
    shutil.rmtree(inbox, ignore_errors=True)
    listing, pairing = new(inbox)
    known = {}
    for step in steps:
        for folder, name, is_there in step:
            path = inbox / folder / name
            if is_there:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
            elif path.exists():
                path.unlink()
        touched, vanished = pairing.update(listing.look())
        candidates, left = group(files(listing), TASKS, TASKS, presets=PRESETS)
        expected = {candidate.members[0]: candidate for candidate in candidates}
        assert {each.members[0]: each for each in pairing.candidates()} == expected
        assert set(pairing.left_alone()) == set(left)
        assert set(touched) == {path for path, each in expected.items() if known.get(path) != each}
        assert vanished == known.keys() - expected.keys()
        for path, candidate in expected.items():
            assert pairing.candidate(path) == candidate
            assert {pairing.owner(member) for member in candidate.members} == {path}
        known = expected


def test_orders_are_followed(tmp_path):
    folder = tmp_path / "text-to-video"
    folder.mkdir()
    listing, pairing = new(tmp_path)
    (folder / "PAUSE").touch()
    (folder / "cat.cancel.txt").touch()
    pairing.update(listing.look())
    assert pairing.orders == {"text-to-video/PAUSE", "text-to-video/cat.cancel.txt"}
    (folder / "PAUSE").unlink()
    pairing.update(listing.look())
    assert pairing.orders == {"text-to-video/cat.cancel.txt"}
    assert list(pairing.candidates()) == []

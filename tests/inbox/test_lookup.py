"""Named files are searched in the job's own folder, then inbox/media, then the media folders; never through a link."""

import os
import unicodedata

import pytest

from service.inbox.lookup import Lookup

HOME = "image-to-video/trip"


@pytest.fixture
def place(tmp_path):
    for folder in ("inbox/image-to-video/trip", "inbox/media/cats", "nas/stock", "usb"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def put(place, path):
    (place / path).write_bytes(b"x")
    return place / path


def find(place, name, home=HOME):
    return Lookup(place / "inbox", [place / "nas", place / "usb"]).find(home, name)


def test_each_place_is_searched_in_its_order(place):
    put(place, "usb/cat.jpg")
    assert find(place, "cat.jpg") == f"{place}/usb/cat.jpg"
    put(place, "nas/cat.jpg")
    assert find(place, "cat.jpg") == f"{place}/nas/cat.jpg"
    put(place, "inbox/media/cat.jpg")
    assert find(place, "cat.jpg") == "media/cat.jpg"
    put(place, "inbox/image-to-video/trip/cat.jpg")
    assert find(place, "cat.jpg") == f"{HOME}/cat.jpg"
    assert find(place, "dog.jpg") is None


def test_names_may_have_folders(place):
    put(place, "inbox/media/cats/tom.jpg")
    put(place, "nas/stock/tom.mp4")
    assert find(place, "cats/tom.jpg") == "media/cats/tom.jpg"
    assert find(place, "stock/tom.mp4") == f"{place}/nas/stock/tom.mp4"
    assert find(place, "cats") is None
    assert find(place, "cats/tom.jpg/more") is None


def test_spelling_and_case_are_forgiven_where_only_one_file_can_be_meant(place):
    put(place, "inbox/media/" + unicodedata.normalize("NFD", "Caf\u00e9.JPG"))
    assert unicodedata.normalize("NFC", find(place, "caf\u00e9.jpg")) == "media/Caf\u00e9.JPG"
    put(place, "inbox/media/CAF\u00c9.jpg")
    assert find(place, "caf\u00e9.jpg") is None
    assert find(place, "CAF\u00c9.jpg") == "media/CAF\u00c9.jpg"


def test_no_folder_on_the_way_may_be_a_link(place):
    put(place, "secret.jpg")
    (place / "inbox/media/out").symlink_to(place)
    assert find(place, "out/secret.jpg") is None


def test_a_link_in_the_place_of_the_file_is_found_so_that_it_can_be_told(place):
    os.symlink(put(place, "secret.jpg"), place / "inbox/media/cat.jpg")
    lookup = Lookup(place / "inbox", [])
    assert lookup.find(HOME, "cat.jpg") == "media/cat.jpg"
    assert lookup.facts("media/cat.jpg").kind == "symlink"
    assert lookup.facts("media/gone.jpg") is None

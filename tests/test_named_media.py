import os

import pytest

from service.named_media import NamedMedia
from service.settling import FileFacts
from service.store import Store

CAT = "image-to-video/cat.jpg"
STRANGE = os.fsdecode(b"image-to-video/cat\xff.jpg")


def facts(size: int, mtime_ns: int) -> FileFacts:
    return FileFacts(size, mtime_ns, 0, 1, 1, 1, "file")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "a.db")
    yield store
    store.close()


def test_what_was_named_is_remembered_across_lives_and_a_new_file_is_another_one(store):
    media = NamedMedia(store)
    media.name(CAT, 5, 7)
    media.name(STRANGE, 5, 8)
    again = NamedMedia(store)
    assert again.present({CAT: facts(5, 7), STRANGE: facts(5, 8)}, 0) == {CAT, STRANGE}
    assert again.present({CAT: facts(5, 9)}, 1) == set()


def test_what_is_gone_for_an_hour_is_forgotten_and_what_comes_back_is_not(store):
    media = NamedMedia(store)
    media.name(CAT, 5, 7)
    media.name(STRANGE, 5, 8)
    there = {CAT: facts(5, 7)}
    media.present({}, 0)
    assert media.present(there, 3000) == {CAT}
    media.present(there, 3601)
    assert store.named_media() == {CAT: (5, 7)}
    media.present({}, 3700)
    assert store.named_media() == {CAT: (5, 7)}

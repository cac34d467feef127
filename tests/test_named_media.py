"""Who names what is remembered: by waiting jobs for as long as they wait, by claimed ones across lives."""

import os

import pytest

from service.inbox.lookup import Lookup
from service.named_media import NamedMedia
from service.settling import FileFacts
from service.store import Store

CAT = "image-to-video/cat.jpg"
STRANGE = os.fsdecode(b"image-to-video/cat\xff.jpg")
SHARED = "media/dog.jpg"
JOB = "image-to-video/a.yaml"


def facts(size: int, mtime_ns: int) -> FileFacts:
    return FileFacts(size, mtime_ns, 0, 1, 1, 1, "file")


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "a.db")
    yield store
    store.close()


@pytest.fixture
def new(store, tmp_path):
    """Makes what one life of the daemon knows, over a listing that a test fills."""
    (tmp_path / "media").mkdir()

    def make(listed):
        return NamedMedia(store, Lookup(tmp_path, []), listed.get)

    return make


def test_what_was_named_is_remembered_across_lives_and_a_new_file_is_another_one(new):
    listed = {CAT: facts(5, 7), STRANGE: facts(5, 8)}
    media = new(listed)
    media.remember(CAT, facts(5, 7))
    media.remember(STRANGE, facts(5, 8))
    again = new(listed)
    assert again.is_named(CAT)
    assert again.is_named(STRANGE)
    listed[CAT] = facts(5, 9)
    assert not again.is_named(CAT)


def test_what_is_gone_for_an_hour_is_forgotten_and_what_comes_back_is_not(new, store):
    listed = {}
    media = new(listed)
    media.remember(CAT, facts(5, 7))
    media.remember(STRANGE, facts(5, 8))
    media.tidy(0)
    listed[CAT] = facts(5, 7)
    media.tidy(3000)
    media.tidy(3601)
    assert store.named_media() == {CAT: (5, 7)}
    del listed[CAT]
    media.tidy(3700)
    assert store.named_media() == {CAT: (5, 7)}


def test_a_waiting_job_names_its_files_until_it_names_others_or_goes(new):
    media = new({CAT: facts(5, 7)})
    assert media.name(JOB, {CAT}) == {}
    media.name("image-to-video/b.yaml", {CAT})
    assert set(media.namers(CAT)) == {JOB, "image-to-video/b.yaml"}
    media.name(JOB, set())
    assert set(media.namers(CAT)) == {"image-to-video/b.yaml"}
    media.forget("image-to-video/b.yaml")
    assert not media.is_named(CAT)


def test_a_file_elsewhere_is_asked_for_while_it_is_named(new, tmp_path):
    media = new({})
    dog = tmp_path / SHARED
    assert media.name(JOB, {SHARED}) == {}
    dog.write_bytes(b"1")
    changed, gone = media.refresh()
    assert (set(changed), gone) == ({SHARED}, set())
    assert media.refresh() == ({}, set())
    assert media.facts(SHARED).size == 1
    dog.unlink()
    assert media.refresh() == ({}, {SHARED})
    media.forget(JOB)
    dog.write_bytes(b"1")
    assert media.refresh() == ({}, set())
    assert set(media.name(JOB, {SHARED})) == {SHARED}

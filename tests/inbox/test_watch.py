"""Events only wake: soon, never for our own doing, and whoever listens learns when they can't come."""

import os
import shutil
import threading
import time

import pytest

from service.inbox.look import look
from service.inbox.structure import structural_end
from service.inbox.watch import Watch

#: Long enough for an event that is on its way; a wake-up ends the wait at once.
SOON_S = 10
QUIET_S = 0.4


@pytest.fixture
def inbox(tmp_path):
    for folder in ("text-to-video/trip", "done/text-to-video", "rejected", ".reeldrop/claims"):
        (tmp_path / "inbox" / folder).mkdir(parents=True)
    return tmp_path / "inbox"


@pytest.fixture
def woken():
    return threading.Event()


@pytest.fixture
def watch(inbox, woken):
    watch = Watch(inbox, woken.set)
    assert watch.start()
    yield watch
    watch.stop()


def wakes(woken, act):
    woken.clear()
    act()
    return woken.wait(SOON_S)


def sleeps_through(woken, act):
    woken.clear()
    act()
    return not woken.wait(QUIET_S)


def test_whatever_happens_to_drops_wakes(inbox, watch, woken, tmp_path):
    task = inbox / "text-to-video"
    outside = tmp_path / "outside.yaml"
    outside.touch()
    assert wakes(woken, (task / "a.yaml").touch)
    assert wakes(woken, lambda: (task / "a.yaml").write_text("prompt: x"))
    assert wakes(woken, lambda: (task / "a.yaml").rename(task / "trip/b.yaml"))
    assert wakes(woken, lambda: outside.rename(task / "c.yaml"))
    assert wakes(woken, lambda: os.link(task / "c.yaml", task / "d.yaml"))
    assert wakes(woken, (task / "c.yaml").unlink)
    assert wakes(woken, (task / "new").mkdir)
    assert wakes(woken, (task / "new/e.yaml").touch)
    assert wakes(woken, (task / os.fsdecode(b"caf\xe9.yaml")).touch)
    assert watch.alive()


def test_a_rename_into_the_inbox_wakes_at_once(inbox, watch, woken, tmp_path):
    waits = []
    for number in range(5):
        draft = tmp_path / f"{number}.yaml"
        draft.touch()
        began = time.monotonic()
        assert wakes(woken, lambda draft=draft: draft.rename(inbox / "text-to-video" / draft.name))
        waits.append(time.monotonic() - began)
    assert min(waits) < 0.3


def test_our_own_looks_wake_nobody(inbox, watch, woken):
    (inbox / "text-to-video/a.jpg").write_bytes(b"\xff\xd8")
    until_s = time.monotonic() + SOON_S
    while woken.wait(QUIET_S) and time.monotonic() < until_s:
        woken.clear()

    def look_around():
        for _ in range(20):
            look(inbox, ["text-to-video"])
            structural_end(inbox / "text-to-video/a.jpg")

    assert sleeps_through(woken, look_around)


@pytest.mark.parametrize("folder", [".reeldrop/claims", "done/text-to-video", "rejected"])
def test_our_own_folders_wake_nobody(inbox, watch, woken, folder):
    def work():
        (inbox / folder / "x").mkdir()
        (inbox / folder / "x/claim.json").write_text("{}")
        (inbox / folder / "x/claim.json").rename(inbox / folder / "x/other.json")
        shutil.rmtree(inbox / folder / "x")

    assert sleeps_through(woken, work)


def test_a_file_that_comes_back_from_a_claim_wakes(inbox, watch, woken):
    (inbox / ".reeldrop/claims/a.yaml").touch()
    assert wakes(woken, lambda: (inbox / ".reeldrop/claims/a.yaml").rename(inbox / "text-to-video/a.yaml"))


def test_a_root_that_goes_is_noticed_and_can_be_watched_anew(inbox, watch, woken):
    shutil.rmtree(inbox)
    until_s = time.monotonic() + SOON_S
    while watch.alive() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert not watch.alive()
    watch.stop()
    (inbox / "text-to-video").mkdir(parents=True)
    assert watch.start()
    assert watch.alive()
    assert wakes(woken, (inbox / "text-to-video/a.yaml").touch)


def test_a_root_that_is_not_there_is_said_and_nothing_is_raised(tmp_path, woken):
    watch = Watch(tmp_path / "none", woken.set)
    assert watch.start() is False
    assert watch.trouble is not None
    assert "clock" in watch.trouble.fix
    assert not watch.alive()
    watch.stop()


def test_a_stopped_watch_is_silent(inbox, watch, woken):
    watch.stop()
    watch.stop()
    assert sleeps_through(woken, (inbox / "text-to-video/a.yaml").touch)
    assert not watch.alive()

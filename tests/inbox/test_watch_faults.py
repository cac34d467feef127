"""What makes a watch go deaf is found, mended and told; each fault is a real one."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from service.inbox.roots import kind_of
from service.inbox.watch import Watch, mode_of
from service.inbox.watched import unwatched

SOON_S = 10

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's own")


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def inbox(tmp_path):
    inbox = tmp_path / "inbox"
    (inbox / "text-to-video/trip").mkdir(parents=True)
    (inbox / ".reeldrop").mkdir()
    (inbox / ".reeldrop/marker.json").write_text("{}")
    if kind_of(inbox) == "share":
        pytest.skip("the temporary folder is on a share")
    return inbox


@pytest.fixture
def woken():
    return threading.Event()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(inbox, woken, clock):
    watch = Watch(inbox, woken.set, monotonic=clock)
    watch.supervise()
    yield watch
    watch.stop()


def until(condition):
    end_s = time.monotonic() + SOON_S
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.01)
    return condition()


def hears(woken, place):
    woken.clear()
    place.touch()
    return woken.wait(SOON_S)


def supervised(watch, clock, seconds=1.0, times=1):
    for _ in range(times):
        clock.now_s += seconds
        watch.supervise()
    return {code: problem for code, problem in watch.notices().items() if problem}


def test_a_watch_that_is_well_says_nothing_for_hours(watch, clock, inbox):
    for _ in range(100):
        clock.now_s += 61
        watch.supervise()
        assert until(lambda: watch._pulse.heard), "the pulse isn't heard"
        clock.now_s += 6
        watch.supervise()
    assert not any(watch.notices().values())
    assert set(watch.notices()) == {"watch_limit", "watch_failed", "events_lost", "watch_renewed"}
    assert watch.mode.name == "events"


def test_lost_events_wake_and_are_told_for_a_while(watch, clock, woken):
    """The library tells of an overflowing queue in its log alone."""
    woken.clear()
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed; filesystem events were lost")
    assert woken.is_set()
    assert "some were lost" in supervised(watch, clock)["events_lost"].title
    assert supervised(watch, clock, 599)
    assert not supervised(watch, clock, 1)


def test_a_quiet_log_setting_does_not_hide_losses(watch, woken):
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL)
    try:
        woken.clear()
        logging.getLogger("watchdog.observers.inotify_c").warning("events were lost")
        assert woken.is_set()
    finally:
        root.setLevel(before)


@linux_only
def test_a_real_overflow_is_found(watch, clock, inbox):
    """A reader that can't keep up: the kernel's queue holds 16,384 events, unless somebody has raised it."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 20_000:
        pytest.skip("the kernel's queue is too long here to be filled in a test")
    # Another process creates while the library's one thread is held by a handler of ours that waits.
    lock = threading.Lock()
    real = watch._observer._inotify_fd.handle_event
    watch._observer._inotify_fd.handle_event = lambda event: (lock.acquire(), lock.release(), real(event))
    with lock:
        code = (
            "import os, sys\n"
            "for number in range(int(sys.argv[2])):\n"
            "    os.close(os.open(f'{sys.argv[1]}/{number % 7}', os.O_CREAT | os.O_WRONLY)); "
            "os.unlink(f'{sys.argv[1]}/{number % 7}')\n"
        )
        folder = str(inbox / "text-to-video/trip")
        subprocess.run([sys.executable, "-c", code, folder, str(most)], timeout=60, check=True)
    assert until(lambda: "events_lost" in supervised(watch, clock, 0))
    assert watch.alive()


@pytest.mark.parametrize("fault", ["observer", "emitter"])
def test_a_dead_thread_is_found_and_the_watch_begins_anew(watch, clock, woken, inbox, fault):
    observer = watch._observer
    dead = observer if fault == "observer" else next(iter(observer.emitters))
    dead.stop()
    dead.join(SOON_S)
    woken.clear()
    assert "thread" in supervised(watch, clock)["watch_renewed"].title
    assert woken.is_set(), "what happened meanwhile must be looked for"
    assert watch.alive()
    assert hears(woken, inbox / "text-to-video/trip/a.yaml")
    assert not supervised(watch, clock, 601)


@linux_only
def test_a_watch_that_went_deaf_while_its_threads_live_is_found(watch, clock, woken, inbox):
    watch._observer._inotify_fd.stop()
    watch._observer._inotify_fd.join(SOON_S)
    assert watch.alive(), "the library's own threads notice nothing"
    assert supervised(watch, clock, 61) == {}
    assert supervised(watch, clock, 4) == {}
    assert "deaf" in supervised(watch, clock, 2)["watch_renewed"].title
    assert hears(woken, inbox / "text-to-video/trip/a.yaml")


def test_an_inbox_that_is_removed_is_told_and_watched_again_as_soon_as_it_is_back(watch, clock, woken, inbox):
    shutil.rmtree(inbox)
    assert "watch_failed" in supervised(watch, clock)
    assert watch.mode.name == "polling"
    assert "can't be had" in watch.mode.reason
    (inbox / "text-to-video").mkdir(parents=True)
    woken.clear()
    assert "watch_failed" not in supervised(watch, clock)
    assert woken.is_set()
    assert watch.mode.name == "events"
    assert hears(woken, inbox / "text-to-video/a.yaml")


def test_an_inbox_that_is_replaced_between_two_checks_is_found(watch, clock, woken, inbox):
    inbox.rename(inbox.with_name("old"))
    (inbox / "text-to-video").mkdir(parents=True)
    assert "replaced" in supervised(watch, clock)["watch_renewed"].title
    assert hears(woken, inbox / "text-to-video/a.yaml")


def test_a_new_task_folder_is_watched_without_a_word(watch, clock, woken, inbox):
    (inbox / "face-swap/deep").mkdir(parents=True)
    assert supervised(watch, clock, 5) == {}
    assert hears(woken, inbox / "face-swap/deep/a.yaml")
    shutil.rmtree(inbox / "face-swap")
    assert until(lambda: not watch.alive())
    assert supervised(watch, clock) == {}
    assert hears(woken, inbox / "text-to-video/a.yaml")


@linux_only
def test_what_was_done_takes_no_watches(inbox, watch):
    (inbox / "done/text-to-video/a/b").mkdir(parents=True)
    watch.supervise()
    assert unwatched(inbox, [inbox / "done"]) >= {
        str(inbox / "done/text-to-video"),
        str(inbox / "done/text-to-video/a"),
    }
    assert unwatched(inbox, [inbox / "text-to-video"]) == set()


@linux_only
def test_folders_that_the_library_failed_to_watch_are_found_and_mended_when_the_limit_is_raised(
    inbox, clock, woken, monkeypatch
):
    """The limit is set for a user as a whole, so a lower one is simulated where the kernel would answer."""
    from watchdog.observers import inotify_c

    real = inotify_c.InotifyFD.add_callback
    limit = {"left": 2}

    def limited(self, path, *rest):
        if path.count(b"/") > os.fsencode(inbox).count(b"/") + 1:
            if limit["left"] == 0:
                raise OSError(28, "No space left on device")
            limit["left"] -= 1
        return real(self, path, *rest)

    for number in range(20):
        (inbox / f"text-to-video/{number}").mkdir()
    monkeypatch.setattr(inotify_c.InotifyFD, "add_callback", limited)
    watch = Watch(inbox, woken.set, monotonic=clock)
    try:
        watch.supervise()
        assert watch.alive(), "the library says nothing"
        assert "limit" in supervised(watch, clock, times=3)["watch_limit"].title
        assert watch.mode.name == "polling"
        limit["left"] = 10
        assert "watch_limit" in supervised(watch, clock, 61, times=2)
        limit["left"] = 1000
        supervised(watch, clock, 61)
        assert supervised(watch, clock, times=2) == {}
        assert watch.mode.name == "events"
        assert hears(woken, inbox / "text-to-video/19/a.yaml")
    finally:
        watch.stop()


@linux_only
def test_a_limit_that_refuses_even_the_first_watch_is_told_and_tried_again(inbox, clock, woken, monkeypatch):
    from watchdog.observers import inotify_c

    def refuse(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(inotify_c.InotifyFD, "_create_inotify_fd", refuse)
        watch = Watch(inbox, woken.set, monotonic=clock)
        assert "watch_limit" in supervised(watch, clock)
        assert "watch_limit" in supervised(watch, clock, 61)
    try:
        supervised(watch, clock, 61)
        assert supervised(watch, clock) == {}
        assert hears(woken, inbox / "text-to-video/a.yaml")
    finally:
        watch.stop()


REAL_LIMIT = """
import os, pathlib, sys, time
from service.inbox.watch import Watch
inbox = pathlib.Path(sys.argv[1])
now = [0.0]
watch = Watch(inbox, lambda: None, monotonic=lambda: now[0])
for _ in range(5):
    watch.supervise()
    now[0] += 2
print([code for code, problem in watch.notices().items() if problem], watch.mode.name)
os._exit(0)
"""


@linux_only
def test_the_kernels_own_limit_is_found(fast_path):
    """In a user namespace of its own the limit can be lowered for nobody else."""
    inbox = fast_path / "inbox"
    for number in range(30):
        (inbox / f"text-to-video/{number}").mkdir(parents=True)
    lower = 'echo 12 > /proc/sys/user/max_inotify_watches && exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", lower, "sh", sys.executable, "-c", REAL_LIMIT, str(inbox)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode or not done.stdout:
        pytest.skip(f"no user namespace with limits of its own here: {done.stderr.strip()[-100:]}")
    assert done.stdout == "['watch_limit'] polling\n"


MOUNT = """
import os, pathlib, subprocess, sys, threading
from service.inbox.watch import Watch
inbox = pathlib.Path(sys.argv[1])
def mount():
    subprocess.run(["mount", "-t", "tmpfs", "none", str(inbox)], check=True)
    (inbox / "text-to-video").mkdir()
mount()
now, woken = [0.0], threading.Event()
watch = Watch(inbox, woken.set, monotonic=lambda: now[0])
watch.supervise()
subprocess.run(["umount", "--lazy", str(inbox)], check=True)
now[0] += 1
watch.supervise()
gone = watch.notices()["watch_renewed"]
mount()
now[0] += 1
watch.supervise()
woken.clear()
(inbox / "text-to-video/a.yaml").touch()
print(woken.wait(10), gone.title)
os._exit(0)
"""


@linux_only
def test_a_disk_that_is_unmounted_and_mounted_again_is_watched_again(tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", MOUNT, str(inbox)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode or not done.stdout:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()[-100:]}")
    assert done.stdout.startswith("True The inbox folder was replaced")


def test_where_polling_is_asked_for_or_nothing_else_can_be_trusted_there_is_no_watch(inbox, woken, clock):
    watch = Watch(inbox, woken.set, "polling", monotonic=clock)
    watch.supervise()
    assert not watch.alive()
    assert not any(watch.notices().values())
    assert watch.mode == mode_of("local", "polling")
    assert watch.mode.name == "polling"
    assert mode_of("share", "auto").name == "polling"
    assert "share" in mode_of("share", "auto").reason
    for place, setting in (("share", "events"), ("local", "auto"), ("other", "auto"), ("local", "events")):
        assert mode_of(place, setting).name == "events"


def test_an_inbox_behind_a_link_is_watched(inbox, woken, clock):
    link = inbox.with_name("link")
    link.symlink_to(inbox)
    watch = Watch(link, woken.set, monotonic=clock)
    try:
        assert supervised(watch, clock, times=3) == {}
        assert hears(woken, link / "text-to-video/a.yaml")
        assert os.fspath(link / "text-to-video/a.yaml")
    finally:
        watch.stop()

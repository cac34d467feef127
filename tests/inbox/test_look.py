"""One listing tells what is there; where the system lets us, it tells who is still writing."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading

import pytest

from service.inbox.look import Changes, Listing, facts_of, has_writer, look
from service.inbox.roots import kind_of
from tests.inbox.world import World

TASKS = ("text-to-video", "image-to-video")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def paths(world):
    return sorted(look(world.inbox, TASKS))


def test_a_listing_holds_every_file_of_the_task_folders(world):
    kept = ["image-to-video/a.jpg", "text-to-video/trip/rome/b.yaml", "text-to-video/done/c.yaml"]
    for path in [*kept, "done/text-to-video/x.yaml", "media/y.jpg", "z.yaml", ".reeldrop/claims/d.1/a.yaml"]:
        world.drop(path)
    assert paths(world) == sorted(kept)


def test_junk_is_not_even_listed(world):
    for path in (".DS_Store", "@eaDir/a.jpg", ".snapshot/b/a.jpg", "a.jpg.part", "#recycle/a.jpg", "a.yaml~"):
        world.drop(f"text-to-video/{path}")
    assert paths(world) == []


def test_facts_are_the_files_own(world):
    place = world.drop("text-to-video/a.yaml")
    os.link(place, world.root / "other")
    facts = look(world.inbox, TASKS)["text-to-video/a.yaml"]
    status = place.stat()
    assert facts == facts_of(place)
    assert (facts.size, facts.mtime_ns, facts.ctime_ns) == (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    assert (facts.inode, facts.device, facts.links, facts.kind) == (status.st_ino, status.st_dev, 2, "file")


def test_links_are_named_and_never_followed(world):
    outside = world.root / "outside"
    outside.mkdir()
    (outside / "secret.yaml").touch()
    task = world.inbox / "text-to-video"
    task.mkdir()
    (task / "folder").symlink_to(outside)
    (task / "file.yaml").symlink_to(outside / "secret.yaml")
    os.mkfifo(task / "pipe.yaml")
    listing = Listing(world.inbox, TASKS)
    assert {path: facts.kind for path, facts in listing.look().changed.items()} == {
        "text-to-video/folder": "symlink",
        "text-to-video/file.yaml": "symlink",
        "text-to-video/pipe.yaml": "other",
    }
    assert listing.troubles == []


def test_a_task_folder_that_is_a_link_is_a_trouble(world):
    outside = world.root / "outside"
    outside.mkdir()
    (outside / "a.yaml").touch()
    (world.inbox / "text-to-video").symlink_to(outside)
    listing = Listing(world.inbox, TASKS)
    assert listing.look().changed == {}
    [trouble] = listing.troubles
    assert "real folder" in trouble.fix


def test_names_that_are_no_utf8_survive(world):
    folder = os.fsencode(world.inbox / "text-to-video")
    os.mkdir(folder)
    with open(folder + b"/caf\xe9.yaml", "wb"):
        pass
    [path] = paths(world)
    assert os.fsencode(path) == b"text-to-video/caf\xe9.yaml"
    assert facts_of(world.inbox / path).kind == "file"


def test_an_inbox_without_task_folders_is_empty(world):
    assert paths(world) == []


def test_a_folder_that_cannot_be_listed_is_a_trouble_and_the_rest_goes_on(fast_path):
    # As root nothing is forbidden, so somebody else looks, who must get there.
    fast_path.chmod(0o755)
    world = World(fast_path / "world")
    world.drop("text-to-video/locked/a.yaml")
    world.drop("text-to-video/b.yaml")
    (world.inbox / "text-to-video/locked").chmod(0)
    code = (
        "import os, sys, pathlib; from service.inbox.look import Listing\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "listing = Listing(pathlib.Path(sys.argv[1]), ['text-to-video'])\n"
        "print(sorted(listing.look().changed), [(each.folder, each.fix[:3]) for each in listing.troubles])"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(world.inbox)], capture_output=True, text=True, timeout=20, check=True
        )
    finally:
        (world.inbox / "text-to-video/locked").chmod(0o755)
    assert done.stdout == "['text-to-video/b.yaml'] [('text-to-video/locked', 'Let')]\n"


def test_files_that_come_and_go_while_looking_are_no_trouble(world):
    folder = world.inbox / "text-to-video"
    folder.mkdir()
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            for number in range(20):
                (folder / f"{number}.yaml").touch()
                (folder / f"sub{number}").mkdir(exist_ok=True)
            for number in range(20):
                (folder / f"{number}.yaml").unlink()
                (folder / f"sub{number}").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        listing = Listing(world.inbox, TASKS)
        for _ in range(100):
            listing.look()
            assert listing.troubles == []
    finally:
        stop.set()
        thread.join()


def test_a_second_look_tells_only_what_is_different(world):
    for path in ("text-to-video/a.yaml", "text-to-video/b.yaml", "text-to-video/trip/c.yaml", "image-to-video/d.jpg"):
        world.drop(path)
    listing = Listing(world.inbox, TASKS)
    listing.look()
    assert listing.look() == Changes()
    (world.inbox / "text-to-video/a.yaml").write_bytes(b"longer than it was before, by far")
    (world.inbox / "text-to-video/b.yaml").unlink()
    shutil.rmtree(world.inbox / "text-to-video/trip")
    world.drop("image-to-video/e.jpg")
    changes = listing.look()
    assert set(changes.changed) == {"text-to-video/a.yaml", "image-to-video/e.jpg"}
    assert changes.gone == {"text-to-video/b.yaml", "text-to-video/trip/c.yaml"}
    assert changes.folders == {"text-to-video", "text-to-video/trip", "image-to-video"}
    assert listing.count() == 3
    assert listing.facts("image-to-video/e.jpg") == facts_of(world.inbox / "image-to-video/e.jpg")
    assert listing.look() == Changes()


def test_a_touch_that_changes_nothing_but_times_is_a_change(world):
    place = world.drop("text-to-video/a.yaml")
    listing = Listing(world.inbox, TASKS)
    listing.look()
    found = place.stat()
    os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))
    # The bytes' own time is as before; only the inode's tells.
    assert set(listing.look().changed) <= {"text-to-video/a.yaml"}
    os.chmod(place, 0o600)
    os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert set(listing.look().changed) == {"text-to-video/a.yaml"}


def test_what_lies_in_a_folder_that_cannot_be_listed_now_stays_known(world):
    world.drop("text-to-video/trip/a.yaml")
    world.drop("text-to-video/trip/deep/b.yaml")
    listing = Listing(world.inbox, TASKS)
    listing.look()
    kept = listing.folders["text-to-video/trip"]
    real = os.scandir

    def broken(path):
        if str(path).endswith("trip"):
            raise OSError(5, "Input/output error")
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", broken)
        assert listing.look() == Changes()
    assert [trouble.folder for trouble in listing.troubles] == ["text-to-video/trip"]
    assert listing.folders["text-to-video/trip"] is kept
    assert listing.facts("text-to-video/trip/deep/b.yaml")
    assert listing.look() == Changes()
    assert listing.troubles == []


# open writers --------------------------------------------------------------------------------------------------------

writers_are_visible = pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="leases are Linux's own")


@pytest.fixture
def local(world):
    if kind_of(world.inbox) != "local":
        pytest.skip("the temporary folder is on no local file system")
    return world


@writers_are_visible
def test_an_open_writer_is_seen_and_a_reader_is_none(local):
    place = local.drop("text-to-video/a.jpg")
    assert has_writer(place) is False
    with place.open("rb"):
        assert has_writer(place) is False
    with place.open("ab"):
        assert has_writer(place) is True
    assert has_writer(place) is False


@writers_are_visible
def test_a_writer_in_another_process_is_seen(local):
    place = local.drop("text-to-video/a.jpg")
    code = "import sys; file = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        assert has_writer(place) is True
        writer.communicate(timeout=20)
    assert has_writer(place) is False


@writers_are_visible
def test_asking_while_somebody_opens_the_file_ends_nobody(local):
    """The kernel signals who holds a lease that is broken; that must not end the daemon."""
    place = local.drop("text-to-video/a.jpg")
    code = (
        "import sys, pathlib; from service.inbox.look import has_writer; path = pathlib.Path(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "print(len({has_writer(path) for _ in range(1500)}))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE) as asker:
        asker.stdout.readline()
        while asker.poll() is None:
            with place.open("ab"):
                pass
        assert asker.returncode == 0


def test_what_cannot_be_opened_cannot_be_told(world):
    assert has_writer(world.inbox / "gone.jpg") is None
    os.mkfifo(world.inbox / "pipe.jpg")
    assert has_writer(world.inbox / "pipe.jpg") is None
    (world.inbox / "link.jpg").symlink_to(world.drop("text-to-video/a.jpg"))
    assert has_writer(world.inbox / "link.jpg") is None

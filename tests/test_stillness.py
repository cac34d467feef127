"""How long a file must be quiet, by where it lies, whose it is, and what it looks like."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from service.config_keys import Watch
from service.inbox.gaps import ends_in_zeros, has_gaps
from service.inbox.look import facts_of
from service.inbox.roots import kind_of
from service.settling import FileFacts
from service.stillness import Stillness

FACTS = FileFacts(size=10, mtime_ns=1, ctime_ns=1, inode=7, device=1, links=1, kind="file")
WATCH = Watch()


def stillness_of(place, *, writer=None, gaps=False, mode="auto"):
    return Stillness(
        Path("/nowhere"), Watch(mode=mode), place=place, has_writer=lambda *_: writer, has_gaps=lambda _path: gaps
    )


def whole_after_s(stillness, facts=FACTS):
    """Look when told to; return when the file is whole, and how many looks it took."""
    now_s, looks = 100.0, 0
    stillness.note(now_s, {"a": facts})
    while not stillness.judge(now_s):
        looks += 1
        assert looks < 20, "told to look again and again"
        now_s += stillness.next_due_s(now_s) + 1e-6
    assert stillness.is_whole("a")
    return round(now_s - 100, 3)


def test_the_place_decides_how_long():
    assert whole_after_s(stillness_of("local", writer=False)) == 0.2
    assert whole_after_s(stillness_of("local")) == 3
    assert whole_after_s(stillness_of("other")) == 3
    assert whole_after_s(stillness_of("share")) == 10
    assert whole_after_s(stillness_of("local", writer=False, mode="polling")) == 10


def test_what_seems_unfilled_waits_six_times_as_long_again_where_no_writer_is_seen():
    assert whole_after_s(stillness_of("local", gaps=True)) == 3 + 18
    assert whole_after_s(stillness_of("share", gaps=True)) == 10 + 60
    assert whole_after_s(stillness_of("local", writer=False, gaps=True)) == 0.2


def test_how_long_is_told_so_that_nobody_calls_it_incomplete_before():
    stillness = stillness_of("share", gaps=True)
    stillness.note(0, {"a": FACTS})
    stillness.judge(0)
    assert stillness.quiet_s("a") == 10
    stillness.judge(10)
    assert stillness.quiet_s("a") == 60
    stillness.note(11, {"a": replace(FACTS, size=11)})
    assert stillness.quiet_s("a") == 10


def test_an_empty_file_waits_as_on_a_share_unless_it_is_media_which_need_an_end_anyway():
    for place in ("local", "share", "other"):
        assert whole_after_s(stillness_of(place, writer=False), replace(FACTS, size=0)) == 10
    stillness = stillness_of("local", writer=False)
    stillness.note(0, {"a.jpg": replace(FACTS, size=0)})
    assert stillness.judge(0.2) == {"a.jpg"}


def test_a_file_whose_writers_are_no_longer_visible_waits_as_if_they_never_were():
    answers = iter([False, None])
    stillness = Stillness(
        Path("/nowhere"),
        WATCH,
        place="local",
        has_writer=lambda *_: next(answers, None),
        has_gaps=lambda _path: False,
    )
    assert whole_after_s(stillness) == pytest.approx(3.2, abs=0.01)


def test_told_of_changes_or_of_everything_it_says_the_same():
    by_changes, by_listings = stillness_of("other"), stillness_of("other")
    listing = {"a": FACTS, "b": replace(FACTS, inode=8)}
    by_changes.note(0, listing)
    assert by_changes.judge(0) == by_listings.observe(0, listing) == frozenset()
    by_changes.note(2, {"b": replace(FACTS, inode=8, size=11)})
    listing |= {"b": replace(FACTS, inode=8, size=11)}
    assert by_changes.judge(3) == by_listings.observe(2, listing) | {"a"} == {"a"}
    assert by_listings.observe(3, listing) == {"a"}
    by_changes.note(4, {}, ["a"])
    assert not by_changes.is_whole("a")
    assert by_changes.judge(5) == {"b"} == by_listings.observe(5, {"b": listing["b"]})
    assert by_changes.still_s("b", 6) == 4
    assert by_changes.next_due_s(6) is None


# gaps ----------------------------------------------------------------------------------------------------------------


def test_holes_and_a_tail_of_zeros_are_gaps(tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(b"\x01" * 100_000)
    assert not has_gaps(path)
    path.write_bytes(b"\x01" * 100_000 + bytes(64))
    assert has_gaps(path)
    path.write_bytes(b"")
    assert not has_gaps(path)
    assert not has_gaps(tmp_path / "none")
    assert ends_in_zeros(bytes(10))
    assert not ends_in_zeros(bytes(63) + b"\x01")


def test_a_hole_in_the_middle_is_a_gap(tmp_path):
    path = tmp_path / "a.mkv"
    with path.open("wb") as file:
        file.write(b"\x01" * 4096)
        file.seek(1_000_000)
        file.write(b"\x01" * 4096)
        file.flush()
        if os.lseek(file.fileno(), 0, os.SEEK_HOLE) == 1_004_096:
            pytest.skip("the temporary folder's file system doesn't tell of holes")
    assert has_gaps(path)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="not on this system")
def test_what_was_only_allocated_is_a_gap(tmp_path):
    path = tmp_path / "a.mkv"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1_000_000)
        file.write(b"\x01" * 4096)
    assert has_gaps(path)


# files of other users -------------------------------------------------------------------------------------------------

CHILD = """
import json, os, pathlib, sys
from service.config_keys import Watch
from service.inbox.look import facts_of
from service.stillness import Stillness
inbox = pathlib.Path(sys.argv[1])
if sys.argv[2] == "drop":
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
stillness = Stillness(inbox, Watch())
stillness.note(0.0, {name: facts_of(inbox / name) for name in ("theirs.yaml", "ours.yaml")})
stillness.judge(0.0)
ours, theirs = stillness.quiet_s("ours.yaml"), stillness.quiet_s("theirs.yaml")
print(json.dumps([ours, theirs, stillness.unseen.title + stillness.unseen.fix if stillness.unseen else None]))
"""


@pytest.fixture
def strangers_inbox():
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    # The folders above tmp_path are closed to others.
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if kind_of(folder) != "local":
            pytest.skip("the temporary folder is on no local file system")
        folder.chmod(0o755)
        for name, owner in (("ours.yaml", 65534), ("theirs.yaml", 65533)):
            (folder / name).write_text("prompt: a harbour")
            (folder / name).chmod(0o644)
            os.chown(folder / name, owner, owner)
        yield folder


def asked_by_child(inbox, rights):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(inbox), rights], capture_output=True, text=True, timeout=30, check=True
    )
    return json.loads(done.stdout)


def test_without_the_right_to_see_them_files_of_others_wait_longer_and_that_is_said(strangers_inbox):
    ours, theirs, said = asked_by_child(strangers_inbox, "drop")
    assert (ours, theirs) == (0.2, 3)
    assert "other users own can't be seen" in said
    assert "CAP_LEASE" in said


def test_with_the_right_to_see_them_they_do_not(strangers_inbox):
    ours, theirs, said = asked_by_child(strangers_inbox, "keep")
    if theirs != 0.2:
        pytest.skip("root has no CAP_LEASE here")
    assert (ours, said) == (0.2, None)


def test_where_no_right_would_help_nothing_is_said(strangers_inbox):
    for place in ("other", "share"):
        stillness = Stillness(strangers_inbox, WATCH, place=place)
        stillness.observe(0, {"theirs.yaml": facts_of(strangers_inbox / "theirs.yaml")})
        assert stillness.unseen is None


def test_of_our_own_files_nothing_is_said(tmp_path):
    (tmp_path / "a.yaml").write_text("prompt: a")
    stillness = Stillness(tmp_path, WATCH)
    stillness.observe(0, {"a.yaml": facts_of(tmp_path / "a.yaml")})
    assert stillness.unseen is None

"""No job sees bytes that later change: ten writers and more, three kinds of place, a slice of the storm's schedules."""

import pytest

from service.inbox.gaps import has_gaps
from service.stillness import Stillness
from tests.wholeness.samples import ENDED, PLAIN, sample
from tests.wholeness.schedule import FAMILIES, PLACES, Schedule, asking_real_files, combinations, tally
from tests.wholeness.writers import WRITERS

SEEDS = range(100)


@pytest.fixture(scope="module")
def has_end(tmp_path_factory):
    return asking_real_files(tmp_path_factory.mktemp("contents"))


@pytest.mark.parametrize("writer", WRITERS)
def test_no_job_sees_bytes_that_later_change(writer, has_end):
    for name, place, family in combinations():
        if name == writer:
            found = tally(writer, place, family, SEEDS, has_end)
            assert found.wrong == []
            assert found.right + found.beyond == len(SEEDS)


@pytest.mark.parametrize("family", FAMILIES)
def test_where_writers_are_seen_only_a_closed_unfinished_file_can_be_taken_for_whole(family, has_end):
    """Which is what happens to kinds without an end alone, when a copy breaks off and goes on later."""
    for writer in ("preallocate, any order", "old-time copy", "hard link", "rsync", "ftp .filepart", "browser"):
        assert tally(writer, "seen", family, SEEDS, has_end).beyond == 0
    assert (tally("long stall", "seen", family, SEEDS, has_end).beyond == 0) == (family == "with an end")


def test_what_is_whole_is_found_soon(has_end):
    """The quiet time after the last event; where that was lost (a tenth are, here), a rescan (10 s) later."""
    for writer in ("slow append", "preallocate, any order", "rsync"):
        assert tally(writer, "seen", "with an end", SEEDS, has_end).latest_s < 0.2 + 10 + 0.2
        # A poll of 2 s, and a listing that is 3 s old.
        assert tally(writer, "share", "with an end", SEEDS, has_end).latest_s < 10 + 2 + 3


def test_a_schedule_is_the_same_each_time(has_end):
    for place in PLACES:
        once, again = (Schedule("slow append", place, "jpg", 7, has_end).run() for _ in range(2))
        assert once == again


class _Blind(Stillness):
    """Takes every file for closed and filled."""

    def _is_busy(self, path):
        return False


@pytest.mark.parametrize(
    ("writer", "place"), [("long stall", "seen"), ("old-time copy", "unseen"), ("old-time copy", "share")]
)
def test_the_simulation_notices_a_rule_that_is_broken(writer, place, has_end, monkeypatch):
    monkeypatch.setattr("tests.wholeness.schedule.Stillness", _Blind)
    assert tally(writer, place, "without", range(1000), has_end).wrong


@pytest.mark.parametrize("suffix", [*ENDED, *PLAIN])
def test_the_samples_are_what_they_are_taken_for(suffix, has_end, tmp_path):
    content = sample(suffix)
    assert 900 < len(content) < 9000
    assert has_end(f".{suffix}", content)
    (tmp_path / "file").write_bytes(content)
    assert not has_gaps(tmp_path / "file")
    assert has_end(f".{suffix}", content[: len(content) // 2]) == (suffix in PLAIN)

"""A drop that grows is left alone; time is counted on our own clock."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settling import FileFacts, Settling

FACTS = FileFacts(size=10, mtime_ns=1, ctime_ns=1, inode=7, device=1, links=1, kind="file")


def after(seconds):
    return lambda _path: seconds


#: One look: seconds since the last one, and for each of three files its facts' version, None where it isn't there.
looks = st.lists(
    st.tuples(st.floats(0, 5, allow_nan=False), st.tuples(*[st.none() | st.integers(0, 2)] * 3)),
    min_size=1,
    max_size=30,
)
changes = st.sampled_from(["size", "mtime_ns", "ctime_ns", "inode"])


def listing_of(versions, change, mtime_ns=0):
    facts = replace(FACTS, mtime_ns=mtime_ns)
    return {
        name: replace(facts, **{change: getattr(facts, change) + version})
        for name, version in zip("abc", versions, strict=True)
        if version is not None
    }


@given(looks, changes, st.sampled_from([0.0, 0.2, 3.0, 10.0]))
def test_a_file_whose_facts_change_within_the_quiet_time_is_never_whole(story, change, quiet_s):
    settling, now_s, history = Settling(), 100.0, []
    for passed_s, versions in story:
        now_s += passed_s
        listing = listing_of(versions, change)
        history.append((now_s, listing))
        whole = settling.observe(now_s, listing, after(quiet_s))
        for path in listing:
            same_since_s = now_s
            for moment_s, earlier in reversed(history):
                if earlier.get(path) != listing[path]:
                    break
                same_since_s = moment_s
            assert (path in whole) == (now_s - same_since_s >= quiet_s)
        assert whole <= set(listing)


@given(looks, st.integers(-(2**62), 2**62))
def test_a_files_age_says_nothing(story, mtime_ns):
    young, old, now_s = Settling(), Settling(), 0.0
    for passed_s, versions in story:
        now_s += passed_s
        same = listing_of(versions, "size"), listing_of(versions, "size", mtime_ns)
        assert young.observe(now_s, same[0], after(3)) == old.observe(now_s, same[1], after(3))
        assert young.next_due_s(now_s) == old.next_due_s(now_s)


@given(looks, st.data())
def test_a_busy_file_is_never_whole_and_must_be_quiet_anew(story, data):
    settling, now_s, busy_at = Settling(), 0.0, {}
    for passed_s, versions in story:
        now_s += passed_s
        at_work = set(data.draw(st.sets(st.sampled_from("abc"))))

        def busy(path, at_work=at_work, now_s=now_s):
            if path in at_work:
                busy_at[path] = now_s
            return path in at_work

        before = settling.observe(now_s, {}, after(3)) if versions == (None,) * 3 else frozenset()
        assert before == frozenset()
        whole = settling.observe(now_s, listing_of(versions, "size"), after(3), busy)
        assert all(now_s - busy_at.get(path, -10) >= 3 for path in whole)


@given(looks)
def test_looking_when_told_finds_every_quiet_file(story):
    settling, now_s = Settling(), 0.0
    for passed_s, versions in story:
        now_s += passed_s
        listing = listing_of(versions, "size")
        whole = settling.observe(now_s, listing, after(3))
    for _ in range(4):
        if (wait_s := settling.next_due_s(now_s)) is None:
            break
        assert 0 <= wait_s <= 3.001
        # One microsecond for what floats lose.
        now_s += wait_s + 1e-6
        whole = settling.observe(now_s, listing, after(3))
    assert settling.next_due_s(now_s) is None
    assert whole == set(listing)


@given(looks, changes, st.data())
def test_told_of_changes_alone_it_says_the_same_as_told_of_everything(story, change, data):
    by_changes, by_listings, now_s, before, were_whole = Settling(), Settling(), 0.0, {}, frozenset()
    for passed_s, versions in story:
        now_s += passed_s
        at_work = data.draw(st.sets(st.sampled_from("abc")))
        listing = listing_of(versions, change)
        changed = {path: facts for path, facts in listing.items() if before.get(path) != facts}
        by_changes.note(now_s, changed, before.keys() - listing.keys())
        fresh = by_changes.judge(now_s, after(3), at_work.__contains__)
        whole = by_listings.observe(now_s, listing, after(3), at_work.__contains__)
        assert {path for path in listing if by_changes.is_whole(path)} == whole == by_changes.whole()
        assert fresh == {path for path in whole if path not in were_whole or path in changed}
        assert by_changes.next_due_s(now_s) == by_listings.next_due_s(now_s)
        assert [by_changes.still_s(path, now_s) for path in "abc"] == [by_listings.still_s(p, now_s) for p in "abc"]
        before, were_whole = listing, whole


def test_a_judgement_asks_about_nothing_but_what_is_due():
    settling, asked = Settling(), []

    def quiet_s(path):
        asked.append(path)
        return 5.0

    settling.note(0, {f"{number}": replace(FACTS, inode=number) for number in range(1000)})
    assert settling.judge(0, quiet_s) == set()
    asked.clear()
    settling.note(3, {"7": replace(FACTS, size=11)})
    assert settling.judge(3, quiet_s) == set()
    assert asked == ["7"]
    assert len(settling.judge(5, quiet_s)) == 999
    asked.clear()
    assert settling.judge(6, quiet_s) == set()
    assert asked == []
    assert settling.next_due_s(6) == 2
    assert settling.judge(8, quiet_s) == {"7"}


def test_what_was_whole_and_changes_is_whole_anew_only_after_its_quiet_time():
    settling = Settling()
    settling.note(0, {"a": FACTS})
    assert settling.judge(5, after(5)) == {"a"}
    settling.note(6, {"a": replace(FACTS, size=11)})
    assert not settling.is_whole("a")
    assert settling.judge(6, after(5)) == set()
    assert settling.judge(11, after(5)) == {"a"}


def test_a_look_is_due_when_the_newest_change_has_been_quiet():
    settling = Settling()
    settling.note(0, {"a": FACTS})
    settling.judge(0, after(5))
    settling.note(3, {"a": replace(FACTS, size=11)})
    settling.judge(3, after(5))
    assert settling.next_due_s(3) == 5


def test_a_quiet_time_that_becomes_shorter_with_a_change_is_kept():
    settling, quiet_s = Settling(), {"a": 10.0}
    settling.note(0, {"a": FACTS})
    settling.judge(0, quiet_s.__getitem__)
    quiet_s["a"] = 0.5
    settling.note(1, {"a": replace(FACTS, size=11)})
    settling.judge(1, quiet_s.__getitem__)
    assert settling.next_due_s(1) == 0.5
    assert settling.judge(1.5, quiet_s.__getitem__) == {"a"}
    assert settling.next_due_s(1.5) is None
    assert settling.judge(10, quiet_s.__getitem__) == set()


def test_a_file_that_changes_all_the_time_leaves_nothing_behind():
    settling = Settling()
    for number in range(5000):
        settling.note(number, {"a": replace(FACTS, size=number), f"b{number}": FACTS}, [f"b{number - 1}"])
        assert settling.judge(number, after(3600)) == set()
    assert len(settling._queue) < 2000


def test_only_plain_files_are_ever_whole():
    settling = Settling()
    listing = {kind: replace(FACTS, kind=kind) for kind in ("file", "folder", "symlink", "other")}
    settling.observe(0, listing, after(1))
    assert settling.observe(5, listing, after(1)) == {"file"}
    assert settling.next_due_s(5) is None


def test_a_file_that_comes_back_starts_again():
    settling = Settling()
    settling.observe(0, {"a": FACTS}, after(1))
    assert settling.observe(1, {"a": FACTS}, after(1)) == {"a"}
    assert settling.observe(2, {}, after(1)) == frozenset()
    assert settling.observe(3, {"a": FACTS}, after(1)) == frozenset()


def test_what_is_whole_is_not_asked_about_again():
    settling, asked = Settling(), []
    for now_s in range(5):
        settling.observe(now_s, {"a": FACTS}, after(1), lambda path: bool(asked.append(path)))
    assert asked == ["a"]


def test_a_file_that_stays_busy_is_asked_about_less_and_less():
    settling, asked, now_s = Settling(), [], 0.0
    while now_s < 3600:
        settling.observe(now_s, {"a": FACTS}, after(0.2), lambda _path, now_s=now_s: not asked.append(now_s))
        now_s += settling.next_due_s(now_s) + 1e-6
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps[0] < 0.3
    assert 9 < gaps[-1] < 11
    assert len(asked) < 500


def test_it_says_how_long_a_file_has_been_still():
    settling = Settling()
    settling.observe(0, {"a": FACTS}, after(1))
    settling.observe(4, {"a": FACTS}, after(1))
    assert settling.still_s("a", 6) == 6
    assert settling.still_s("b", 6) is None


def test_facts_differ_by_what_a_writer_changes_and_by_nothing_else():
    for change in ("size", "mtime_ns", "ctime_ns", "inode"):
        assert replace(FACTS, **{change: 99}) != FACTS
    assert replace(FACTS, device=9, links=2) == FACTS
    assert replace(FACTS, ctime_ns=99).same_content(FACTS)
    assert not replace(FACTS, kind="symlink").same_content(FACTS)
    assert not replace(FACTS, inode=99).same_content(FACTS)


def test_a_file_that_may_be_whole_sooner_than_it_could_before_is_not_kept_for_the_old_time():
    settling = Settling()
    empty = FileFacts(0, 1, 1, 1, 1, 1, "file")
    filled = FileFacts(9, 2, 2, 1, 1, 1, "file")
    quiet_s = {empty: 10.0, filled: 0.2}
    settling.note(0.0, {"a": empty})
    settling.judge(0.0, lambda _path: quiet_s[settling.facts_of("a")])
    settling.note(0.1, {"a": filled})
    settling.judge(0.1, lambda _path: quiet_s[settling.facts_of("a")])
    assert settling.next_due_s(0.1) == pytest.approx(0.2)
    assert settling.judge(0.35, lambda _path: quiet_s[settling.facts_of("a")]) == {"a"}
    assert settling.next_due_s(0.35) is None

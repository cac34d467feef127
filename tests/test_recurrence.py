"""When scheduled jobs start: moments in words, clocks that change or are set, what was missed, what is said anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.moments import instant, moment_of
from service.recurrence import Memory, Recurrence, judge, remembered, start_of

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = Recurrence(every="0 22 * * *")


def at(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


def utc(text: str, fold: int = 0) -> datetime:
    return at(text, fold).astimezone(UTC)


# moments -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-12-01 22:00", "2026-12-01T21:00Z"),
        ("2026-12-01T22:00", "2026-12-01T21:00Z"),
        ("2026-12-01 9:05", "2026-12-01T08:05Z"),
        ("2026-12-01 22:00:30", "2026-12-01T21:00:30Z"),
        ("2026-12-01", "2026-11-30T23:00Z"),
        ("2026-07-01 22:00", "2026-07-01T20:00Z"),
        ("2026-12-01 22:00Z", "2026-12-01T22:00Z"),
        ("2026-12-01 22:00 -05:00", "2026-12-02T03:00Z"),
        ("2026-12-01T22:00+0530", "2026-12-01T16:30Z"),
        # Skipped by the clocks of Berlin, and shown by them twice.
        ("2026-03-29 02:30", "2026-03-29T01:30Z"),
        ("2026-10-25 02:30", "2026-10-25T00:30Z"),
    ],
)
def test_a_moment_is_meant_by_the_clock_of_this_machine_unless_it_says_a_zone(text: str, meant: str):
    assert instant(moment_of(text), BERLIN) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "text",
    [
        "", "tomorrow", "22:00", "2026-13-01", "2026-02-30", "2026-12-01 25:00", "2026-12-01 22", "01.12.2026 22:00",
        "2026-12-01 22:00 +99:00", "0001-01-01 00:00", "2026-W49-2", "1764626400", "2026-12-01 22:00 CET",
        "\u0662026-12-01",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused_with_a_sentence(text: str):
    with pytest.raises(ValueError, match=r"\.$"):
        moment_of(text)


# what comes again ----------------------------------------------------------------------------------------------------


def fresh(since: str, fired: str | None = None, every: str = "0 22 * * *") -> Memory:
    return Memory(every, utc(since), utc(fired) if fired else None)


def due(memory: Memory, now: str, recurrence: Recurrence = NIGHTLY) -> datetime | None:
    return judge(recurrence, remembered(recurrence, memory, at(now)), at(now)).due


def test_what_was_dropped_after_its_time_waits_for_the_next_one():
    verdict = judge(NIGHTLY, remembered(NIGHTLY, None, at("2026-11-23 22:30")), at("2026-11-23 22:30"))
    assert (verdict.due, verdict.following) == (None, utc("2026-11-24 22:00"))


def test_a_time_is_due_from_its_minute_on_until_it_has_begun():
    memory = fresh("2026-11-23 12:00")
    assert due(memory, "2026-11-23 21:59:59") is None
    assert due(memory, "2026-11-23 22:00") == utc("2026-11-23 22:00")
    assert due(memory, "2026-11-24 03:00") == utc("2026-11-23 22:00")
    assert due(fresh("2026-11-23 12:00", "2026-11-23 22:00"), "2026-11-24 03:00") is None


def test_of_several_that_were_missed_the_newest_is_made_up_and_none_that_is_a_day_old():
    memory = fresh("2026-11-01 12:00", "2026-11-10 22:00")
    assert due(memory, "2026-11-23 08:00") == utc("2026-11-22 22:00")
    weekly = Recurrence(every="0 22 * * sun")
    memory = fresh("2026-11-01 12:00", every="0 22 * * sun")
    assert due(memory, "2026-11-23 08:00", weekly) == utc("2026-11-22 22:00")
    assert due(memory, "2026-11-24 08:00", weekly) is None


def test_a_clock_that_is_set_back_an_hour_begins_nothing_twice():
    memory = fresh("2026-11-23 12:00", "2026-11-23 22:00")
    assert due(memory, "2026-11-23 21:05") is None
    assert due(memory, "2026-11-23 22:00") is None
    verdict = judge(NIGHTLY, memory, at("2026-11-23 21:05"))
    assert verdict.following == utc("2026-11-24 22:00")
    assert due(memory, "2026-11-24 22:00") == utc("2026-11-24 22:00")


def test_a_clock_that_was_years_ahead_is_forgotten_once_it_is_right():
    memory = Memory("0 22 * * *", utc("2031-01-01 12:00"), utc("2031-01-01 22:00"))
    corrected = remembered(NIGHTLY, memory, at("2026-11-23 12:00"))
    assert corrected == Memory("0 22 * * *", utc("2026-11-23 12:00"), None)
    assert due(corrected, "2026-11-23 22:01") == utc("2026-11-23 22:00")


def test_other_words_make_no_time_of_the_past_due():
    earlier = Recurrence(every="0 21 * * *")
    memory = remembered(earlier, fresh("2026-11-20 12:00", "2026-11-22 22:00"), at("2026-11-23 21:30"))
    assert judge(earlier, memory, at("2026-11-23 21:30")).due is None
    assert memory.fired == utc("2026-11-22 22:00")


def test_what_comes_again_begins_at_its_start_at_the_earliest():
    later = Recurrence("2026-12-01 22:00", "0 22 * * *")
    assert due(fresh("2026-11-23 12:00"), "2026-11-30 22:00", later) is None
    assert due(fresh("2026-11-23 12:00"), "2026-12-01 22:00", later) == utc("2026-12-01 22:00")
    verdict = judge(later, fresh("2026-11-23 12:00"), at("2026-11-23 12:00"))
    assert verdict.following == utc("2026-12-01 22:00")
    assert start_of(later, at("2026-11-23 12:00")) == utc("2026-12-01 22:00")


def test_the_night_in_which_clocks_are_set_back_has_each_time_once():
    recurrence = Recurrence(every="30 2 * * *")
    memory, began = Memory("30 2 * * *", utc("2026-10-24 12:00")), []
    now = utc("2026-10-24 12:00")
    while now < utc("2026-10-26 12:00"):
        memory = remembered(recurrence, memory, now.astimezone(BERLIN))
        verdict = judge(recurrence, memory, now.astimezone(BERLIN))
        if verdict.due is not None:
            began.append(verdict.due)
            memory = Memory(memory.every, memory.since, verdict.due)
        now += timedelta(minutes=7)
    assert began == [utc("2026-10-25 02:30"), utc("2026-10-26 02:30")]


@given(
    jumps=st.lists(st.integers(min_value=-1200, max_value=90_000), min_size=1, max_size=60),
    restarts=st.lists(st.booleans(), min_size=60, max_size=60),
    every=st.sampled_from(["0 22 * * *", "*/30 * * * *", "30 2 * * *", "0 */6 * * mon-fri"]),
)
@settings(deadline=None)
def test_however_clocks_jump_no_time_begins_twice(jumps: list[int], restarts: list[bool], every: str):
    recurrence, memory, now = Recurrence(every=every), None, utc("2026-03-27 12:00")
    began: list[datetime] = []
    for jump, restart in zip(jumps, restarts, strict=False):
        now += timedelta(seconds=jump)
        memory = remembered(recurrence, memory, now.astimezone(BERLIN))
        verdict = judge(recurrence, memory, now.astimezone(BERLIN))
        assert verdict.following is not None
        if verdict.due is not None:
            assert verdict.due <= now
            began.append(verdict.due)
            memory = Memory(memory.every, memory.since, verdict.due)
        if restart:
            memory = Memory(memory.every, memory.since, memory.fired)
    assert len(began) == len(set(began))

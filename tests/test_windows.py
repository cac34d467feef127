"""Time windows of backends: over midnight, on some days, several at once, and through both changes of the clocks."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.windows import is_open, next_change, next_opening, window_of

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = [window_of("mon-fri 22:00-06:00")]


def at(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22:00-06:00", ["2026-11-22 23:00", "2026-11-22 05:59", "2026-11-22 22:00"], ["2026-11-22 06:00"]),
        ("mon-fri 22:00-06:00", ["2026-11-23 22:30", "2026-11-28 05:00"], ["2026-11-23 05:00", "2026-11-28 23:00"]),
        ("sat,sun 00:00-24:00", ["2026-11-28 00:00", "2026-11-29 23:59"], ["2026-11-27 23:59", "2026-11-30 00:00"]),
        ("fri-mon 9:00-10:00", ["2026-11-27 09:30", "2026-11-30 09:30"], ["2026-11-24 09:30"]),
        ("Monday 8:00 - 9:00", ["2026-11-23 08:30"], ["2026-11-24 08:30"]),
        ("tue, thu 8:00-9:00", ["2026-11-24 08:30", "2026-11-26 08:00"], ["2026-11-25 08:30"]),
        ("daily 12:00-13:00", ["2026-11-24 12:30"], ["2026-11-24 13:00"]),
    ],
)  # fmt: skip
def test_a_window_is_open_on_its_days_from_its_begin_until_before_its_end(text, inside, outside):
    windows = [window_of(text)]
    assert [moment for moment in inside if not is_open(windows, at(moment))] == []
    assert [moment for moment in outside if is_open(windows, at(moment))] == []


def test_without_windows_it_is_always_open():
    assert is_open([], at("2026-11-22 12:00"))
    assert next_opening([], at("2026-11-22 12:00")) is None
    assert next_change([], at("2026-11-22 12:00")) is None


def test_several_windows_open_one_after_another():
    windows = [*NIGHTS, window_of("sat,sun 00:00-24:00")]
    assert next_opening(windows, at("2026-11-23 12:00")) == at("2026-11-23 22:00")
    assert next_opening(windows, at("2026-11-23 23:00")) is None
    # Friday night runs into the weekend, and that ends on Monday.
    assert next_change(windows, at("2026-11-27 23:00")) == at("2026-11-30 00:00")
    assert next_opening(NIGHTS, at("2026-11-28 12:00")) == at("2026-11-30 22:00")
    assert next_change(NIGHTS, at("2026-11-28 12:00")) == at("2026-11-30 22:00")


def test_the_hour_that_clocks_skip_shortens_a_night():
    # 2026-03-29: 02:00 becomes 03:00 in Berlin.
    night = [window_of("sat 22:00-06:00")]
    opens, closes = at("2026-03-28 22:00"), next_change(night, at("2026-03-28 23:00"))
    assert closes == at("2026-03-29 06:00")
    assert closes.timestamp() - opens.timestamp() == 7 * 3600
    # What lies in the hour itself opens when clocks show it, an hour later; what only begins in it is left out.
    assert next_opening([window_of("sun 02:10-02:50")], at("2026-03-28 12:00")) == at("2026-03-29 03:10")
    assert next_opening([window_of("sun 02:30-03:00")], at("2026-03-28 12:00")) == at("2026-04-05 02:30")


def test_the_hour_that_clocks_repeat_lengthens_a_night():
    # 2026-10-25: 03:00 becomes 02:00 in Berlin.
    night = [window_of("sat 22:00-06:00")]
    opens, closes = at("2026-10-24 22:00"), next_change(night, at("2026-10-24 23:00"))
    assert closes.timestamp() - opens.timestamp() == 9 * 3600
    assert is_open(night, at("2026-10-25 02:30"))
    assert is_open(night, at("2026-10-25 02:30", fold=1))
    assert not is_open([window_of("sun 01:00-02:15")], at("2026-10-25 02:10", fold=1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "days and times"), ("noon", "days and times"), ("22-6", "days and times"),
        ("mo 1:00-2:00", "mo is no day"),
        ("25:00-26:00", "25:00 is no time"), ("10:60-11:00", "10:60 is no time"), ("24:00-01:00", "can't begin"),
        ("24:01-01:00", "no time"), ("08:00-08:00", "ends when it begins")
    ],
)  # fmt: skip
def test_what_is_no_window_is_said(text, said):
    with pytest.raises(ValueError, match=said):
        window_of(text)


TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda parts: "{:02}:{:02}".format(*parts))
WINDOWS = st.tuples(st.sampled_from(["", "mon ", "sat-tue ", "wed,sun "]), TIMES, TIMES).filter(
    lambda parts: parts[1] != parts[2]
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1)).map(lambda moment: moment.replace(tzinfo=BERLIN))


@given(st.lists(WINDOWS, min_size=1, max_size=3), MOMENTS)
def test_the_next_opening_is_open_and_the_next_change_changes(parts, now):
    windows = [window_of(f"{days}{begin}-{end}") for days, begin, end in parts]
    opening, change = next_opening(windows, now), next_change(windows, now)
    assert (opening is None) == is_open(windows, now)
    if opening is not None:
        assert is_open(windows, opening.astimezone(BERLIN))
        assert not is_open(windows, (opening - timedelta(seconds=1)).astimezone(BERLIN))
        assert change == opening
    elif change is not None:
        assert not is_open(windows, change.astimezone(BERLIN))

"""Times that come again: every form of them, both changes of the clocks, and judged by APScheduler's own reckoning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from service.cron import cron_of, last_until, next_after

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata"), UTC]


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def following(text: str, now: str, count: int = 1, zone: ZoneInfo = BERLIN) -> list[str]:
    found, moment = [], at(now, zone)
    for _ in range(count):
        moment = next_after(cron_of(text), moment).astimezone(zone)
        found.append(f"{moment:%Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("0 22 * * mon-fri", "2026-11-23 22:00", "2026-11-24 22:00"),
        ("0 22 * * sat,sun", "2026-11-28 22:00", "2026-11-29 22:00"),
        ("*/20 * * * *", "2026-11-23 12:20", "2026-11-23 12:40"),
        ("5/20 12 * * *", "2026-11-23 12:05", "2026-11-23 12:25"),
        ("10-30/10 * * * *", "2026-11-23 12:10", "2026-11-23 12:20"),
        ("0 22-1 * * *", "2026-11-23 22:00", "2026-11-23 23:00"),
        ("0 6 * * fri-mon", "2026-11-27 06:00", "2026-11-28 06:00"),
        ("0 6 * * 7", "2026-11-29 06:00", "2026-12-06 06:00"),
        ("0 6 * * 0", "2026-11-29 06:00", "2026-12-06 06:00"),
        ("0 6 * * 5-7", "2026-11-27 06:00", "2026-11-28 06:00"),
        ("0 0 1,15 * *", "2026-12-01 00:00", "2026-12-15 00:00"),
        ("0 0 13 * fri", "2026-11-27 00:00", "2026-12-04 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00", "2032-02-29 00:00"),
        ("0 0 31 * *", "2026-12-31 00:00", "2027-01-31 00:00"),
        ("0 12 24 DEC *", "2026-12-24 12:00", "2027-12-24 12:00"),
        ("@daily", "2026-11-24 00:00", "2026-11-25 00:00"),
        ("@weekly", "2026-11-29 00:00", "2026-12-06 00:00"),
        ("@yearly", "2027-01-01 00:00", "2028-01-01 00:00"),
    ],
)
def test_every_form_comes_when_it_says(text: str, first: str, second: str):
    # A Monday.
    assert following(text, "2026-11-23 12:00", 2) == [first, second]


@pytest.mark.parametrize(
    "text",
    [
        "", "22:00", "0 22 * *", "0 0 22 * * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 32 * *", "0 0 * 13 *",
        "0 0 * * 8", "0 0 * * mond", "a * * * *", "*/0 * * * *", "1- * * * *", "0 0 30 2 *", "0 0 31 apr,jun *",
        "@reboot", "0 0 L * *", "\u0661 * * * *", "-1 * * * *", "* " * 500, "9" * 10_000 + " * * * *", "0 0 ? * *",
        "1,,2 * * * *",
    ],
)  # fmt: skip
def test_what_says_no_time_is_refused_with_a_sentence(text: str):
    with pytest.raises(ValueError, match=r"\.$"):
        cron_of(text)


def test_a_time_that_clocks_skip_comes_an_hour_later_and_once():
    # 2026-03-29: 02:00 becomes 03:00 in Berlin.
    assert following("30 2 * * *", "2026-03-28 12:00", 3) == [
        "2026-03-29 03:30",
        "2026-03-30 02:30",
        "2026-03-31 02:30",
    ]


def test_a_time_that_comes_twice_is_taken_the_first_time():
    # 2026-10-25: 03:00 becomes 02:00 in Berlin.
    first = next_after(cron_of("30 2 * * *"), at("2026-10-24 12:00"))
    # Python never finds a time that comes twice equal to one of another zone.
    assert first == at("2026-10-25 02:30", fold=0).astimezone(UTC)
    assert next_after(cron_of("30 2 * * *"), first.astimezone(BERLIN)) == at("2026-10-26 02:30")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-23", 24)])
def test_what_comes_each_hour_comes_in_each_hour_that_passes(day: str, hours: int):
    moment, count = at(f"{day} 00:00") - timedelta(seconds=1), 0
    end = at(f"{day} 00:00").date() + timedelta(days=1)
    seen = []
    while (moment := next_after(cron_of("15 * * * *"), moment).astimezone(BERLIN)).date() < end:
        seen.append(moment.astimezone(UTC))
        count += 1
    assert count == hours
    assert {later - earlier for earlier, later in pairwise(seen)} == {timedelta(hours=1)}


_FIELDS = st.tuples(
    st.sampled_from(["0", "30", "*/15", "7,52", "10-20/5"]),
    st.sampled_from(["*", "2", "*/6", "22", "1-4", "0,12"]),
    st.sampled_from(["*", "1", "28-31", "13"]),
    st.sampled_from(["*", "3", "10,11", "feb"]),
    st.sampled_from(["*", "mon-fri", "sun", "sat,sun"]),
).filter(lambda fields: fields[2] == "*" or fields[4] == "*")
_SECONDS = st.integers(min_value=1_700_000_000, max_value=1_900_000_000)


@given(fields=_FIELDS, seconds=_SECONDS)
@settings(deadline=None)
def test_where_no_clocks_change_it_agrees_with_apscheduler(fields: tuple[str, ...], seconds: int):
    now = datetime.fromtimestamp(seconds, UTC)
    theirs = CronTrigger(
        minute=fields[0], hour=fields[1], day=fields[2], month=fields[3], day_of_week=fields[4], timezone=UTC
    )
    expected = theirs.get_next_fire_time(None, now + timedelta(seconds=1))
    if expected is not None and expected - now < timedelta(days=3 * 366):
        assert next_after(cron_of(" ".join(fields)), now) == expected


@given(fields=_FIELDS, seconds=_SECONDS, zone=st.sampled_from(ZONES))
@settings(deadline=None)
def test_the_next_time_is_the_newest_once_it_has_come(fields: tuple[str, ...], seconds: int, zone: ZoneInfo):
    cron, now = cron_of(" ".join(fields)), datetime.fromtimestamp(seconds, zone)
    coming = next_after(cron, now)
    assert coming is not None
    assert coming > now.astimezone(UTC)
    assert last_until(cron, coming.astimezone(zone), now) == coming
    just_before = (coming - timedelta(seconds=1)).astimezone(zone)
    assert last_until(cron, just_before, now) is None


def test_of_a_long_absence_only_the_newest_is_found():
    found = last_until(cron_of("0 22 * * *"), at("2026-11-23 08:00"), at("2026-10-01 00:00"))
    assert found == at("2026-11-22 22:00")

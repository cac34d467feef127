"""Time windows in words such as "mon-fri 22:00-06:00": is one open now, and when does the next one open?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(?:(?P<days>[a-z][a-z,\s-]*?)\s+)?(?P<begin>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})")
_EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True)
class Window:
    """From one time of day to another on some days (0 is Monday); past midnight where the end isn't later."""

    days: frozenset[int]
    begin_minute: int
    end_minute: int


def window_of(text: str) -> Window:
    """Read a window: days (mon, mon-fri, "sat,sun", daily; every day without any), then HH:MM-HH:MM.

    It begins on each of these days; 24:00 may end it. Raises ValueError with what is wrong as a sentence.
    """
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError("It is written as days and times.")
    begin, end = _minute(found["begin"]), _minute(found["end"])
    if begin == 24 * 60:
        raise ValueError("A window can't begin at 24:00.")
    if begin == end:
        raise ValueError("It ends when it begins.")
    return Window(_days(found["days"]), begin, end)


def is_open(windows: Sequence[Window], now: datetime) -> bool:
    """Return whether any window is open at an aware time, in its own time zone; without windows it always is."""
    return not windows or any(begin <= now < end for begin, end in _spans(windows, now))


def next_opening(windows: Sequence[Window], now: datetime) -> datetime | None:
    """Return when a window opens next, or None where one is open now."""
    if is_open(windows, now):
        return None
    return min(begin for begin, _ in _spans(windows, now) if begin > now).astimezone(now.tzinfo)


def next_change(windows: Sequence[Window], now: datetime) -> datetime | None:
    """Return when it opens or closes next; None where it always is open."""
    open_now = is_open(windows, now)
    edges = sorted({edge.astimezone(now.tzinfo) for span in _spans(windows, now) for edge in span if edge > now})
    return next((edge for edge in edges if is_open(windows, edge) != open_now), None)


def _spans(windows: Sequence[Window], now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield each opening from the day before until two weeks later, as instants."""
    zone = now.tzinfo
    assert zone is not None, "a time of day means nothing without its zone"
    for ahead in range(-1, 16):
        day = now.date() + timedelta(days=ahead)
        for window in windows:
            if day.weekday() in window.days:
                over_midnight = window.end_minute <= window.begin_minute
                begin = _instant(day, window.begin_minute, zone)
                end = _instant(day + timedelta(days=over_midnight), window.end_minute, zone)
                # Where clocks skip an hour, a window that only begins in it may end before.
                if begin < end:
                    yield begin, end


def _instant(day: date, minute: int, zone: tzinfo) -> datetime:
    """Return when a clock on the wall shows this: by way of UTC, so that comparing counts the hour that clocks skip."""
    whole_days, minute = divmod(minute, 24 * 60)
    local = datetime.combine(day + timedelta(days=whole_days), time(minute // 60, minute % 60), zone)
    return local.astimezone(UTC)


def _minute(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if hours > 24 or minutes > 59 or (hours == 24 and minutes):
        raise ValueError(f"{text} is no time of day.")
    return hours * 60 + minutes


def _days(text: str | None) -> frozenset[int]:
    if text is None or text.strip() in ("daily", "every day"):
        return _EVERY_DAY
    days: set[int] = set()
    for part in filter(None, re.split(r"[\s,]+", re.sub(r"\s*-\s*", "-", text))):
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        days |= {day % 7 for day in range(begin, end + 1 + 7 * (end < begin))}
    return frozenset(days)


def _day(text: str) -> int:
    # People write monday and thurs too.
    number = next((number for number, day in enumerate(_DAYS) if text.startswith(day)), None)
    if number is None:
        raise ValueError(f"{text or '-'} is no day: the days are {', '.join(_DAYS)}.")
    return number

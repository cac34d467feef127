"""Times that come again, in cron's words ("0 22 * * mon-fri"): when was the last of them, and when is the next?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * sun",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 jan *", "@annually": "0 0 1 jan *",
}  # fmt: skip
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: From one 29 February to the next there may be eight years.
_HORIZON_DAYS = 8 * 366 + 2
#: So much text is no schedule.
_MAX_LETTERS = 200


@dataclass(frozen=True)
class Cron:
    """What each field takes; Sunday is 0. `days` and `weekdays` are None where they take every day."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None

    def is_on(self, day: date) -> bool:
        """Return whether any of its times is on a day; of day and weekday, where both are given, one is enough."""
        if day.month not in self.months:
            return False
        by_date = self.days is None or day.day in self.days
        by_weekday = self.weekdays is None or day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.days is not None and self.weekdays is not None else by_date and by_weekday


def cron_of(text: str) -> Cron:
    """
    Read five fields (minute, hour, day of the month, month, day of the week) or a word such as @daily.

    Each field is *, a number, a range (mon-fri, and 22-2 past its end), a list, each with a step (*/15). Names have
    three letters; Sunday is 0 or 7. Raises ValueError with what is wrong as a sentence.
    """
    words = _MACROS.get(text.strip().lower(), text).lower().split() if len(text) <= _MAX_LETTERS else []
    if len(words) != 5:
        raise ValueError("It has five fields: minute, hour, day of the month, month, day of the week.")
    minutes = _field(words[0], "minute", 0, 59, {})
    hours = _field(words[1], "hour", 0, 23, {})
    days = _field(words[2], "day of the month", 1, 31, {})
    months = _field(words[3], "month", 1, 12, _MONTHS)
    weekdays = frozenset(day % 7 for day in _field(words[4], "day of the week", 0, 7, _DAYS))
    free = (words[2].startswith("*") and len(days) == 31, words[4].startswith("*") and len(weekdays) == 7)
    if free[1] and not free[0] and not any(min(days) <= _LONGEST_MONTHS[month - 1] for month in months):
        raise ValueError("No month that it names has that day.")
    return Cron(minutes, hours, None if free[0] else days, months, None if free[1] else weekdays)


def last_until(cron: Cron, now: datetime, after: datetime) -> datetime | None:
    """Return its newest time, in UTC, after one aware time and not after another; None where there is none."""
    zone = _zone(now)
    earliest = after.astimezone(zone).date() - timedelta(days=1)
    day = now.astimezone(zone).date() + timedelta(days=1)
    while day >= earliest:
        fitting = [at for at in _times(cron, day, zone) if after < at <= now.astimezone(UTC)]
        if fitting:
            return max(fitting)
        day -= timedelta(days=1)
    return None


def next_after(cron: Cron, now: datetime) -> datetime | None:
    """Return its first time, in UTC, after an aware time whose zone's clocks are meant; None where none ever comes."""
    zone = _zone(now)
    day = now.date() - timedelta(days=1)
    for _ in range(_HORIZON_DAYS):
        fitting = [at for at in _times(cron, day, zone) if at > now.astimezone(UTC)]
        if fitting:
            return min(fitting)
        day += timedelta(days=1)
    return None


def instants(day: date, at: time, zone: tzinfo) -> list[datetime]:
    """
    Return when clocks show a time of a day, in UTC: twice where they are set back over it, each in its order.

    A time that clocks skip is as long after the leap as it was meant after where it begins: 02:30 becomes 03:30.
    """
    found = [datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    return [found[0]] if found[1] <= found[0] else found


def _times(cron: Cron, day: date, zone: tzinfo) -> Iterator[datetime]:
    if not cron.is_on(day):
        return
    for hour in cron.hours:
        for minute in cron.minutes:
            found = instants(day, time(hour, minute), zone)
            # What is meant for each hour is for each that passes; what is meant for one hour of the day, once.
            yield from found if len(cron.hours) == 24 else found[:1]


def _zone(now: datetime) -> tzinfo:
    assert now.tzinfo is not None, "a time of day means nothing without its zone"
    return now.tzinfo


def _field(text: str, what: str, low: int, high: int, names: Mapping[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        bounds, slash, step = part.partition("/")
        stride = _number(step, what, 1, high, {}) if slash else 1
        first, dash, last = bounds.partition("-")
        read: Callable[[str], int] = lambda word: _number(word, what, low, high, names)  # noqa: E731
        begin, end = (low, high) if bounds == "*" else (read(first), read(last) if dash else read(first))
        if slash and not dash and bounds != "*":
            end = high
        # Sunday is 0 and 7 at once, so days of the week are counted on past it.
        span = high - low + (0 if names is _DAYS else 1)
        found |= {low + (value - low) % span for value in range(begin, end + 1 + (span if end < begin else 0), stride)}
    return frozenset(found)


def _number(word: str, what: str, low: int, high: int, names: Mapping[str, int]) -> int:
    if word in names:
        return names[word]
    if word.isascii() and word.isdecimal() and len(word) <= 4 and low <= int(word) <= high:
        return int(word)
    listed = f", or {', '.join(names)}" if names else ""
    raise ValueError(f"{word or '-'} is no {what}: those are {low} to {high}{listed}.")

"""Recurrence: when a job that is scheduled starts, and of one that comes again which time is due now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from service.cron import cron_of, last_until, next_after
from service.moments import instant, moment_of

#: What was missed, while nothing ran or somebody paused it, is made up so long after its time.
MADE_UP = timedelta(days=1)
#: Remembered times that are further ahead than this come from a clock that was wrong.
_WRONG_CLOCK = timedelta(hours=25)


@dataclass(frozen=True)
class Recurrence:
    """When a job is to start, in the words of its file."""

    start_at: str | None = None
    every: str | None = None

    def __bool__(self) -> bool:
        return self.start_at is not None or self.every is not None


@dataclass(frozen=True)
class Memory:
    """What is remembered of a job that comes again: its words, since when, its newest time that began."""

    every: str
    since: datetime
    fired: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """Which time is due now, None for none, and when the next one comes, None for never; both in UTC."""

    due: datetime | None
    following: datetime | None


def start_of(recurrence: Recurrence, now: datetime) -> datetime | None:
    """Return when a job is to start at the earliest, in UTC, by the clocks of the zone of `now`; None for at once."""
    assert now.tzinfo is not None
    return instant(moment_of(recurrence.start_at), now.tzinfo) if recurrence.start_at is not None else None


def remembered(recurrence: Recurrence, memory: Memory | None, now: datetime) -> Memory:
    """
    Return what is to be remembered of a job that comes again, from what was.

    With other words it begins anew, so that no time of the past becomes due. A clock that was far ahead is forgotten;
    one that is set back by an hour or a day begins nothing twice.
    """
    assert recurrence.every is not None
    if memory is None or memory.every != recurrence.every:
        # What began with the former words stays remembered: the same time may be among the new ones.
        return Memory(recurrence.every, now.astimezone(UTC), memory.fired if memory else None)
    limit = now.astimezone(UTC) + _WRONG_CLOCK
    if memory.since > limit:
        memory = replace(memory, since=now.astimezone(UTC))
    return replace(memory, fired=None) if memory.fired is not None and memory.fired > limit else memory


def judge(recurrence: Recurrence, memory: Memory, now: datetime) -> Verdict:
    """Return which time is due: of several that were missed only the newest, and none that is a day old."""
    assert recurrence.every is not None
    cron = cron_of(recurrence.every)
    begins = max(memory.since, memory.fired or memory.since)
    start = start_of(recurrence, now)
    if start is not None:
        # Its first time may be the start itself.
        begins = max(begins, start - timedelta(microseconds=1))
    due = last_until(cron, now, max(begins, now.astimezone(UTC) - MADE_UP))
    later = max(begins, now.astimezone(UTC)).astimezone(now.tzinfo)
    return Verdict(due, next_after(cron, later))

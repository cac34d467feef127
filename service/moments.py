"""Moments in words: "2026-12-01 22:00" by the clock of this machine, or with a zone of its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from service.cron import instants

_FORM = re.compile(
    r"(?P<day>2\d{3}-\d{2}-\d{2})(?:[ T]+(?P<time>\d{1,2}:\d{2}(?::\d{2})?)\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?",
    re.IGNORECASE,
)


def moment_of(text: str) -> datetime:
    """
    Read a day, or a day and a time, with or without a zone (Z, +01:00); a day alone is its midnight.

    The answer is aware only where the text says a zone. Raises ValueError with what is wrong as a sentence.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError("It is written as a day and a time.")
    clock = found["time"] or "00:00"
    clock = clock if clock.index(":") == 2 else f"0{clock}"
    zone = (found["zone"] or "").upper()
    try:
        return datetime.fromisoformat(f"{found['day']}T{clock}{zone}")
    except ValueError:
        raise ValueError("There is no such day, time or zone.") from None


def instant(moment: datetime, zone: tzinfo) -> datetime:
    """Return when a moment is, in UTC; without a zone of its own by the clocks of a zone, of two times the first."""
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return instants(moment.date(), moment.time(), zone)[0]

"""Which frames of a clip are looked at: pure arithmetic on frame times."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

#: A clip of up to this many frames is looked at whole.
WHOLE = 16
#: Of a longer one this many, spread evenly, first and last among them, and one more for each full second.
SPREAD = 8


def spread(count: int) -> list[int]:
    """Return the frame numbers that `count` frames of unknown times ask for: all, or eight spread evenly."""
    if count <= WHOLE:
        return list(range(count))
    return [round(step * (count - 1) / (SPREAD - 1)) for step in range(SPREAD)]


def positions(times_s: Sequence[float]) -> list[int]:
    """Return the frame numbers to look at, ascending; `times_s` are the frames' times, ascending from 0."""
    chosen = spread(len(times_s))
    if len(times_s) > WHOLE:
        chosen += [bisect_left(times_s, second) for second in range(1, int(times_s[-1]) + 1)]
    return sorted(set(chosen))

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


class Moments:
    """Which frames of an animation to look at, told one by one as they come: `spread`, and one for each full second."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._wanted = set(spread(count))
        self._shown_s = 0
        self.taken: set[int] = set()

    def take(self, number: int, time_s: float) -> bool:
        """Return whether this frame is one of them; ask for each frame once, in order."""
        new_second = self._count > WHOLE and int(time_s) > self._shown_s
        self._shown_s = max(self._shown_s, int(time_s))
        if new_second or number in self._wanted:
            self.taken.add(number)
            return True
        return False

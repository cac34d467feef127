"""Pace: when to look through the inbox again, soon where something moves and rarely where looking is costly."""

from __future__ import annotations

#: A look by the clock alone comes so often while something is going on.
_BUSY_S = 2.0
#: What has been quiet for a while is looked at after a tenth of it: nothing waits long by the measure of its absence.
_EASING = 10
#: Of its time, the daemon spends at most one part in so many on looking; more while something is going on.
_REST = 200
_BUSY_REST = 10


def next_look_s(
    *,
    polling: bool,
    rescan_s: float,
    look_took_s: float,
    changed_ago_s: float | None,
    due_s: float | None = None,
    busy: bool = False,
) -> float:
    """
    Return after how many seconds the whole inbox is to be looked through again if no event comes before.

    `polling`: no events can be trusted, so looks come every 2 s while `busy` (something settles, or waits for its
    files) or after a change, easing off to `rescan_s` the longer nothing has changed (`changed_ago_s`, None for never).
    With events it is `rescan_s`. `look_took_s` is what the last look cost in seconds of a core (time.thread_time):
    looking takes at most half a per cent of one at rest, 10 % while something is going on. `due_s`, when a file may be
    whole, is kept unless a look costs more than that.
    """
    wait_s = rescan_s
    if polling:
        quiet_s = float("inf") if changed_ago_s is None else changed_ago_s
        wait_s = min(rescan_s, _BUSY_S if busy else max(_BUSY_S, quiet_s / _EASING))
    active = busy or (changed_ago_s is not None and changed_ago_s < _BUSY_S * _EASING)
    wait_s = max(wait_s, look_took_s * (_BUSY_REST if active else _REST))
    return wait_s if due_s is None else min(wait_s, max(due_s, look_took_s))

"""Liveness: whether the threads of a daemon still move; pure, on a clock that its caller reads.

A thread beats each time it comes round. How long it may be silent is its own: whoever looks through a slow share takes
longer than whoever waits on a queue.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

#: A heartbeat is written this often, and a daemon whose newest is older than that many seconds is taken for stuck.
EVERY_S, STALE_S = 5.0, 60.0


@dataclass(frozen=True)
class Pulse:
    """How long ago a thread came round, and how long it may take for that, in seconds."""

    silent_s: float
    allowed_s: float

    @property
    def late(self) -> bool:
        """Whether it should have come round by now."""
        return self.silent_s > self.allowed_s


class Pulses:
    """The beats of the threads; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beats: dict[str, tuple[float, float]] = {}

    def beat(self, name: str, now_s: float, allowed_s: float) -> None:
        """Note that a thread has come round; it does so again within `allowed_s`."""
        with self._lock:
            self._beats[name] = (now_s, allowed_s)

    def at(self, now_s: float) -> dict[str, Pulse]:
        """Return each thread's pulse."""
        with self._lock:
            beats = dict(self._beats)
        return {name: Pulse(max(0.0, now_s - beat_s), allowed_s) for name, (beat_s, allowed_s) in sorted(beats.items())}


def late(pulses: Mapping[str, Pulse]) -> list[str]:
    """Return the threads that stand still."""
    return [name for name, pulse in pulses.items() if pulse.late]


def alive(pulses: Mapping[str, Pulse]) -> bool:
    """Return whether a service manager is to be told that all is well: threads there are, and none stands still."""
    return bool(pulses) and not late(pulses)

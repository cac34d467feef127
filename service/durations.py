"""Durations: what is known of earlier renders, as arithmetic: how long a node will take, and how long is too long.

A lap is how long one node took once. Jobs of one workflow differ in size, so laps of the same size are asked first, and
where there are none the nearest ones, scaled by what makes that kind of node slow. Medians and a high percentile:
one hiccup of a machine must not spoil what follows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import Any

#: What a whole render and what comes after it (fetched, verified, published) are called among the nodes.
WHOLE, AFTER = "", "after"
#: Of each node and size so many are kept: the newest.
KEPT = 12
#: A node that no earlier render worked on is no more than this part of the whole.
_UNSEEN_SHARE = 0.02
#: A server that is slower or faster today than it was counts so much; its first seconds say little.
_PACE_LEAST, _PACE_MOST, _PACE_PRIOR = 0.25, 4.0, 0.25
#: A node that overruns what it took before still has this part of that before it.
_OVERRUN = 0.05


class Growth(Enum):
    """What makes a node slower: nothing, or pixels times frames, or these times its steps."""

    FIXED = "fixed"
    PIXELS = "pixels"
    STEPS = "steps"


@dataclass(frozen=True)
class Size:
    """How much a job asks for: pixels times frames, and steps; each at least 1, which is said where nobody knows."""

    pixels: float = 1.0
    steps: float = 1.0

    @property
    def bucket(self) -> tuple[int, int]:
        """What jobs of nearly the same size share: a step is a fifth more."""
        return round(math.log2(self.pixels) * 4), round(math.log2(self.steps) * 4)

    def times(self, other: Size, growth: Growth) -> float:
        """Return how many times as long a node of this growth takes here as at the other size."""
        if growth is Growth.FIXED:
            return 1.0
        steps = _ratio(self.steps, other.steps) if growth is Growth.STEPS else 1.0
        return _ratio(self.pixels, other.pixels) * steps

    def apart(self, other: Size) -> int:
        """Return by how many fifths the two differ; what nobody knows of one of them makes no difference."""
        (pixels, steps), (other_pixels, other_steps) = self.bucket, other.bucket
        by_pixels = abs(pixels - other_pixels) if pixels and other_pixels else 0
        return by_pixels + (abs(steps - other_steps) if steps and other_steps else 0)


def _ratio(one: float, other: float) -> float:
    return one / other if one > 1 and other > 1 else 1.0


@dataclass(frozen=True)
class Lap:
    """One node's seconds in one successful render on one backend."""

    node: str
    class_type: str
    backend: str
    size: Size
    seconds: float


def size_of(settings: Mapping[str, Any], expected: Mapping[str, Any] | None = None) -> Size:
    """Return a job's size from its settings, and from what is expected of its result where they are silent."""
    pixels = 1.0
    for name in ("width", "height", "frames"):
        pixels *= _positive(settings.get(name)) or _positive((expected or {}).get(name)) or 1.0
    return Size(pixels, _positive(settings.get("steps")) or 1.0)


def _positive(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 1 else None


def likeliest(laps: Sequence[Lap], size: Size, growth: Growth, backend: str) -> list[float]:
    """Return what a node took before, scaled to this size: on this backend if it ever ran there, nearest size first.

    `laps` are one node's, the oldest first; empty where there are none.
    """
    own = [lap for lap in laps if lap.backend == backend] or list(laps)
    if not own:
        return []
    nearest = min(size.apart(lap.size) for lap in own)
    chosen = [lap for lap in own if size.apart(lap.size) == nearest][-KEPT:]
    return [lap.seconds * size.times(lap.size, growth) for lap in chosen]


def typical_s(seconds: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return median(seconds) if seconds else None


def p95_s(seconds: Sequence[float]) -> float | None:
    """Return what nineteen of twenty stay within (nearest rank), None of nothing."""
    if not seconds:
        return None
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]


def patience_s(seconds: Sequence[float], *, least_s: float, unknown_s: float) -> float:
    """Return how long a node may show no sign of life: five times its p95; `unknown_s` for one never seen."""
    longest_s = p95_s(seconds)
    return unknown_s if longest_s is None else max(least_s, 5 * longest_s)


def weights(typical: Mapping[str, float | None], defaults: Mapping[str, float]) -> dict[str, float]:
    """Return each node's expected seconds; those never seen get a small part, in proportion to their defaults.

    Where no node is known the defaults are returned as they are: shares of a whole, not seconds.
    """
    known = {node: seconds for node, seconds in typical.items() if seconds is not None and node in defaults}
    whole_s = sum(known.values())
    if not known:
        return dict(defaults)
    shares = sum(defaults[node] for node in known) or 1.0
    unseen = {node: share * whole_s / shares for node, share in defaults.items() if node not in known}
    most_s = whole_s * _UNSEEN_SHARE
    return {node: known.get(node, min(unseen.get(node, 0.0), most_s)) for node in defaults}


@dataclass(frozen=True)
class Plan:
    """What one job's render will be like; without history `render_s` is None and the weights are only shares."""

    weights: Mapping[str, float]
    #: All nodes together, if none is cached; None without history.
    render_s: float | None = None
    #: From its beginning on the server to its end there as renders of this size usually are, cached nodes and all.
    whole_s: float | None = None
    #: From the end of the render to the published result.
    after_s: float = 0.0

    def total_s(self) -> float | None:
        """Return how long the job takes from its sending on, None without history."""
        seconds = self.whole_s if self.whole_s is not None else self.render_s
        return None if seconds is None else seconds + self.after_s

    def left_s(self, done: float, since_s: float = 0.0, node: str | None = None, pace: float = 1.0) -> float | None:
        """Return the seconds that are left once `done` (0 to 1) of the weights is, None without history.

        `since_s` is how long ago that was: what `node` does without counting its steps goes on meanwhile.
        """
        if self.render_s is None:
            return None
        current_s = self.weights.get(node, 0.0) * pace if node is not None else 0.0
        render_s = self.render_s * (1 - min(max(done, 0.0), 1.0)) * pace
        went_s = min(since_s, current_s * (1 - _OVERRUN))
        return max(0.0, render_s - went_s) + self.after_s


def pace(measured: Mapping[str, float], expected: Mapping[str, float]) -> float:
    """Return how many times as long as expected the nodes so far took, drawn towards 1 while they are few."""
    done_s = sum(expected.get(node, 0.0) for node in measured)
    took_s = sum(seconds for node, seconds in measured.items() if node in expected)
    prior_s = _PACE_PRIOR * sum(expected.values())
    if done_s + prior_s <= 0:
        return 1.0
    return min(max((took_s + prior_s) / (done_s + prior_s), _PACE_LEAST), _PACE_MOST)


@dataclass
class Stopwatch:
    """Times the nodes of one render as their beginnings and ends are heard; what was not heard whole is not timed."""

    node_seconds: dict[str, float] = field(default_factory=dict)
    started_s: float | None = None
    _began_s: dict[str, float] = field(default_factory=dict)

    def start(self, now_s: float) -> None:
        """The server begins with the prompt, perhaps once more."""
        self.started_s, self.node_seconds, self._began_s = now_s, {}, {}

    def begin(self, node: str, now_s: float) -> None:
        """A node begins to work."""
        self._began_s = {node: now_s}

    def end(self, node: str, now_s: float) -> None:
        """A node that was heard to begin has ended."""
        began_s = self._began_s.pop(node, None)
        if began_s is not None:
            self.node_seconds[node] = self.node_seconds.get(node, 0.0) + max(0.0, now_s - began_s)

    def whole_s(self, now_s: float) -> float | None:
        """Return the seconds since the server began, None where that was not heard."""
        return None if self.started_s is None else max(0.0, now_s - self.started_s)


def of_node(laps: Collection[Lap], node: str, class_type: str) -> list[Lap]:
    """Return one node's laps; a node whose class was changed since is another one."""
    return [lap for lap in laps if lap.node == node and lap.class_type == class_type]

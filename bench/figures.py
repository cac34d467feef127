"""What was measured, and how it is shown: one row of a Markdown table for each figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: With fewer runs a 95th percentile is only the largest one.
_RUNS_FOR_P95 = 20
HEAD = "| what | runs | minimum | median | p95 | goal |\n| --- | ---: | ---: | ---: | ---: | --- |"


@dataclass(frozen=True)
class Goal:
    """What a figure shall stay under, in the figure's unit."""

    limit: float
    of_p95: bool = False


@dataclass(frozen=True)
class Figure:
    """One measured thing: its values in one unit (s, ms, µs, %, MB), one value a run."""

    what: str
    values: Sequence[float]
    unit: str
    goal: Goal | None = None

    def row(self) -> str:
        """Return the row of the table."""
        p95 = self._show(percentile(self.values, 0.95)) if len(self.values) >= _RUNS_FOR_P95 else ""
        lowest, middle = self._show(min(self.values)), self._show(statistics.median(self.values))
        lowest = lowest if len(self.values) > 1 else ""
        return f"| {self.what} | {len(self.values)} | {lowest} | {middle} | {p95} | {self._verdict()} |"

    def _verdict(self) -> str:
        if self.goal is None:
            return ""
        judged = percentile(self.values, 0.95) if self.goal.of_p95 else statistics.median(self.values)
        name = "p95 " if self.goal.of_p95 else ""
        return f"{name}under {self.goal.limit:g} {self.unit}: {'kept' if judged < self.goal.limit else 'MISSED'}"

    def _show(self, value: float) -> str:
        digits = 2 - math.floor(math.log10(value)) if value > 0 else 0
        return f"{value:.{min(max(digits, 0), 3)}f} {self.unit}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of all values doesn't exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]

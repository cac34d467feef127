"""Run the measurements one after another; each prints its rows of the table, standard error says what is at work."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bench import (
    crashes,
    crowds,
    drops,
    fifty,
    forecasts,
    giants,
    hanging,
    idle,
    machine,
    matrices,
    multitudes,
    orders,
    server,
    starts,
)
from bench.figures import HEAD, Figure

Measurement = Callable[[], list[Figure]]

_FULL: Mapping[str, Measurement] = {
    "drops": lambda: drops.measure_drop_to_submitted(40),
    "idle": lambda: idle.measure_idle(30),
    "renders": lambda: drops.measure_renders(5, 3),
    "start": lambda: starts.measure_start(3),
    "help": lambda: starts.measure_help(5),
    "demo": starts.measure_demo,
    "look": lambda: crowds.measure_look(5, 10_000) + crowds.measure_look(3, 100_000),
    "parse": lambda: crowds.measure_parse(5),
    "crowd": lambda: crowds.measure_crowd(1, 200),
    "multitude": lambda: multitudes.measure_multitude(10_000),
    "matrix": lambda: matrices.measure_matrix(3, 1_000),
    "lying": lambda: multitudes.measure_lying(100_000, 120),
    "hanging": lambda: hanging.measure_hanging(20),
    "loads": lambda: orders.measure_loads(20),
    "choices": lambda: orders.measure_choices(10_000, 30),
    "fifty": lambda: fifty.measure_fifty(50, 2),
    "forecasts": lambda: forecasts.measure_forecasts(10),
    "engine": lambda: server.measure_engine(200, 30),
    "giant": lambda: giants.measure_giant(5 * 10**9, 8),
    "kill": lambda: crashes.measure_kill_outside(3) + crashes.measure_kill_embedded(2),
}
#: The same with few runs, to see that everything works; its figures are worth little.
_QUICK: Mapping[str, Measurement] = {
    **_FULL,
    "drops": lambda: drops.measure_drop_to_submitted(5),
    "idle": lambda: idle.measure_idle(5),
    "renders": lambda: drops.measure_renders(1, 1),
    "start": lambda: starts.measure_start(1),
    "look": lambda: crowds.measure_look(1, 1_000),
    "crowd": lambda: crowds.measure_crowd(1, 20),
    "multitude": lambda: multitudes.measure_multitude(50),
    "matrix": lambda: matrices.measure_matrix(1, 100),
    "lying": lambda: multitudes.measure_lying(500, 5),
    "hanging": lambda: hanging.measure_hanging(3),
    "fifty": lambda: fifty.measure_fifty(5, 1),
    "forecasts": lambda: forecasts.measure_forecasts(2),
    "giant": lambda: giants.measure_giant(2 * 10**8, 4),
    "loads": lambda: orders.measure_loads(2),
    "choices": lambda: orders.measure_choices(500, 3),
    "kill": lambda: crashes.measure_kill_outside(1) + crashes.measure_kill_embedded(1),
}


def main() -> None:
    """Measure what was asked for, all of it unless named."""
    parser = argparse.ArgumentParser("python -m bench", description="Figures of speed, as one Markdown table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_FULL)}; all unless named")
    parser.add_argument("--quick", action="store_true", help="few runs, only to see that everything works")
    options = parser.parse_args()
    chosen = _QUICK if options.quick else _FULL
    if unknown := [name for name in options.names if name not in chosen]:
        parser.error(f"there is no measurement {unknown[0]}")
    began_s = time.perf_counter()
    print(f"{datetime.now(UTC):%Y-%m-%d}: {machine.describe()}\n\n{HEAD}", flush=True)
    for name in options.names or chosen:
        print(f"{time.perf_counter() - began_s:4.0f} s: {name}", file=sys.stderr, flush=True)
        for figure in chosen[name]():
            print(figure.row(), flush=True)
    print(f"\n{time.perf_counter() - began_s:.0f} s in all, load average {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()

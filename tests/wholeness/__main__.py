"""make storm: a thousand seeded schedules of each writer, place and family of kinds on the simulated disk.

    python -m tests.wholeness [--seeds 1000] [--first 0] [--workers 2]

Prints the table of docs/wholeness.md; exit code 1 if a job saw bytes that later changed though that is promised.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

from tests.wholeness.schedule import FAMILIES, PLACES, Tally, asking_real_files, combinations, tally
from tests.wholeness.writers import WRITERS


def main() -> int:
    """Run the schedules and print what became of them."""
    parser = argparse.ArgumentParser("python -m tests.wholeness")
    parser.add_argument("--seeds", type=int, default=1000, help="schedules of each combination (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=2, help="how many run side by side")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    began = time.monotonic()
    with ProcessPoolExecutor(options.workers) as pool:
        found = list(pool.map(partial(_tally, seeds=seeds), combinations()))
    _print_table(dict(zip(combinations(), found, strict=True)))
    schedules, looks = sum(each.runs for each in found), sum(each.looks for each in found)
    wrong = [line for each in found for line in each.wrong]
    took = f"{time.monotonic() - began:.0f} s"
    print(f"\n{schedules} schedules, {looks} looks, {len(wrong)} broken promises, {took}")
    for line in wrong:
        print(f"WRONG {line}")
    return 1 if wrong else 0


def _tally(combination: tuple[str, str, str], seeds: range) -> Tally:
    with tempfile.TemporaryDirectory(prefix="reeldrop-wholeness-") as folder:
        return tally(*combination, seeds, asking_real_files(Path(folder)))


def _print_table(found: dict[tuple[str, str, str], Tally]) -> None:
    """Print how many schedules of each writer ended beyond the promise; the rest saw finished bytes, or are WRONG."""
    columns = list(product(PLACES, FAMILIES))
    print(
        "| taken unfinished, beyond the promise |", " | ".join(f"{place}, {family}" for place, family in columns), "|"
    )
    print("| --- |", " | ".join("---:" for _ in columns), "|")
    for writer in WRITERS:
        cells = [found.get((writer, *column)) for column in columns]
        print(f"| {writer} |", " | ".join(str(cell.beyond) if cell else "" for cell in cells), "|")


if __name__ == "__main__":
    sys.exit(main())

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
from pathlib import Path

from tests.wholeness.schedule import Tally, asking_real_files, combinations, tally


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
    print(f"\n{schedules} schedules, {looks} looks, {time.monotonic() - began:.0f} s")
    wrong = [line for each in found for line in each.wrong]
    for line in wrong:
        print(f"WRONG {line}")
    return 1 if wrong else 0


def _tally(combination: tuple[str, str, str], seeds: range) -> Tally:
    with tempfile.TemporaryDirectory(prefix="reeldrop-wholeness-") as folder:
        return tally(*combination, seeds, asking_real_files(Path(folder)))


def _print_table(found: dict[tuple[str, str, str], Tally]) -> None:
    print("| writer | place | kinds | schedules | right | beyond the promise | broken promises | latest claim |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (writer, place, family), each in found.items():
        numbers = f"{each.runs} | {each.right} | {each.beyond} | {len(each.wrong)} | {each.latest_s:.1f} s"
        print(f"| {writer} | {place} | {family} | {numbers} |")


if __name__ == "__main__":
    sys.exit(main())

"""make storm, its second part: servers die, stay dead, lose what they answer, and race with whoever cancels.

    python -m tests.server_storm [--kinds kills,answers,…] [--seed 1] [--cases 3]

It needs many minutes, so it is no part of make test, which has a slice of each. Each case is noted in var/storm/ as it
ends, but for the simulated ones, which take seconds; the same command goes on where it was interrupted. With --cases
only so many cases of each kind are run.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.line.cancelling import race
from tests.line.interleaving import live_many
from tests.line.outliving import Ride, outlive_a_server, outlive_kills, outlive_lost_answers
from tests.line.world import ROOT

_JOBS = 50


@dataclass(frozen=True)
class Kind:
    """What happens in a case, given a folder and a seed of its own; and how many cases are the whole storm."""

    cases: int
    live: Callable[[Path, int], Ride]


KINDS: Mapping[str, Kind] = {
    # A server is killed once in the middle of each run, and 20 times in the middle of one.
    "kills": Kind(20, lambda folder, seed: outlive_kills(folder, seed, jobs=_JOBS, kills=1)),
    "often": Kind(1, lambda folder, seed: outlive_kills(folder, seed, jobs=_JOBS, kills=20)),
    "answers": Kind(20, lambda folder, seed: outlive_lost_answers(folder, seed, jobs=_JOBS)),
    "fleet": Kind(3, lambda folder, seed: outlive_a_server(folder, seed, jobs=_JOBS, moves_after_s=30)),
    "races": Kind(20, lambda folder, seed: race(folder, seed, jobs=_JOBS)),
}


#: Simulated servers live on a clock of their own: so many cases go by in seconds, with races to cancel or without.
SIMULATED: Mapping[str, tuple[int, bool]] = {"looks": (10_000, False), "cancels": (10_000, True)}
_SEEDS_APART = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """What became of a case, and what was wrong (nothing, it is hoped)."""

    kind: str
    seed: int
    ride: Ride | None
    wrong: str


def main() -> int:
    """Run what is left of the storm, print its table; exit code 1 if anything was wrong."""
    options = _options()
    # What the daemon says of its servers' deaths would drown what came of them.
    logging.getLogger("service").setLevel(logging.ERROR)
    notes = ROOT / "var" / "storm" / f"servers-{options.seed}.jsonl"
    notes.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="reeldrop-storm-"))
    print(f"seed {options.seed}; notes in {notes.relative_to(ROOT)}; what goes wrong stays in {folder}", flush=True)
    wanted = options.kinds.split(",")
    simulated = [kind for kind in wanted if kind in SIMULATED and not _simulate(kind, options.seed)]
    kinds = [kind for kind in wanted if kind in KINDS]
    cases = [(kind, options.seed + n) for kind in kinds for n in range(min(options.cases, KINDS[kind].cases))]
    outcomes = [outcome for outcome in _noted(notes) if (outcome.kind, outcome.seed) in cases]
    left = [case for case in cases if case not in {(outcome.kind, outcome.seed) for outcome in outcomes}]
    print(f"{len(cases)} cases, {len(left)} of them left", flush=True)
    began = time.monotonic()
    for kind, seed in left:
        outcome = _judge(kind, seed, folder / f"{kind}-{seed}")
        outcomes.append(outcome)
        with notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        print(outcome, flush=True)
    if cases:
        _print_table(outcomes, time.monotonic() - began)
    if simulated or any(outcome.wrong for outcome in outcomes):
        return 1
    shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.server_storm")
    parser.add_argument("--kinds", default=",".join([*SIMULATED, *KINDS]), help="what happens (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws what happens when")
    parser.add_argument("--cases", type=int, default=sys.maxsize, help="at most so many of each kind")
    return parser.parse_args()


def _simulate(kind: str, seed: int) -> bool:
    """Live the simulated cases of a kind and say what came of them; return whether nothing was wrong."""
    cases, races = SIMULATED[kind]
    lived = live_many(seed * _SEEDS_APART, cases, races=races)
    ends = ", ".join(f"{count} {end}" for end, count in sorted(lived.ends.items()))
    print(
        f"{kind}: {lived.cases} cases, {ends}; {lived.losses} losses, noticed within {lived.latest_loss_s} s; "
        f"{len(lived.wrong)} wrong {dict(list(lived.wrong.items())[:5]) or ''}",
        flush=True,
    )
    return not lived.wrong


def _judge(kind: str, seed: int, folder: Path) -> Outcome:
    try:
        ride = KINDS[kind].live(folder, seed)
    except Exception:  # noqa: BLE001  whatever went wrong, the other cases are of interest all the same
        return Outcome(kind, seed, None, traceback.format_exc()[-1500:])
    shutil.rmtree(folder, ignore_errors=True)
    return Outcome(kind, seed, ride, "")


def _noted(notes: Path) -> list[Outcome]:
    if not notes.exists():
        return []
    found = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
    return [Outcome(**{**each, "ride": each["ride"] and Ride(**each["ride"])}) for each in found]


def _print_table(outcomes: list[Outcome], seconds: float) -> None:
    columns = ("jobs", "videos", "kills", "retried", "prompts", "cancelled", "others", "seconds")
    print(f"\n| what | cases | right | {' | '.join(columns)} |")
    print(f"| --- |{' ---: |' * (len(columns) + 2)}")
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.kind == kind]
        rides = [outcome.ride for outcome in mine if outcome.ride]
        sums = [f"{sum(getattr(ride, column) for ride in rides):g}" for column in columns]
        print(f"| {kind} | {len(mine)} | {len(rides)} | {' | '.join(sums)} |")
    print(f"\n{seconds / 60:.1f} minutes for this run")
    for outcome in outcomes:
        if outcome.wrong:
            print(f"WRONG {outcome}")


if __name__ == "__main__":
    sys.exit(main())

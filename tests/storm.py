"""make storm: kill -9 before effect 1, 2, 3 … of each kind of drop, start again, and compare what there is.

    python -m tests.storm [--kinds text,image,…] [--twice] [--seed 1] [--workers 2]

It needs minutes, so it is no part of make test. Each case is noted in var/storm/ as it ends; the same command goes on
where it was interrupted. With --twice the next life is killed too, before an effect of its own that the seed draws.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from service.comfy.embedded import EmbeddedEngine
from tests.faults.crash import OUTLIVED
from tests.line.crashing import KINDS, Scene
from tests.line.world import ROOT

#: Threads interleave anew in each run, so a life may have some effects more than the one that was counted.
_MARGIN = 5
_RECOVERY_EFFECTS = 40
#: All but the one that takes long.
_KINDS = [kind for kind in KINDS if kind not in ("shown", "long")]


@dataclass(frozen=True)
class Case:
    """One drop and the effect before which its first life ends; `again` is the same for the second life, 0 for none."""

    kind: str
    number: int
    again: int


@dataclass(frozen=True)
class Outcome:
    """What became of a case: where its lives ended, and what was wrong in the end (nothing, it is hoped)."""

    case: Case
    died_at: tuple[str, ...]
    renders: int
    seconds: float
    wrong: str


def main() -> int:
    """Run what is left of the storm, print its table; exit code 1 if anything was wrong."""
    options = _options()
    seed: int = options.seed
    name = f"{options.kinds}-{'twice' if options.twice else 'once'}-{seed}".replace(",", "+")
    notes = ROOT / "var" / "storm" / f"{name}.jsonl"
    notes.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="reeldrop-storm-"))
    print(f"seed {seed}; notes in {notes.relative_to(ROOT)}; folders of what goes wrong stay in {folder}", flush=True)
    cases = _cases(options.kinds.split(","), options.twice, random.Random(seed), folder)
    outcomes = _noted(notes)
    left = [case for case in cases if case not in {outcome.case for outcome in outcomes}]
    print(f"{len(cases)} cases, {len(left)} of them left", flush=True)
    began = time.monotonic()
    outcomes += _run(left, options.workers, folder, notes)
    _print_table(outcomes, time.monotonic() - began)
    if any(outcome.wrong for outcome in outcomes):
        return 1
    shutil.rmtree(folder)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.storm")
    parser.add_argument("--kinds", default=",".join(_KINDS), help="what is dropped (default: %(default)s)")
    parser.add_argument("--twice", action="store_true", help="kill the second life too")
    parser.add_argument("--seed", type=int, default=1, help="orders the cases and draws the second deaths")
    parser.add_argument("--workers", type=int, default=2, help="how many daemons run side by side")
    return parser.parse_args()


def _cases(kinds: Iterable[str], twice: bool, chance: random.Random, folder: Path) -> list[Case]:
    """Count the effects of an undisturbed life of each kind; every one of them is a case."""
    cases: list[Case] = []
    with _Server(folder / "count") as url:
        for kind in kinds:
            scene = Scene(folder / f"count-{kind}", kind, url)
            effects = len(scene.finish().effects)
            scene.check()
            print(f"{kind}: {effects} effects", flush=True)
            cases += [Case(kind, number, 0) for number in range(1, effects + _MARGIN + 1)]
    # Drawn in a fixed order, for the same seed must give the same cases.
    if twice:
        cases = [Case(case.kind, case.number, chance.randint(1, _RECOVERY_EFFECTS)) for case in cases]
    chance.shuffle(cases)
    return cases


class _Server:
    """An engine outside every daemon."""

    def __init__(self, folder: Path) -> None:
        self._engine = EmbeddedEngine(folder, ROOT / "models" / "models.yaml")

    def __enter__(self) -> str:
        return self._engine.start()

    def __exit__(self, *_: object) -> None:
        self._engine.stop()


def _run(cases: Iterable[Case], workers: int, folder: Path, notes: Path) -> list[Outcome]:
    left: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        left.put(case)
    outcomes: list[Outcome] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        with _Server(folder / f"server-{number}") as url:
            while True:
                try:
                    case = left.get_nowait()
                except queue.Empty:
                    return
                outcome = _judge(case, folder / f"{case.kind}-{case.number}-{case.again}", url)
                with lock, notes.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(outcome)) + "\n")
                    outcomes.append(outcome)
                    if outcome.wrong or len(outcomes) % 25 == 0:
                        print(f"{len(outcomes)} done {outcome.wrong and outcome}", flush=True)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def _judge(case: Case, folder: Path, url: str) -> Outcome:
    began = time.monotonic()
    scene = Scene(folder, case.kind, url)
    wrong = ""
    try:
        _live(scene, case)
        scene.check()
    except (AssertionError, LookupError, OSError, ValueError, sqlite3.Error):
        wrong = traceback.format_exc()[-800:]
    else:
        shutil.rmtree(folder)
    died_at = tuple(life.last for life in scene.lives if life.killed)
    return Outcome(case, died_at, scene.posted() - scene.posted_before, round(time.monotonic() - began, 1), wrong)


def _live(scene: Scene, case: Case) -> None:
    for fuel in (case.number, case.again):
        if fuel:
            life = scene.run(str(fuel))
            if life.code in {0, OUTLIVED}:
                return
            assert life.killed, f"a life ended with {life.code} at {life.last}"
    scene.finish()


def _noted(notes: Path) -> list[Outcome]:
    if not notes.exists():
        return []
    found = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
    return [Outcome(**{**each, "case": Case(**each["case"]), "died_at": tuple(each["died_at"])}) for each in found]


def _print_table(outcomes: list[Outcome], seconds: float) -> None:
    print("\n| drop | cases | kills | effects died at | ended right | prompts sent per job |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for kind in dict.fromkeys(outcome.case.kind for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.case.kind == kind]
        kills = [place for outcome in mine for place in outcome.died_at]
        renders = Counter(outcome.renders / len(KINDS[kind].jobs) for outcome in mine)
        sent = ", ".join(f"{count:g} in {cases}" for count, cases in sorted(renders.items()))
        right = sum(not outcome.wrong for outcome in mine)
        print(f"| {kind} | {len(mine)} | {len(kills)} | {len(set(kills))} | {right} | {sent} |")
    print(f"\n{seconds / 60:.1f} minutes for this run; slowest case {max(o.seconds for o in outcomes):.0f} s")
    for outcome in outcomes:
        if outcome.wrong:
            print(f"WRONG {outcome}")


if __name__ == "__main__":
    sys.exit(main())

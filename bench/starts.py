"""How long it takes to begin: the daemon, the shortest command, the demo."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, Goal
from bench.site import ROOT, TINY, Site, engine_of, remembering, temporary_folder

_DEMO_DEADLINE_S = 120.0
_DEMO_GOAL = Goal(60)


def measure_start(runs: int) -> list[Figure]:
    """Time from starting `daemon.py run` until the job that lies in its fresh inbox begins on the embedded engine."""
    took = []
    for _ in range(runs):
        with Site.make() as site:
            site.text_job("first", TINY)
            began_at = time.time()
            with site.running() as daemon, remembering(engine_of(daemon)) as moment:
                site.wait_for_done("text-to-video/first")
                took.append(moment(site.prompt_of("first"), "execution_start") - began_at)
    return [Figure("`daemon.py run`, cold, until the first drop runs on the embedded engine", took, "s")]


def measure_help(runs: int) -> list[Figure]:
    """Time `daemon.py --help`."""
    return [Figure("`daemon.py --help`", [_time("--help") for _ in range(runs)], "s")]


def measure_demo() -> list[Figure]:
    """Time `daemon.py demo`, in a folder that has no demo yet and again in the same folder."""
    with temporary_folder() as folder:
        for name in ("workflows", "models"):
            shutil.copytree(ROOT / name, folder / name)
        config = folder / "config.yaml"
        config.write_text("", encoding="utf-8")
        first, second = (_time("demo", "--config", config) for _ in range(2))
    return [
        Figure("`daemon.py demo`, first run", [first], "s", _DEMO_GOAL),
        Figure("`daemon.py demo`, second run", [second], "s", _DEMO_GOAL),
    ]


def _time(*arguments: str | Path) -> float:
    began_s = time.perf_counter()
    subprocess.run(
        [sys.executable, ROOT / "daemon.py", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=_DEMO_DEADLINE_S,
    )
    return time.perf_counter() - began_s

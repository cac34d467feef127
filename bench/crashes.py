"""How long a job stands still when the daemon is killed and started again at once."""

from __future__ import annotations

import time

from bench.figures import Figure
from bench.record import Recorder
from bench.site import Site, engine, engine_of, remembering
from tests.faults.process import Process

#: Renders for some seconds, so that it is still running at a server outside when the new daemon comes.
_LONG = "frames: 24\nsteps: 50\n"
_SHORT = "frames: 16\nsteps: 30\n"
_JOB = "text-to-video/job"


def measure_kill_outside(runs: int) -> list[Figure]:
    """Kill the daemon while a server outside renders; time until the next daemon follows that same prompt."""
    return [Figure("`kill -9` and start: the prompt at a server outside is followed again", _outside(runs), "s")]


def measure_kill_embedded(runs: int) -> list[Figure]:
    """Kill the daemon, and its engine with it, while that renders; time until the prompt runs again from its start."""
    return [Figure("`kill -9` and start: the prompt runs anew on the embedded engine", _embedded(runs), "s")]


def _outside(runs: int) -> list[float]:
    took = []
    for _ in range(runs):
        with engine() as url, Recorder(url) as server, Site.make(server.url) as site:
            _kill_while_rendering(site, _LONG)
            killed_s = time.perf_counter()
            with site.running():
                took.append(server.arrival("GET /queue", killed_s) - killed_s)
                site.wait_for_done(_JOB)
            assert server.prompts_sent == 1, "the prompt was sent twice"
    return took


def _embedded(runs: int) -> list[float]:
    took = []
    for _ in range(runs):
        with Site.make() as site:
            _kill_while_rendering(site, _SHORT)
            killed_at = time.time()
            with site.running() as daemon, remembering(engine_of(daemon)) as moment:
                site.wait_for_done(_JOB)
                took.append(moment(site.prompt_of("job"), "execution_start") - killed_at)
    return took


def _kill_while_rendering(site: Site, settings: str) -> None:
    site.text_job("job", settings)
    with site.process() as daemon:
        _wait_for_progress(site, daemon)
        daemon.kill()


def _wait_for_progress(site: Site, daemon: Process) -> None:
    daemon.wait_until(lambda: site.status(_JOB).get("progress", 0) > 0.02, 30, "the job makes progress")

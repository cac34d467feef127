"""From the drop to the server, and from the server's last word to the published video."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bench.figures import Figure, Goal
from bench.record import Recorder
from bench.site import TINY, Site, engine, remembering

_MOST_PAUSE_S = 0.3


def measure_drop_to_submitted(runs: int) -> list[Figure]:
    """Time from the rename of a job file into the inbox until POST /prompt reaches the server, one drop at a time."""
    pauses = random.Random(1)
    took: list[float] = []
    with engine() as url, Recorder(url) as server, Site.make(server.url) as site, site.running():
        for run in range(-2, runs):  # the first two drops find everything cold: start-up is a figure of its own
            name = f"drop{run}"
            _, dropped_s = site.text_job(name, TINY)
            if run >= 0:
                took.append(server.arrival("POST /prompt", dropped_s) - dropped_s)
            site.wait_for_done(f"text-to-video/{name}")
            # So that drops fall anywhere between two looks of the daemon.
            time.sleep(pauses.uniform(0, _MOST_PAUSE_S))
    return [Figure("drop (rename) until `POST /prompt` reaches the server", took, "s", Goal(0.5, of_p95=True))]


def measure_renders(text_runs: int, image_runs: int) -> list[Figure]:
    """Time default jobs of both workflows: drop to done, the engine's part, and from its end to the published video."""
    with engine() as url, remembering(url) as moment, Site.make(url) as site, site.running():
        site.text_job("warm", TINY)
        site.wait_for_done("text-to-video/warm")
        text = [_render(site, moment, "text-to-video", f"text{run}") for run in range(text_runs)]
        image = [_render(site, moment, "image-to-video", f"image{run}") for run in range(image_runs)]
    figures = []
    for title, times in (("text_to_video_basic, 512x512x16", text), ("image_to_video_svd, 1024x576x25", image)):
        whole, engines, endings = zip(*times, strict=True)
        figures += [
            Figure(f"{title}: drop to done", whole, "s"),
            Figure(f"{title}: of that, the engine's own time", engines, "s"),
            Figure(f"{title}: prompt's end at the server to done", endings, "s"),
        ]
    return figures


def _render(site: Site, moment: Callable[[str, str], float], task: str, name: str) -> tuple[float, float, float]:
    """Return the seconds from drop to done, from the prompt's start to its end, and from its end to done."""
    dropped_at, _ = site.text_job(name) if task == "text-to-video" else site.drop_photo(name)
    done_at = site.wait_for_done(f"{task}/{name}")
    prompt_id = site.prompt_of(name)
    started_at = moment(prompt_id, "execution_start")
    ended_at = moment(prompt_id, "execution_success")
    return done_at - dropped_at, ended_at - started_at, done_at - ended_at

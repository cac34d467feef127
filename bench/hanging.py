"""What a file over which a decoder hangs costs the jobs beside it."""

from __future__ import annotations

import time
from pathlib import Path

from PIL import Image

from bench.figures import Figure, Goal
from bench.site import TINY, engine, temporary_folder, wait_until
from tests.line.odd.decoders import Hanging
from tests.line.world import World, picture
from tests.marker_classifier import MARKER


def measure_hanging(runs: int) -> list[Figure]:
    """Time jobs without media from drop to queued: alone, then while the decoder hangs over a photo."""
    with engine() as url, temporary_folder() as folder:
        world = World(folder, url)
        world.classifier = Hanging(folder)
        with world:
            alone = [_queue_one(world, f"alone{run}") for run in range(-2, runs)][2:]
            world.drop("image-to-video/bad.png", picture(Image.new("RGB", (64, 64), MARKER), "PNG"))
            world.drop("image-to-video/bad.yaml", "seed: 1\n")
            wait_until((folder / "hangs").exists, 30, "the decoder hangs")
            beside = [_queue_one(world, f"beside{run}") for run in range(runs)]
            hung = world.status("image-to-video/bad")["state"] == "waiting"
            (folder / "go").touch()
    if not hung:
        raise RuntimeError("the decoder no longer hung when the last job was queued")
    later = [max(0.0, with_it - without) for with_it, without in zip(sorted(beside), sorted(alone), strict=True)]
    return [
        Figure("job without media: drop to queued, nothing else there", alone, "s"),
        Figure("the same while a decoder hangs over a photo", beside, "s"),
        Figure("so much later (slowest beside slowest, and so on)", later, "s", Goal(1.0, of_p95=True)),
    ]


def _queue_one(world: World, name: str) -> float:
    status: Path = world.config.output_dir / f"text-to-video/{name}.status.json"
    began_s = time.perf_counter()
    world.drop(f"text-to-video/{name}.yaml", f"prompt: a harbour, take {name}\n{TINY}")
    wait_until(lambda: status.exists() and world.status(f"text-to-video/{name}")["state"] != "waiting", 30, name)
    return time.perf_counter() - began_s

"""Settings through the whole line: sliders, LoRAs, alternatives, wildcards and matrices become videos that say so."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.line.world import SMALL, World
from tests.workflows import OUTSIDE


@pytest.fixture
def world(tmp_path: Path, engine_outside: str) -> Iterator[World]:
    library = tmp_path / "library"
    shutil.copytree(OUTSIDE, library)
    (library / "wildcards").mkdir(exist_ok=True)
    (library / "wildcards" / "hue.txt").write_text("red\n{dark|light} blue\n")
    keys = {"age_slider_default": 0.1, "age_slider_range": [-0.5, 1], "max_cells": 3}
    world = World(tmp_path / "world", engine_outside, workflows_dir=str(library), **keys)
    yield world
    world.stop()


@pytest.mark.skipif("COMFY_URL" in os.environ, reason="a true server has no slider files")
def test_sliders_are_rendered_with_and_told(world: World):
    with world:
        world.drop("text-to-video/old.yaml", f"prompt: a harbour\n{SMALL}sliders: {{body: -0.5}}\n")
        status = world.until_state("text-to-video/old", "done", "failed", "rejected")
        assert (status["state"], status["error"]) == ("done", None)
        assert status["settings"]["sliders"] == {"age": 0.1, "body": -0.5}
        world.drop("text-to-video/young.yaml", f"prompt: a harbour\n{SMALL}sliders: {{age: -0.6}}\n")
        refused = world.until_state("text-to-video/young", "rejected")
    assert "age_slider_range" in refused["error"]["fix"]


def test_a_prompt_is_told_as_it_was_rendered_and_runs_again_as_it_was(world: World):
    with world:
        world.drop("text-to-video/boat.yaml", f"prompt: a __hue__ boat \\{{x|y\\}}, {{dawn|dusk}}\n{SMALL}")
        first = world.until_state("text-to-video/boat", "done")
        prompt = first["settings"]["prompt"]
        assert prompt.startswith(("a red boat {x|y}, d", "a dark blue boat {x|y}, d", "a light blue boat {x|y}, d"))
        world.drop("text-to-video/again.status.json", json.dumps(first))
        again = world.until_state("text-to-video/again", "done")
    assert again["settings"] == first["settings"]


def test_wildcards_are_followed_while_the_daemon_runs(world: World):
    with world:
        world.drop("text-to-video/a.yaml", f"prompt: a __fish__\n{SMALL}")
        assert "hue" in world.until_state("text-to-video/a", "rejected")["error"]["fix"]
        (Path(world.config.workflows_dir) / "wildcards" / "fish.txt").write_text("pike\n")
        assert world.app is not None
        world.until(lambda: "fish" in world.app.library.now().wildcards, "the new wildcard")
        world.drop("text-to-video/b.yaml", f"prompt: a __fish__\n{SMALL}")
        assert world.until_state("text-to-video/b", "done")["settings"]["prompt"] == "a pike"


def test_the_operator_bounds_what_a_drop_may_ask_for(world: World):
    with world:
        world.drop("text-to-video/many.yaml", f"prompt: a\n{SMALL}matrix: {{cfg: [5, 6]}}\ncount: 2\n")
        refused = world.until_state("text-to-video/many", "rejected")
        world.drop("text-to-video/few.yaml", f"prompt: a\n{SMALL}matrix: {{cfg: [5, 6]}}\n")
        done = world.until_state("text-to-video/few", "done")
    assert "4 jobs, and one file may ask for 3" in refused["error"]["title"]
    assert done["jobs"]["states"] == {"done": 2}

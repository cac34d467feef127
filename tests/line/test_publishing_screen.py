"""Without the nudity screen nothing is sent; every job holds, says why, and goes on by itself."""

from __future__ import annotations

import os
from pathlib import Path

from service.errors import Unavailable
from tests.faults.proxy import Proxy
from tests.line.world import SMALL, World
from tests.marker_classifier import MarkerClassifier

CUP = f"prompt: a cup\n{SMALL}"


class Absent(MarkerClassifier):
    """A screen whose model is missing until a file appears; the examiners' children see the same environment."""

    def __init__(self) -> None:
        if not Path(os.environ["MODEL_OF_THE_TEST"]).exists():
            raise Unavailable("screening_missing", "The nudity screen's model file is missing.", "Install it again.")


def test_without_the_screen_every_job_holds_before_it_is_sent(tmp_path: Path, engine_outside: str, monkeypatch):
    model = tmp_path / "model"
    monkeypatch.setenv("MODEL_OF_THE_TEST", str(model))
    with Proxy(engine_outside) as proxy:
        world = World(tmp_path / "world", proxy.url)
        world.classifier = Absent
        with world:
            world.drop("text-to-video/cup.yaml", CUP)
            world.drop("text-to-video/mug.yaml", CUP)
            world.until_hold("text-to-video/cup", "screening_missing")
            world.until_hold("text-to-video/mug", "screening_missing")
            assert world.status("text-to-video/cup")["state"] == "queued"
            assert proxy.prompts_sent == 0
            model.touch()
            world.until_state("text-to-video/cup", "done")
            status = world.until_state("text-to-video/mug", "done")
    assert status["hold"] is None
    assert proxy.prompts_sent == 2


def test_without_the_screen_a_lost_job_is_not_sent_again(tmp_path: Path, engine_outside: str, monkeypatch):
    model = tmp_path / "model"
    model.touch()
    monkeypatch.setenv("MODEL_OF_THE_TEST", str(model))
    with Proxy(engine_outside) as proxy:
        world = World(tmp_path / "world", proxy.url)
        world.classifier = Absent
        with world:
            proxy.lose_request("/prompt", 1)
            world.app.publishing.ready()
            examiner = world.app.publishing._examiner
            world.drop("text-to-video/cup.yaml", CUP)
            world.until(lambda: ("POST", "/prompt") in proxy.requests, "the first try")
            model.unlink()
            examiner.stop()
            examiner.start()
            world.until_hold("text-to-video/cup", "screening_missing")
            assert proxy.prompts_sent == 0
            model.touch()
            world.until_state("text-to-video/cup", "done")
    assert proxy.prompts_sent == 1


def test_a_disk_that_can_not_be_read_holds_its_job(tmp_path: Path, engine_outside: str):
    world = World(tmp_path, engine_outside)
    with world:
        results = world.app.publishing._results
        files, broken = results.files, [True]

        def read(*arguments):
            if broken:
                raise PermissionError(13, "Permission denied", "/a/b/secret/cup.png")
            return files(*arguments)

        results.files = read
        world.drop("text-to-video/cup.yaml", CUP)
        hold = world.until_hold("text-to-video/cup", "not_writable")
        assert "cup.png" in hold["title"]
        assert "/a/b" not in str(world.status("text-to-video/cup"))
        broken.clear()
        assert world.until_state("text-to-video/cup", "done")["hold"] is None

"""Stopping in the middle of a delivery takes a moment, and the next start finishes the job."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.line.world import SMALL, World
from tests.media.test_delivery import sleeping_ffmpeg
from tests.workflows import OUTSIDE


def test_stopping_does_not_wait_for_a_delivery(tmp_path: Path, engine_outside: str, monkeypatch: pytest.MonkeyPatch):
    note = tmp_path / "pid"
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{sleeping_ffmpeg(tmp_path / 'bin', note)}{os.pathsep}{path}")
    # Plain tracks are copied in a moment; what has to be encoded anew is done by an ffmpeg.
    workflows = tmp_path / "workflows"
    shutil.copytree(OUTSIDE, workflows)
    graph = workflows / "text_to_video_basic.json"
    graph.write_text(graph.read_text().replace("video/h264-mp4", "video/webm"))
    world = World(tmp_path / "world", engine_outside, workflows_dir=str(workflows))
    world.start()
    world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}")
    world.until(note.exists, "a delivery")
    assert world.app is not None
    began_s = time.monotonic()
    world.app.publishing.stop()
    world.stop()
    assert time.monotonic() - began_s < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    status = world.status("text-to-video/cup")
    assert (status["state"], status["hold"]) == ("running", None)
    monkeypatch.setenv("PATH", path)
    with world:
        world.until_state("text-to-video/cup", "done")
    assert world.outbox() == ["text-to-video/cup.mp4", "text-to-video/cup.status.json"]

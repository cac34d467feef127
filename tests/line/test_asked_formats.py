"""What a job asks of its result's file is what lies in the outbox, and what its status says."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.media import clips
from tests.line.world import SMALL, World


@pytest.mark.parametrize(
    ("wish", "ending", "codec"),
    [
        ("{format: webm}", "webm", "vp9"),
        ("{format: mov, codec: prores}", "mov", "prores"),
        ("{format: gif}", "gif", "gif"),
        ("{format: webp}", "webp", "webp"),
        ("{codec: hevc, crf: 30, fps: 24}", "mp4", "hevc"),
    ],
)
def test_a_result_is_in_the_format_that_its_job_asks_for(world: World, wish: str, ending: str, codec: str) -> None:
    with world:
        world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}output: {wish}\n")
        status = world.until_state("text-to-video/cup", "done", "failed")
        world.until_returned("done/text-to-video/cup.yaml")
    assert (status["state"], status["error"]) == ("done", None)
    (output,) = status["outputs"]
    assert (output["file"], output["codec"]) == (f"cup.{ending}", codec)
    assert output["fps"] == pytest.approx(24 if "fps" in wish else 12, rel=0.1)
    assert set(world.outbox()) == {f"text-to-video/cup.{ending}", "text-to-video/cup.status.json"}
    tags = {
        key.lower(): value
        for key, value in clips.tags(world.config.output_dir / "text-to-video" / f"cup.{ending}").items()
    }
    assert tags["ai_generated"] == "true"
    assert tags["reeldrop_job"] == status["job"]


def test_the_configuration_says_what_jobs_leave_open(tmp_path: Path, engine_outside: str) -> None:
    with World(tmp_path, engine_outside, video_format="webm", video_codec="libx265") as world:
        world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}")
        world.drop("text-to-video/own.yaml", f"prompt: a cup\n{SMALL}output: {{format: mp4}}\n")
        (output,) = world.until_state("text-to-video/cup", "done")["outputs"]
        (own,) = world.until_state("text-to-video/own", "done")["outputs"]
    assert (output["file"], output["codec"]) == ("cup.webm", "vp9")
    assert (own["file"], own["codec"]) == ("own.mp4", "hevc")


def test_a_video_of_ours_in_another_format_runs_its_job_again(world: World) -> None:
    with world:
        world.drop("text-to-video/cup.yaml", f"prompt: a cup\n{SMALL}output: {{format: webm}}\n")
        world.until_state("text-to-video/cup", "done")
        made = (world.config.output_dir / "text-to-video" / "cup.webm").read_bytes()
        world.drop("text-to-video/again.webm", made)
        status = world.until_state("text-to-video/again", "done", "failed", "rejected")
    assert (status["state"], status["outputs"][0]["file"]) == ("done", "again.webm")

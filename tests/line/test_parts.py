"""A video that is too long for one prompt is rendered in parts, and comes out as one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import pytest

from tests.faults.proxy import Proxy
from tests.line.world import World
from tests.media.drawing import brighter, clip
from tests.workflows import OUTSIDE, PARTED


@pytest.fixture
def library(tmp_path: Path) -> str:
    shutil.copytree(OUTSIDE, tmp_path / "library")
    return str(shutil.copytree(PARTED, tmp_path / "library", dirs_exist_ok=True))


def long_clip(folder: Path, frames: int = 40, *, audio: bool = True) -> bytes:
    return clip(folder / "long.mp4", frames=frames, draw=brighter, audio=audio).read_bytes()


def brightness(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)]


def in_order(found: list[int]) -> bool:
    return all(one < other for one, other in pairwise(found))


def test_its_parts_are_joined_with_its_own_sound(tmp_path: Path, engine_outside: str, library: str):
    with Proxy(engine_outside) as proxy, World(tmp_path / "world", proxy.url, workflows_dir=library) as world:
        world.drop("long-clip/cup.mp4", long_clip(tmp_path))
        status = world.until_state("long-clip/cup", "done", "failed", "rejected")
        assert (status["state"], proxy.prompts_sent) == ("done", 3), status["error"]
        made = world.config.output_dir / "long-clip" / "cup.mp4"
        found = brightness(made)
        assert (len(found), in_order(found)) == (40, True)
        (output,) = status["outputs"]
        assert (output["frames"], output["audio"], output["fps"]) == (40, True, 12)
        assert "40 frames are rendered in 3 parts of at most 14, then joined" in status["adjusted"]
        assert status["attempt"] == 1
        world.until_returned("done/long-clip/cup.mp4")
        world.until(lambda: not list((world.config.state_dir / "work").iterdir()), "its work folder to go")
    stages = [job.stage for job in world.changes if job.name == "cup"]
    assert any(stage.startswith("part 2 of 3: ") for stage in stages)
    progress = [job.progress for job in world.changes if job.name == "cup"]
    assert progress == sorted(progress)
    assert len({job.started_at for job in world.changes if job.name == "cup" and job.started_at}) == 1


def test_a_video_that_fits_into_one_prompt_is_left_whole(tmp_path: Path, engine_outside: str, library: str):
    with Proxy(engine_outside) as proxy, World(tmp_path / "world", proxy.url, workflows_dir=library) as world:
        world.drop("long-clip/cup.mp4", long_clip(tmp_path, 16, audio=False))
        status = world.until_state("long-clip/cup", "done", "failed", "rejected")
        assert (status["state"], proxy.prompts_sent, status["adjusted"]) == ("done", 1, []), status["error"]
        assert len(brightness(world.config.output_dir / "long-clip" / "cup.mp4")) == 16


def test_as_many_frames_as_a_job_asks_for_are_rendered(tmp_path: Path, engine_outside: str, library: str):
    with Proxy(engine_outside) as proxy, World(tmp_path / "world", proxy.url, workflows_dir=library) as world:
        world.drop("long-clip/cup.mp4", long_clip(tmp_path))
        world.drop("long-clip/cup.yaml", "frames: 20\n")
        status = world.until_state("long-clip/cup", "done", "failed", "rejected")
        assert (status["state"], proxy.prompts_sent) == ("done", 2), status["error"]
        found = brightness(world.config.output_dir / "long-clip" / "cup.mp4")
        assert (len(found), found[0] < 25, in_order(found)) == (20, True, True)


def until_part(world: World, number: int) -> None:
    world.until(lambda: any(f"part {number} of 3" in job.stage for job in world.changes), f"part {number}")


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("harm", [Path.unlink, spoil], ids=["gone", "changed"])
def test_a_part_that_is_gone_fails_the_job_and_a_retry_renders_all_again(
    tmp_path: Path, engine_outside: str, library: str, harm: Callable[[Path], None]
):
    with Proxy(engine_outside) as proxy, World(tmp_path / "world", proxy.url, workflows_dir=library) as world:
        proxy.delay("/view", 1.0, 2)
        world.drop("long-clip/cup.mp4", long_clip(tmp_path))
        kept = world.config.state_dir / "work"
        world.until(lambda: bool(list(kept.glob("*/parts-*/0000.mp4"))), "its first part")
        until_part(world, 2)
        harm(next(kept.glob("*/parts-*/0000.mp4")))
        error = world.until_state("long-clip/cup", "failed")["error"]
        assert error["code"] == "part_gone"
        drop = world.app.store.get(world.status("long-clip/cup")["job"]).drop
        world.until(lambda: world.app.store.drop(drop).returned_to is not None, "its file to be back")
        sent = proxy.prompts_sent
        world.app.retrial.retry("long-clip/cup")
        assert world.until_state("long-clip/cup", "done")["attempt"] == 2
        assert proxy.prompts_sent == sent + 3


def test_a_job_that_is_cancelled_between_its_parts_leaves_nothing(tmp_path: Path, engine_outside: str, library: str):
    with Proxy(engine_outside) as proxy, World(tmp_path / "world", proxy.url, workflows_dir=library) as world:
        proxy.delay("/view", 1.0, 1)
        world.drop("long-clip/cup.mp4", long_clip(tmp_path))
        until_part(world, 2)
        world.app.control.cancel("cup")
        assert world.until_state("long-clip/cup", "cancelled")["outputs"] == []
        world.until_returned("rejected/long-clip/cup.mp4")
        world.until(lambda: not list((world.config.state_dir / "work").iterdir()), "its work folder to go")
    assert [name for name in world.outbox() if name.endswith(".mp4")] == []

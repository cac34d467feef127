"""Videos and pictures of every role set, dropped in every way, through a whole daemon and the embedded engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.line.world import World, photo
from tests.media import drawing
from tests.workflows import with_shipped


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "photos").mkdir()
    workflows = str(with_shipped(tmp_path / "workflows"))
    return World(tmp_path / "world", None, workflows_dir=workflows, media_roots=[str(tmp_path / "photos")])


def moving(path: Path) -> bytes:
    images = [Image.fromarray(drawing.scene(number)) for number in range(10)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    return path.read_bytes()


def test_every_role_set_becomes_a_video_like_the_one_that_it_follows(world: World, tmp_path: Path) -> None:
    clip = drawing.clip(tmp_path / "a.mp4", audio=True).read_bytes()
    old = drawing.clip(tmp_path / "a.avi", codec="mpeg4", frames=30).read_bytes()
    drawing.clip(tmp_path / "photos" / "far.mov", codec="mpeg4", frames=30, fps=15)
    world.drop("media/face.jpg", photo())
    world.drop("media/dance.gif", moving(tmp_path / "dance.gif"))
    with world:
        for name, content in (("face.source.jpg", photo()), ("face.target.mp4", clip), ("face.yaml", "priority: 1\n")):
            world.drop(f"face-swap/{name}", content)
        world.drop("retouch/lone.mp4", clip)
        world.drop("retouch/moves.gif", moving(tmp_path / "moves.gif"))
        world.drop("retouch/far.yaml", "target: far.mov\n")
        world.drop("motion-mimic/dance.yaml", "image: face.jpg\nreference: dance.gif\n")
        for name, content in (
            ("both.source.jpg", photo()),
            ("both.reference.avi", old),
            ("both.yaml", "priority: 1\n"),
        ):
            world.drop(f"combined/{name}", content)
        wanted = {
            "face-swap/face": (24, 12, True), "retouch/lone": (24, 12, True), "retouch/moves": (10, 10, False),
            "retouch/far": (30, 15, False), "motion-mimic/dance": (10, 10, False), "combined/both": (30, 12, False),
        }  # fmt: skip
        for name, (frames, fps, audio) in wanted.items():
            status = world.until_state(name, "done", "failed", "rejected")
            assert (status["state"], status["error"]) == ("done", None), name
            (output,) = status["outputs"]
            assert (output["frames"], output["fps"], output["audio"]) == (frames, fps, audio), name
            assert (output["width"], output["height"]) == (160, 120)
        told = world.status("retouch/moves")["adjusted"]
        assert told == ["moves.gif: converted from GIF to h264 in MP4 at 10 frames per second"]


def test_a_damaged_picture_is_rejected_with_the_reason(world: World) -> None:
    whole = photo()
    half = len(whole) // 2
    with world:
        world.drop("image-to-video/cup.jpg", whole[:half] + bytes(4000) + whole[half + 4000 :])
        status = world.until_state("image-to-video/cup", "done", "failed", "rejected")
    assert status["state"] == "rejected"
    assert "cup.jpg is damaged" in world.reason("image-to-video/cup")

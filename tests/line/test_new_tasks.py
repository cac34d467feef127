"""Drops for face swaps, motions, poses and the pipeline on a machine without a ComfyUI: each its reason, none lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Proxy
from tests.line.world import SMALL, World, photo
from tests.media import drawing

PHOTO = photo((320, 240))
SWAP = "consent: true\n"
PREVIEW = "The preview engine can't run this workflow: it has no"

#: A drop by its path: the content of its files by what follows the name, and words of its reason file.
Drop = tuple[Mapping[str, bytes | str], list[str]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "world", None, watch={"media_wait_minutes": 0.03})
    yield world
    world.stop()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return drawing.clip(tmp_path_factory.mktemp("clips") / "a.mp4", audio=True).read_bytes()


def put(world: World, path: str, files: Mapping[str, bytes | str]) -> None:
    for ending, content in files.items():
        world.drop(f"{path}{ending}", content)


def refuse_all(world: World, drops: Mapping[str, Drop]) -> dict[str, dict[str, Any]]:
    """Drop them all once the engine is known, and beside them a job that can run; return the statuses."""
    with world:
        world.drop("text-to-video/first.yaml", f"prompt: a harbour\n{SMALL}")
        world.until_state("text-to-video/first", "done")
        for path, (files, _) in drops.items():
            put(world, path, files)
        world.drop("text-to-video/good.yaml", f"prompt: a fog\n{SMALL}")
        for path in drops:
            world.until_state(path, "rejected", "done", "failed")
            world.until_returned(f"rejected/{path}.reason.txt")
        world.until_state("text-to-video/good", "done")
    for path, (files, words) in drops.items():
        reason = world.reason(path)
        for word in words:
            assert word.casefold() in reason.casefold(), f"{path}: {reason}"
        assert "Traceback" not in reason
        for ending, content in files.items():
            kept = (world.config.inbox_dir / "rejected" / f"{path}{ending}").read_bytes()
            assert kept == (content.encode() if isinstance(content, str) else content), path
    statuses = {path: world.status(path) for path in drops}
    assert all(each["state"] == "rejected" and each["error"]["fix"] for each in statuses.values())
    return statuses


def test_what_the_preview_engine_has_no_nodes_for_is_refused_with_what_to_set_up(world: World, clip: bytes):
    pair = {".source.jpg": PHOTO, ".target.mp4": clip}
    mimic = {".jpg": PHOTO, ".mp4": clip}
    pose = {".image.jpg": PHOTO, ".reference.mp4": clip}
    drops: dict[str, Drop] = {
        "face-swap/film": ({".yaml": SWAP, **pair}, [PREVIEW, "ComfyUI-ReActor", "backends"]),
        "face-swap/photo": (
            {".yaml": SWAP, ".source.jpg": PHOTO, ".target.jpg": PHOTO},
            [PREVIEW, "ReActorFaceSwap", "backends"],
        ),
        "motion-mimic/dance": ({".yaml": SWAP, **mimic}, [PREVIEW, "WanAnimateToVideo", "backends"]),
        "pose-guided/dance": ({".yaml": f"prompt: a dancer\n{SWAP}", **pose}, [PREVIEW, "IPAdapter", "backends"]),
        "combined/posed": (
            {".yaml": f"prompt: a dancer\n{SWAP}", ".reference.mp4": clip},
            [PREVIEW, "DWPreprocessor", "Advanced-ControlNet"],
        ),
        "combined/large": (
            {".yaml": "prompt: a harbour\nswitches: {upscale: true}\n"},
            [PREVIEW, "ImageUpscaleWithModel"],
        ),
    }
    statuses = refuse_all(world, drops)
    assert {each["error"]["code"] for each in statuses.values()} == {"node_missing"}


@pytest.mark.skipif("COMFY_URL" in os.environ, reason="it is about the engine of our own")
def test_what_was_queued_before_the_engine_was_seen_ends_with_the_same_sentence(
    tmp_path: Path, engine_outside: str, clip: bytes
):
    with Proxy(engine_outside) as proxy:
        proxy.refuse()
        world = World(tmp_path, proxy.url)
        with world:
            put(world, "face-swap/early", {".yaml": SWAP, ".source.jpg": PHOTO, ".target.mp4": clip})
            world.until_state("face-swap/early", "queued")
            proxy.accept()
            status = world.until_state("face-swap/early", "rejected", "failed", "done")
            world.until_returned("rejected/face-swap/early.reason.txt")
    assert (status["state"], status["error"]["code"], status["outputs"]) == ("failed", "node_missing", [])
    assert f"{PREVIEW} ReActorOptions, ReActorFaceSwapOpt." in world.reason("face-swap/early")
    assert (world.config.inbox_dir / "rejected/face-swap/early.target.mp4").read_bytes() == clip


def test_a_face_without_consent_is_told_so_besides_what_the_engine_lacks(world: World, clip: bytes):
    drops: dict[str, Drop] = {
        "face-swap/film": ({".source.jpg": PHOTO, ".target.mp4": clip, ".yaml": "seed: 1\n"}, ["seed"]),
        "face-swap/silent": (
            {".source.jpg": PHOTO, ".target.mp4": clip, ".yaml": "priority: 1\n"},
            ["consent: true", PREVIEW],
        ),
        "face-swap/denied": (
            {".source.jpg": PHOTO, ".target.mp4": clip, ".yaml": "consent: false\n"},
            ["consent: true", PREVIEW],
        ),
    }
    refuse_all(world, drops)


def test_mistakes_in_jobs_for_the_new_tasks_are_named_with_their_cure(world: World, clip: bytes):
    pair = {".source.jpg": PHOTO, ".target.mp4": clip}
    pose = {".image.jpg": PHOTO, ".reference.mp4": clip}
    drops: dict[str, Drop] = {
        "face-swap/many": ({".yaml": f"frames: 60000\n{SWAP}", **pair}, ["frames", "50000"]),
        "face-swap/prompted": ({".yaml": f"prompt: a king\n{SWAP}", **pair}, ["prompt", "takes no"]),
        "face-swap/switched": ({".yaml": f"switches: {{restore: false}}\n{SWAP}", **pair}, ["switches"]),
        "face-swap/other": ({".yaml": f"workflow: face_swap_basic\n{SWAP}", **pair}, ["target", "picture"]),
        "face-swap/wrong": ({".yaml": f"workflow: combined_pipeline\n{SWAP}", **pair}, ["inbox/combined/"]),
        "motion-mimic/old": (
            {".yaml": f"workflow: motion_transfer_magicanimate\n{SWAP}", ".jpg": PHOTO, ".mp4": clip},
            ["can't be run", "motion_transfer_wan_animate", "line 1"],
        ),
        "motion-mimic/long": ({".yaml": f"frames: 999\n{SWAP}", ".jpg": PHOTO, ".mp4": clip}, ["frames"]),
        "pose-guided/dumb": ({".yaml": SWAP, **pose}, ["prompt is missing"]),
        "pose-guided/still": (
            {".yaml": f"prompt: a dancer\n{SWAP}", ".image.jpg": PHOTO, ".reference.jpg": PHOTO},
            ["reference"],
        ),
        "combined/typo": ({".yaml": "prompt: a harbour\nswitches: {upscal: true}\n"}, ["upscal", "upscale"]),
        "combined/role": (
            {".yaml": "prompt: a harbour\nswitches: {face_swap: true}\n"},
            ["face_swap", "goes by the job's source"],
        ),
        "combined/word": ({".yaml": "prompt: a harbour\nswitches: {upscale: maybe}\n"}, ["upscale", "true"]),
        "combined/dumb": ({".yaml": SWAP, ".source.jpg": PHOTO}, ["prompt is missing"]),
        "combined/target": ({".yaml": f"prompt: a king\n{SWAP}", ".target.mp4": clip}, ["target"]),
    }
    refuse_all(world, drops)


def test_what_lacks_its_companion_waits_by_name_and_is_returned_whole(world: World, clip: bytes):
    drops: dict[str, Drop] = {
        "face-swap/half": ({".yaml": SWAP, ".source.jpg": PHOTO}, ["half.mp4"]),
        "motion-mimic/half": ({".yaml": SWAP, ".mp4": clip}, ["image"]),
        "pose-guided/half": ({".yaml": f"prompt: a dancer\n{SWAP}", ".jpg": PHOTO}, ["reference"]),
    }
    refuse_all(world, drops)


def test_media_alone_stays_untouched_where_it_needs_a_companion_and_consent(world: World, clip: bytes):
    with world:
        world.drop("face-swap/lone.jpg", PHOTO)
        world.drop("motion-mimic/lone.mp4", clip)
        world.drop("motion-mimic/both.jpg", PHOTO)
        world.drop("motion-mimic/both.mp4", clip)
        world.drop("text-to-video/good.yaml", f"prompt: a harbour\n{SMALL}")
        world.until_state("text-to-video/good", "done")
    left = {path for path in world.inbox() if path.startswith(("face-swap/", "motion-mimic/"))}
    assert left == {"face-swap/lone.jpg", "motion-mimic/lone.mp4", "motion-mimic/both.jpg", "motion-mimic/both.mp4"}
    assert not [path for path in world.outbox() if not path.startswith("text-to-video/")]


def test_the_pipeline_without_a_face_or_a_pose_runs_on_the_preview_engine(world: World):
    with world:
        world.drop("combined/plain.yaml", f"prompt: a harbour\n{SMALL}")
        plain = world.until_state("combined/plain", "done", "failed", "rejected")
        world.drop("combined/words.txt", "a harbour at dawn")
        words = world.until_state("combined/words", "running", "done", "failed", "rejected")
    assert (plain["state"], plain["error"], words["error"]) == ("done", None, None)
    assert words["workflow"] == "combined_pipeline"
    assert plain["settings"]["switches"] == {
        "pose": False, "face_swap": False, "restore": True, "upscale": False, "interpolate": False,
    }  # fmt: skip

"""Samplers draw step by step, keep to their seed, are marked once, and stop when told."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine.drawing import mark
from service.engine.drawing.camera_move import CameraMove, fitted
from service.engine.node import Interrupted
from service.engine.nodes.values import Conditioning, Model
from tests.engine.node_bench import Bench, colours, frames_of, pixels

MOVING = Model("m.safetensors", motion="mm.ckpt")
STILL = Model("m.safetensors")
SAMPLER = {"sampler_name": "euler", "scheduler": "normal"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def sampled(bench: Bench, text: str = "a boat at sunset", seed: int = 1, **more: Any) -> Any:
    size = {"width": 128, "height": 96, "batch_size": 4, **more.pop("size", {})}
    inputs = {
        "model": MOVING,
        "positive": Conditioning(text),
        "negative": Conditioning(""),
        "latent_image": bench.first("EmptyLatentImage", **size),
        "seed": seed,
        "steps": 8,
        "cfg": 7.0,
        "denoise": 1.0,
        **SAMPLER,
    }
    return bench.first("KSampler", **{**inputs, **more})


def decoded(bench: Bench, latent: Any) -> list[np.ndarray]:
    return pixels(bench.first("VAEDecode", samples=latent, vae=None))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_a_latent_is_cut_down_to_whole_cells(bench: Bench) -> None:
    latent = bench.first("EmptyLatentImage", width=519, height=100, batch_size=2)
    assert (latent.width, latent.height, latent.count) == (512, 96, 2)


def test_frames_have_the_size_and_count_that_were_asked(bench: Bench) -> None:
    frames = bench.first("VAEDecode", samples=sampled(bench), vae=None)
    assert (frames.count, frames.width, frames.height, frames.drawn) == (4, 128, 96, True)
    assert {picture.shape for picture in pixels(frames)} == {(96, 128, 3)}


def test_the_same_seed_and_prompt_give_the_same_pixels(bench: Bench) -> None:
    first, second = decoded(bench, sampled(bench)), decoded(bench, sampled(bench))
    assert all((one == other).all() for one, other in zip(first, second, strict=True))


def test_frames_are_the_same_wherever_the_pull_begins(bench: Bench) -> None:
    frames = bench.first("VAEDecode", samples=sampled(bench), vae=None)
    assert (next(frames.pull(bench.check_interrupted, 3)) == pixels(frames)[3]).all()


@pytest.mark.parametrize(("text", "seed"), [("a boat at sunset", 2), ("a forest at night", 1)])
def test_another_seed_or_prompt_gives_another_picture(bench: Bench, text: str, seed: int) -> None:
    assert difference(decoded(bench, sampled(bench))[0], decoded(bench, sampled(bench, text, seed))[0]) > 4


def test_motion_is_gentle_from_frame_to_frame(bench: Bench) -> None:
    shots = decoded(bench, sampled(bench, "lake at dawn, pan right", size={"batch_size": 12}))
    steps = [difference(one, other) for one, other in pairwise(shots)]
    assert min(steps) > 0.1
    assert max(steps) < 4 * min(steps) + 2
    assert difference(shots[0], shots[-1]) > max(steps)


def test_a_batch_without_a_motion_module_is_different_stills(bench: Bench) -> None:
    shots = decoded(bench, sampled(bench, model=STILL, size={"batch_size": 2}))
    assert difference(shots[0], shots[1]) > 4


def test_each_step_is_told_with_a_picture_that_clears(bench: Bench) -> None:
    sampled(bench, steps=10)
    assert [told[:2] for told in bench.told] == [(step + 1, 10) for step in range(10)]
    previews = [told[2] for told in bench.told]
    assert all(preview.dtype == np.uint8 and preview.ndim == 3 for preview in previews)
    busy = [float(np.abs(np.diff(preview.astype(int), axis=1)).mean()) for preview in previews]
    assert busy[0] > 2 * busy[-1]


def test_previews_of_a_large_shot_are_small(bench: Bench) -> None:
    sampled(bench, steps=2, size={"width": 1024, "height": 512})
    assert bench.told[0][2].shape == (160, 320, 3)


def test_a_sampler_stops_at_its_next_step(bench: Bench) -> None:
    bench.stop_at = lambda: len(bench.told) == 3
    with pytest.raises(Interrupted):
        sampled(bench, steps=20)
    assert len(bench.told) == 3


def test_a_decoder_stops_at_its_next_frame(bench: Bench) -> None:
    frames = bench.first("VAEDecode", samples=sampled(bench, size={"batch_size": 9}), vae=None)
    bench.stop_at = lambda: stopping
    stopping = False
    pull = frames.pull(bench.check_interrupted)
    next(pull)
    stopping = True
    with pytest.raises(Interrupted):
        next(pull)


def test_few_steps_leave_the_picture_softer(bench: Bench) -> None:
    def detail(steps: int) -> float:
        shot = decoded(bench, sampled(bench, "forest", steps=steps, size={"width": 256, "height": 256}))[0][:200]
        return float(np.abs(np.diff(shot.astype(int), axis=1)).mean())

    assert detail(1) < 0.8 * detail(20)


@pytest.mark.parametrize("negative", ["birds, rain", "sea"])
def test_what_the_negative_prompt_names_is_not_drawn(bench: Bench, negative: str) -> None:
    text = "birds over the sea in the rain"
    with_it = decoded(bench, sampled(bench, text))[0]
    without = decoded(bench, sampled(bench, text, negative=Conditioning(negative)))[0]
    assert difference(with_it, without) > 0.5


# ── the mark ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def corner(picture: np.ndarray) -> np.ndarray:
    return picture[-picture.shape[0] // 10 :, -picture.shape[1] // 3 :]


def test_what_a_stand_in_drew_is_marked(bench: Bench) -> None:
    latent = sampled(bench, size={"width": 384, "height": 384})
    marked = decoded(bench, latent)[0]
    painter = latent.shot.ready(384, 384, 4, bench.check_interrupted)
    plain = painter.paint(0)
    assert difference(corner(marked), corner(plain)) > 3
    assert (marked[:300] == plain[:300]).all()


def test_the_mark_is_legible_on_light_and_dark() -> None:
    for level in (5, 128, 250):
        ground = np.full((240, 320, 3), level, np.uint8)
        part = corner(mark.marked(ground)).astype(int)
        assert part.max() - part.min() > 60


@pytest.mark.parametrize(("width", "height"), [(8, 8), (16, 512), (512, 16), (2048, 1152)])
def test_the_mark_fits_any_size(width: int, height: int) -> None:
    assert mark.marked(np.zeros((height, width, 3), np.uint8)).shape == (height, width, 3)


def test_pictures_that_only_pass_through_are_not_marked(bench: Bench) -> None:
    pictures = colours(2)
    latent = bench.first("VAEEncode", pixels=frames_of(pictures), vae=None)
    frames = bench.first("VAEDecode", samples=latent, vae=None)
    assert not frames.drawn
    assert (pixels(frames)[1] == pictures[1]).all()


def test_encoding_cuts_edges_to_whole_cells(bench: Bench) -> None:
    latent = bench.first("VAEEncode", pixels=frames_of([np.zeros((30, 45, 3), np.uint8)]), vae=None)
    assert (latent.width, latent.height) == (40, 24)
    assert decoded(bench, latent)[0].shape == (24, 40, 3)


def test_sampling_pictures_again_keeps_them_and_marks_them_once(bench: Bench) -> None:
    latent = bench.first("VAEEncode", pixels=frames_of(colours(2, 96, 96)), vae=None)
    again = sampled(bench, latent_image=latent, denoise=0.4)
    frames = bench.first("VAEDecode", samples=again, vae=None)
    assert frames.drawn
    assert difference(pixels(frames)[0], colours(1, 96, 96)[0]) < 60
    second = sampled(bench, latent_image=bench.first("VAEEncode", pixels=frames, vae=None), denoise=1e-9)
    assert (corner(decoded(bench, second)[0]) == corner(pixels(frames)[0])).all()


def test_no_denoise_changes_nothing(bench: Bench) -> None:
    latent = bench.first("VAEEncode", pixels=frames_of(colours(2)), vae=None)
    assert sampled(bench, latent_image=latent, denoise=0.0) is latent


def test_a_sampled_shot_may_be_sampled_again_at_low_strength(bench: Bench) -> None:
    first = sampled(bench)
    second = sampled(bench, latent_image=first, denoise=0.5, seed=9)
    assert (decoded(bench, first)[0] == decoded(bench, second)[0]).all()


def test_an_empty_latent_decodes_to_plain_grey(bench: Bench) -> None:
    latent = bench.first("EmptyLatentImage", width=64, height=64, batch_size=2)
    assert {int(value) for picture in decoded(bench, latent) for value in np.unique(picture)} == {127}


@pytest.mark.parametrize("first", [True, False])
def test_a_latent_is_repeated(bench: Bench, first: bool) -> None:
    latent = bench.first("EmptyLatentImage", width=64, height=64, batch_size=2)
    if first:
        latent = bench.first("RepeatLatentBatch", samples=latent, amount=2)
        assert len(decoded(bench, sampled(bench, latent_image=latent))) == 4
    else:
        shots = decoded(bench, bench.first("RepeatLatentBatch", samples=sampled(bench, latent_image=latent), amount=2))
        assert (shots[0] == shots[2]).all()


# ── some steps of a run ──────────────────────────────────────────────────────────────────────────────────────────────


def some_steps(bench: Bench, latent: Any, start: int, end: int, *, left: bool) -> Any:
    return bench.first(
        "KSamplerAdvanced",
        model=MOVING,
        positive=Conditioning("mountain at dawn"),
        negative=Conditioning(""),
        latent_image=latent,
        add_noise="enable" if start == 0 else "disable",
        noise_seed=3,
        steps=10,
        cfg=7.0,
        start_at_step=start,
        end_at_step=end,
        return_with_leftover_noise="enable" if left else "disable",
        **SAMPLER,
    )


def test_noise_that_is_left_is_seen_and_another_sampler_clears_it(bench: Bench) -> None:
    empty = bench.first("EmptyLatentImage", width=128, height=96, batch_size=2)
    half = some_steps(bench, empty, 0, 5, left=True)
    assert [told[:2] for told in bench.told] == [(step + 1, 5) for step in range(5)]
    assert half.noise == pytest.approx(0.5)
    whole = some_steps(bench, half, 5, 10000, left=False)
    straight = some_steps(bench, empty, 0, 10000, left=False)
    assert (decoded(bench, whole)[0] == decoded(bench, straight)[0]).all()
    assert difference(decoded(bench, half)[0], decoded(bench, whole)[0]) > 8


# ── image to video ───────────────────────────────────────────────────────────────────────────────────────────────────


def photo(width: int = 200, height: int = 120) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    scene = np.dstack((80 + rows, 120 + 30 * np.sin(columns / 9), 200 - rows)).astype(np.uint8)
    scene[40:110, 80:120] = (190, 40, 30)
    scene[::13] = 30
    return scene


def filmed(bench: Bench, seed: int = 1, motion: int = 127, frames: int = 5, noise: float = 0.0) -> list[np.ndarray]:
    positive, negative, latent = bench.run(
        "SVD_img2vid_Conditioning",
        clip_vision=None,
        init_image=frames_of([photo()]),
        vae=None,
        width=160,
        height=96,
        video_frames=frames,
        motion_bucket_id=motion,
        fps=6,
        augmentation_level=noise,
    ).values
    model = bench.first("VideoLinearCFGGuidance", model=STILL, min_cfg=1.0)
    again = sampled(bench, seed=seed, model=model, positive=positive, negative=negative, latent_image=latent, cfg=2.5)
    return decoded(bench, again)


def test_a_picture_becomes_a_shot_of_the_size_and_length_asked(bench: Bench) -> None:
    shots = filmed(bench)
    assert len(shots) == 5
    assert shots[0].shape == (96, 160, 3)


def test_the_picture_is_still_the_picture(bench: Bench) -> None:
    middle = filmed(bench)[2]
    red = (middle[..., 0] > 150) & (middle[..., 1] < 90)
    assert 0.4 * 56 * 32 < red[:80].sum() < 2.2 * 56 * 32


def test_motion_grows_with_the_motion_bucket(bench: Bench) -> None:
    reaches = []
    for motion in (20, 127, 400):
        shots = filmed(bench, motion=motion)
        reaches.append(difference(shots[0], shots[-1]))
    assert reaches[0] < reaches[1] < reaches[2]


def test_the_seed_picks_the_move_and_repeats_it(bench: Bench) -> None:
    assert (filmed(bench)[-1] == filmed(bench)[-1]).all()
    assert any(difference(filmed(bench)[-1], filmed(bench, seed=seed)[-1]) > 1 for seed in (2, 3, 4))


@pytest.mark.parametrize("seed", range(12))
def test_no_move_shows_the_edge_of_the_picture(bench: Bench, seed: int) -> None:
    framed = np.full((96, 160, 3), 90, np.uint8)
    framed[:, 0] = framed[:, -1] = framed[0] = framed[-1] = 255
    painter = CameraMove(frames_of([framed]), seed, 255).ready(160, 96, 9, bench.check_interrupted)
    assert max(int(painter.paint(index).max()) for index in range(9)) < 200


def test_a_tall_picture_is_cut_around_its_middle(bench: Bench) -> None:
    tall = np.zeros((300, 100, 3), np.uint8)
    tall[125:175] = 255
    assert fitted(tall, 80, 40).min() == 255

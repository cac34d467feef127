"""Latents and samplers: the honest stand-in, step by step, and the decoder that marks what it drew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.engine.drawing.camera_move import CameraMove
from service.engine.drawing.chance import dice
from service.engine.drawing.mark import marked
from service.engine.drawing.steps import cleared, preview_size
from service.engine.drawing.storyboard import Storyboard, softness
from service.engine.drawing.touch import Touched
from service.engine.images import Check, Frames, Picture, repeated
from service.engine.node import Context, NodeClass, Result
from service.engine.nodes.declare import node
from service.engine.nodes.pictures import cutter
from service.engine.nodes.values import Conditioning, Latent, Model, Shot, Start

Inputs = Mapping[str, Any]

#: Stable Diffusion's latents are an eighth of the picture; sizes between are cut down in silence, as there.
CELL = 8


def make_latent(_context: Context, inputs: Inputs) -> Result:
    """Make an empty latent."""
    width, height = int(inputs["width"]) // CELL * CELL, int(inputs["height"]) // CELL * CELL
    return Result((Latent(width, height, int(inputs["batch_size"])),))


def encode(_context: Context, inputs: Inputs) -> Result:
    """Keep pictures as a latent, their edges cut to whole cells."""
    frames: Frames = inputs["pixels"]
    width, height = max(CELL, frames.width // CELL * CELL), max(CELL, frames.height // CELL * CELL)
    left, top = max(0, (frames.width - width) // 2), max(0, (frames.height - height) // 2)
    cut = frames.mapped(width, height, cutter(left, top, width, height))
    source = frames if (width, height) == (frames.width, frames.height) else cut
    return Result((Latent(width, height, frames.count, source),))


def repeat_latent(context: Context, inputs: Inputs) -> Result:
    """Repeat a latent; one that was sampled is repeated as the pictures it will be."""
    latent: Latent = inputs["samples"]
    if latent.source is None and latent.shot is None:
        return Result((replace(latent, count=latent.count * inputs["amount"]),))
    again = repeated(pictures(latent, dice_seed(context)), inputs["amount"])
    return Result((Latent(latent.width, latent.height, again.count, again),))


def condition_on_picture(_context: Context, inputs: Inputs) -> Result:
    """Say what an image-to-video run starts from."""
    width, height = int(inputs["width"]) // CELL * CELL, int(inputs["height"]) // CELL * CELL
    frames: Frames = inputs["init_image"]
    start = Start(frames.part(0, 1), int(inputs["motion_bucket_id"]), float(inputs["augmentation_level"]))
    latent = Latent(width, height, int(inputs["video_frames"]))
    return Result((Conditioning("", start), Conditioning(""), latent))


@dataclass(frozen=True)
class Run:
    """One sampler's run: which steps of how many, how much noise was put in, whether some stays."""

    seed: int
    steps: int
    first: int
    last: int
    cfg: float
    denoise: float
    noise_left: bool = False

    def noise_after(self, step: int) -> float:
        """Return how much of the noise is left after a step, in [0, 1]."""
        return self.denoise * (1 - (step + 1) / self.steps)


def sample(context: Context, inputs: Inputs) -> Result:
    """Draw a storyboard or a camera move, step by step."""
    steps = int(inputs["steps"])
    run = Run(int(inputs["seed"]), steps, 0, steps, float(inputs["cfg"]), float(inputs["denoise"]))
    return Result((run_steps(context, inputs, run),))


def sample_some_steps(context: Context, inputs: Inputs) -> Result:
    """Do some of a run's steps; what noise stays in is another sampler's to clear."""
    steps = int(inputs["steps"])
    last = min(steps, int(inputs["end_at_step"]))
    first = min(int(inputs["start_at_step"]), last)
    denoise = 1.0 if inputs["add_noise"] == "enable" or first == 0 else 1 - first / steps
    left = inputs["return_with_leftover_noise"] == "enable"
    return Result(
        (
            run_steps(
                context, inputs, Run(int(inputs["noise_seed"]), steps, first, last, float(inputs["cfg"]), denoise, left)
            ),
        )
    )


def run_steps(context: Context, inputs: Inputs, run: Run) -> Latent:
    """Go through the steps, showing each; return the latent with its shot decided."""
    latent: Latent = inputs["latent_image"]
    shot = shot_of(inputs["model"], inputs["positive"], inputs["negative"], latent, run)
    if shot is None or run.first == run.last:
        return latent
    check = context.check_interrupted
    painter = shot.ready(*preview_size(latent.width, latent.height), latent.count, check)
    for step in range(run.first, run.last):
        check()
        # The previews walk through the shot while they clear.
        frame = painter.paint(min(latent.count - 1, step * latent.count // run.steps))
        noise = run.noise_after(step)
        context.progress(
            step + 1 - run.first, run.last - run.first, cleared(frame, noise, dice(run.seed, "step", step))
        )
    noise = run.noise_after(run.last - 1) if run.noise_left else 0.0
    return replace(latent, source=None, shot=shot, noise=noise)


def shot_of(model: Model, positive: Conditioning, negative: Conditioning, latent: Latent, run: Run) -> Shot | None:
    """Decide what to draw; None when there is nothing to do (denoise 0)."""
    soft = softness(run.steps, run.cfg)
    if run.denoise <= 0:
        return None
    if positive.start:
        return CameraMove(positive.start.frames, run.seed, positive.start.motion, positive.start.noise, soft * 0.5)
    if latent.shot and (latent.noise > 0 or run.denoise < 1):
        return latent.shot
    if latent.source and run.denoise < 1:
        return Touched(latent.source, positive.text, negative.text, run.seed, run.denoise)
    return Storyboard(positive.text, negative.text, run.seed, moving=model.motion is not None, softness=soft)


def decode(context: Context, inputs: Inputs) -> Result:
    """Turn a latent into frames; those that a stand-in draws get the mark."""
    return Result((pictures(inputs["samples"], dice_seed(context)),))


def dice_seed(context: Context) -> str:
    """Return what makes the leftover noise of a node its own."""
    return f"leftover {context.node_id}"


def pictures(latent: Latent, seed: str) -> Frames:
    """Return a latent's frames, marked if a sampler decided on them."""
    if latent.shot is None:
        return latent.source or empty_pictures(latent)
    shot, already = latent.shot, isinstance(latent.shot, Touched) and latent.shot.source.drawn

    def draw(check: Check, start: int) -> Iterator[Picture]:
        painter = shot.ready(latent.width, latent.height, latent.count, check)
        for index in range(start, latent.count):
            frame = cleared(painter.paint(index), latent.noise, dice(seed, index))
            yield frame if already else marked(frame)

    return Frames(latent.count, latent.width, latent.height, draw, drawn=True)


def empty_pictures(latent: Latent) -> Frames:
    """Return what an empty latent decodes to: plain grey."""

    def draw(_check: Check, start: int) -> Iterator[Picture]:
        grey = np.full((latent.height, latent.width, 3), 127, np.uint8)
        return (grey for _ in range(start, latent.count))

    return Frames(latent.count, latent.width, latent.height, draw, steady=True)


CLASSES: tuple[NodeClass, ...] = (
    node("EmptyLatentImage", make_latent),
    node("RepeatLatentBatch", repeat_latent),
    node("VAEEncode", encode),
    node("VAEDecode", decode),
    node("VAEDecodeTiled", decode),
    node("SVD_img2vid_Conditioning", condition_on_picture),
    node("KSampler", sample),
    node("KSamplerAdvanced", sample_some_steps),
)

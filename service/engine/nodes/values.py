"""What the model side passes between nodes: names of models, words, shots, latents without numbers in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from service.engine.images import Check, Frames, Picture


class Painter(Protocol):
    """A shot made ready for one size and length."""

    def paint(self, index: int) -> Picture:
        """Draw one frame, uint8 RGB of the size that was asked for; the same index gives the same pixels."""


class Shot(Protocol):
    """What a sampler decided to draw, small enough to be cached."""

    def ready(self, width: int, height: int, count: int, check: Check) -> Painter:
        """Prepare to draw `count` frames of this size."""


@dataclass(frozen=True)
class Model:
    """A checkpoint by name, the motion module applied to it, and the lowest guidance of an image-to-video run."""

    name: str
    motion: str | None = None
    min_cfg: float | None = None


@dataclass(frozen=True)
class Named:
    """A model file of which a stand-in uses nothing but the name."""

    name: str


@dataclass(frozen=True)
class Start:
    """The picture an image-to-video run starts from, and how much shall move."""

    frames: Frames
    motion: int
    noise: float


@dataclass(frozen=True)
class Conditioning:
    """The prompt's words, or a start picture."""

    text: str
    start: Start | None = None


@dataclass(frozen=True)
class Latent:
    """Frames in a model's own space: their size and count, and where the pixels will come from.

    `source` are pictures that were encoded; `shot` is what a sampler decided on; with neither, the latent is empty.
    `noise` in [0, 1] is what a sampler that stopped early left.
    """

    width: int
    height: int
    count: int
    source: Frames | None = None
    shot: Shot | None = None
    noise: float = 0.0


@dataclass(frozen=True)
class Drawing:
    """The one function of a painter, as a value: for shots that are a plain function of the frame's index."""

    paint: Callable[[int], Picture]

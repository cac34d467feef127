"""What a file is, and the frames of it that are looked at, picture or video. Loaded only in child processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from service.job import MediaFacts
from service.media import clips, formats, frames, pictures, samples, trouble

if TYPE_CHECKING:
    from service.media.frames import Rgb


def probe(path: Path) -> MediaFacts:
    """Say what a file is; raises Rejected for one that is broken, cut off, mislabelled or too large."""
    format_name = formats.read_format(path)
    if format_name in formats.PICTURES:
        return pictures.facts(path, format_name)
    with clips.open_clip(path, format_name) as clip:
        return clips.facts(clip)


def sampled(path: Path) -> Iterator[tuple[int, Rgb]]:
    """Decode the frames that the screening looks at, upright: (number, RGB); raises Rejected if one can't be."""
    format_name = formats.read_format(path)
    if format_name in formats.PICTURES:
        yield from _sampled_picture(path, format_name)
        return
    with clips.open_clip(path, format_name) as clip:
        yield from frames.sampled(clip, samples.positions)


def _sampled_picture(path: Path, format_name: str) -> Iterator[tuple[int, Rgb]]:
    with pictures.open_picture(path, format_name, name=trouble.name_of(path)) as image:
        count = pictures.frame_count(image, format_name)
    moments = samples.Moments(count)
    yield from ((number, pixels) for number, _, pixels in pictures.frames(path, format_name, moments.take))

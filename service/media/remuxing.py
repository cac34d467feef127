"""A result becomes the file that is published, with our tags alone, bit for bit. Loaded only in child processes.

An ffmpeg program does the same and more (service/media/delivery.py), but starting it twice for each result costs more
than all the rest of publishing. So what is plain is done here: H.264 with AAC or no sound, times that can be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from service.job import MediaFacts
from service.media import clips, formats, frames, limits, verification
from service.media import pictures as pictures_of

#: Larger ones are left to ffmpeg: whoever has this process waits for it, and it can't be stopped in between.
LARGEST_BYTES = limits.LARGE_BYTES
#: Another container counts time in other ticks.
_SAME_S = 0.002


def remux(path: Path, target: Path, tags: Mapping[str, str], pictures: str) -> MediaFacts | None:
    """Write `target` whole, or not at all, and return what it is; None for what has to be done otherwise.

    `pictures` is the digest of what was looked at: only these very pictures are written, and what was written is read
    again to its end, and shows them at the same times.
    """
    if not pictures or path.stat().st_size > LARGEST_BYTES:
        return None
    draft = target.with_name(f".{target.name}.part")
    try:
        times_s = _copy(path, draft, tags, pictures)
        made = _made(draft, times_s, pictures) if times_s is not None else None
        if made is not None:
            draft.replace(target)
        return made
    finally:
        draft.unlink(missing_ok=True)


def save_picture(path: Path, target: Path, tags: Mapping[str, str], pictures: str) -> MediaFacts | None:
    """Write a picture as a PNG with these tags alone, whole or not at all; None if it isn't what was looked at."""
    format_name = formats.read_format(path)
    if not pictures or format_name not in formats.PICTURES:
        return None
    ((_, _, pixels),) = pictures_of.frames(path, format_name, lambda number, _: number == 0)
    if verification.digest_of(pixels) != pictures:
        return None
    pictures_of.save_tagged(pixels, target, tags)
    return pictures_of.facts(target, "png")


def _copy(path: Path, draft: Path, tags: Mapping[str, str], pictures: str) -> list[float] | None:
    """Copy the tracks and return the frames' times; None where that isn't plain."""
    format_name = formats.read_format(path)
    # Matroska has no decoding times, and what its demuxer makes up for them loses frames here.
    if format_name not in {"mp4", "mov"}:
        return None
    with clips.open_clip(path, format_name) as clip:
        if not _is_plain(clip):
            return None
        found = frames.whole_index(clip, hashed=True)
        # Frames that are there and not shown stay so only by an edit list, which is ffmpeg's art.
        if found.in_order or found.trimmed or found.pictures != pictures or found.pts[0] != 0:
            return None
        options = {"movflags": "use_metadata_tags+faststart"}
        with av.open(str(draft), "w", format="mp4", container_options=options) as output:
            output.metadata.update({key: text.replace("\0", "") for key, text in tags.items()})
            _copy_tracks(clip, output)
        return found.times_s


def _made(draft: Path, times_s: list[float], pictures: str) -> MediaFacts | None:
    with clips.open_clip(draft, "mp4") as clip:
        found = frames.whole_index(clip, hashed=True)
        same = len(found.pts) == len(times_s) and all(
            abs(one - other) <= _SAME_S for one, other in zip(found.times_s, times_s, strict=True)
        )
        if found.pictures != pictures or not same:
            return None
        return clips.describe(clip, found, frames.first(clip), check_last=False)


def _is_plain(clip: frames.Clip) -> bool:
    sounds = clip.container.streams.audio
    codecs = [sound.codec_context.name for sound in sounds[:1]]
    return clip.stream.codec_context.codec.canonical_name == "h264" and all(codec == "aac" for codec in codecs)


def _copy_tracks(clip: frames.Clip, output: OutputContainer) -> None:
    sources = [clip.stream, *clip.container.streams.audio[:1]]
    made: dict[int, Any] = {}
    for source in sources:
        made[source.index] = output.add_stream_from_template(source)
        made[source.index].metadata.clear()
    frames.rewind(clip)
    for packet in clip.container.demux(*sources):
        if packet.dts is None or packet.size == 0:
            continue
        packet.stream = made[packet.stream_index]
        output.mux(packet)

"""Video files with PyAV: open them safely, say what they are. Loaded only in child processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
from av.codec.context import ThreadType
from av.stream import Disposition

from service.job import MediaFacts, MediaKind
from service.media import formats, frames, limits, tagging, trouble

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: The demuxer is chosen by us from the first bytes, so that no playlist or network format is ever tried.
_DEMUXERS = {"mp4": "mov", "mov": "mov", "mkv": "matroska", "webm": "matroska", "avi": "avi"}
#: Counting stops here while probing; a larger file's own header is believed until it is screened.
_COUNT_S = 2.0
#: Without key frames to seek to, reaching the last of more frames than this takes longer than probing may.
_REACHABLE_FRAMES = 300
_MOST_TAGS, _TAG_CHARACTERS = 64, 100_000


@contextmanager
def open_clip(path: Path, format_name: str) -> Iterator[frames.Clip]:
    """Open a video; whatever the decoder says against it comes out of the block as Rejected."""
    name = trouble.name_of(path)
    options = {"protocol_whitelist": "file", "enable_drefs": "0"}
    try:
        with av.open(f"file:{path.absolute()}", format=_DEMUXERS[format_name], options=options) as container:
            yield frames.Clip(container, _one_stream(container, name), name, format_name)
    except MemoryError as error:
        raise trouble.too_heavy(name) from error
    except (av.error.FileNotFoundError, av.error.PermissionError) as error:
        raise trouble.missing(name) from error
    except av.error.FFmpegError as error:
        if format_name in {"mp4", "mov"} and not _has_moov(path):
            raise trouble.no_index(name) from error
        raise trouble.unreadable(name, error.strerror or "") from error


def _one_stream(container: InputContainer, name: str) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        raise trouble.no_video(name)
    if len(streams) > 1:
        raise trouble.many_videos(name, len(streams))
    (stream,) = streams
    if stream.width * stream.height > limits.MAX_VIDEO_PIXELS:
        raise trouble.too_large(name, stream.width, stream.height, limits.MAX_VIDEO_PIXELS)
    stream.thread_type = ThreadType.NONE
    stream.codec_context.thread_count = 1
    if stream.codec_context.name == "mjpeg":
        # Damaged pictures come out grey otherwise, as if they were right.
        stream.codec_context.options = {"err_detect": "explode"}
    return stream


def _has_moov(path: Path) -> bool:
    """Walk the top-level boxes; a file cut off inside one simply ends the walk."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            if head[4:8] == b"moov":
                return True
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if length < 8:
                return False
            at += length
    return False


def facts(clip: frames.Clip) -> MediaFacts:
    """Decode the first and the last frame and say what the clip is; raises Rejected for one that is cut off."""
    found = frames.index(clip, budget_s=_COUNT_S)
    return describe(clip, found, frames.first(clip))


def describe(
    clip: frames.Clip, found: frames.Index | None, first: VideoFrame, *, check_last: bool = True
) -> MediaFacts:
    """Say what the clip is, from its index where there was time for one, otherwise from its header.

    Without `check_last` its last frame isn't decoded: for whoever does that anyway.
    """
    rate = rate_of(clip, found)
    if found is not None:
        count, seconds = len(found.pts), found.times_s[-1] + (1 / rate if rate else 0)
    else:
        seconds = (clip.container.duration or 0) / av.time_base
        count = clip.stream.frames or max(1, round(seconds * (rate or 0)))
    if seconds > limits.MAX_SECONDS:
        raise trouble.too_long(clip.name)
    if check_last and found is not None and not (found.in_order and count > _REACHABLE_FRAMES):
        _check_last(clip, found)
    width, height = frames.shown_size(first)
    return MediaFacts(
        kind=MediaKind.VIDEO,
        container=clip.format_name,
        width=width,
        height=height,
        frames=count,
        fps=rate,
        seconds=seconds or None,
        codec=clip.stream.codec_context.codec.canonical_name,
        audio=bool(clip.container.streams.audio) and (found is None or found.audio_packets > 0),
    )


def tags(path: Path) -> dict[str, str]:
    """Return the container's own metadata; what is larger than anything that we write is left out."""
    format_name = formats.read_format(path)
    if format_name in ("gif", "webp") and (ours := tagging.read(path)):
        return ours
    if format_name in formats.PICTURES:
        raise trouble.no_video(trouble.name_of(path), "is a picture")
    with open_clip(path, format_name) as clip:
        found = {
            str(key): str(value) for key, value in clip.container.metadata.items() if len(value) <= _TAG_CHARACTERS
        }
        return dict(list(found.items())[:_MOST_TAGS])


def _check_last(clip: frames.Clip, found: frames.Index) -> None:
    if not list(frames.frames_at(clip, found, [len(found.pts) - 1])):
        raise trouble.cut_off(clip.name, "the last frame can't be decoded")


def rate_of(clip: frames.Clip, found: frames.Index | None) -> float | None:
    """Return the mean frame rate as the frames' own times give it, or as the header says."""
    if found is not None and not found.in_order and len(found.pts) > 1:
        return float((len(found.pts) - 1) / ((found.pts[-1] - found.pts[0]) * found.time_base))
    rate = clip.stream.average_rate or clip.stream.guessed_rate or Fraction(0)
    return float(rate) or None

"""Videos made fit for every workflow's loader: upright H.264 at a constant rate, square pixels, one sound track.

A silent video gets a track in which nothing is heard: VHS_LoadVideo (VideoHelperSuite 4ee72c06) offers the sound of
what it loads, and ComfyUI 0.33.0 takes it at once, linked or not, which fails the node where there is none.

Loaded only in child processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import av.error
from av.stream import Disposition
from av.video.frame import VideoFrame

from service.job import MediaFacts
from service.media import clips, damage, formats, frames, pictures, trouble
from service.media.writing import Shape, Writer, shape_of

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet

    from service.media.frames import Clip, Index

#: A frame may be this part of a frame's time away from where a constant rate puts it: clocks count in milliseconds.
_JITTER = Fraction(1, 4)
_USUAL_RATES = (
    *(Fraction(rate) for rate in (24, 25, 30, 50, 60)),
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 60)),
)
_FASTEST, _SLOWEST = Fraction(60), Fraction(1)
#: What every loader reads as it is.
_CONTAINERS = frozenset({"mp4", "mov", "mkv"})
_PIXELS = frozenset({"yuv420p", "yuvj420p"})
#: A clip that is only copied is decoded for so long at most; the rest is believed until it is screened.
_DECODE_S = 20.0
#: Codecs whose packets never hold long runs of zeros.
_DENSE = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})


@dataclass(frozen=True)
class _Plan:
    """What has to be done to a clip."""

    shape: Shape
    rate: Fraction
    copies: bool
    sound: AudioStream | None
    copies_sound: bool
    #: What changes, each a line for people; without any, the clip can be used as it is.
    lines: tuple[str, ...]


def prepare(path: Path, target: Path, large_bytes: int) -> tuple[MediaFacts, list[str], bool]:
    """
    Write a video, or an animation, to `target` as an MP4 for loaders, whole or not at all, without any metadata.

    Returns what it is (silent, if nobody gave it sound), a line for each change, and whether it was written: a clip of
    more than `large_bytes` with sound that needs no change is left where it is. Raises Rejected for one that can't be
    decoded.
    """
    format_name = formats.read_format(path)
    draft = target.with_name(f".{target.name}.part")
    silent = True
    try:
        if format_name in formats.PICTURES:
            lines = _from_animation(path, format_name, draft)
        else:
            with clips.open_clip(path, format_name) as clip:
                found, first = frames.whole_index(clip), frames.first(clip)
                plan = _plan(clip, found, first)
                silent = plan.sound is None
                if not (plan.lines or silent) and path.stat().st_size > large_bytes:
                    return clips.describe(clip, found, first), [], False
                lines = _write_somehow(clip, found, plan, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    with clips.open_clip(target, "mp4") as made:
        return replace(clips.facts(made), audio=not silent), lines, True


def _write_somehow(clip: Clip, found: Index, plan: _Plan, draft: Path) -> list[str]:
    """Write a clip by its plan, or encoded anew where that can't be; return a line for each change."""
    try:
        _write(clip, found, plan, draft)
    except av.error.FFmpegError:
        if not plan.copies:
            raise
    else:
        return list(plan.lines)
    # Packets whose times no MP4 takes, as some cutting programs leave them; frames can be told anew.
    _write(clip, found, replace(plan, copies=False, copies_sound=False), draft)
    return [*plan.lines, "encoded anew, because the times of its frames are out of order"]


def _plan(clip: Clip, found: Index, first: VideoFrame) -> _Plan:
    shape = shape_of(first, clip.stream.sample_aspect_ratio)
    lines = list(shape.lines())
    codec = clip.stream.codec_context.codec.canonical_name
    constant, rate = _rate(clip, found)
    if not constant:
        lines.append(f"its changing frame rate became {float(rate):.4g} frames per second")
    contained = codec == "h264" and clip.format_name in _CONTAINERS
    plain = contained and first.format.name in _PIXELS
    if not contained:
        lines.append(f"converted from {codec} in {clip.format_name.upper()} to h264 in MP4")
    elif not plain:
        lines.append(f"its colours were converted from {first.format.name} to yuv420p")
    tracks = len(clip.container.streams.audio) if found.audio_packets else 0
    sound = _sound(clip) if tracks else None
    if sound is None and tracks:
        lines.append("its sound can't be decoded and was left out")
    elif tracks > 1:
        lines.append(f"one of its {tracks} sound tracks is used")
    copies_sound = sound is not None and sound.codec_context.codec.canonical_name == "aac"
    if sound is not None and not copies_sound:
        lines.append(f"its sound was converted from {sound.codec_context.codec.canonical_name} to aac")
    copies = plain and constant and shape.is_as_stored and not found.trimmed
    return _Plan(shape, rate, copies, sound, copies_sound and copies, tuple(lines))


def _rate(clip: Clip, found: Index) -> tuple[bool, Fraction]:
    """Tell whether the frames come at a constant rate, and at which they will."""
    header = Fraction(clip.stream.average_rate or clip.stream.guessed_rate or 25)
    if found.in_order or len(found.pts) < 2:
        # Without times of their own frames can only be shown one after the other.
        return True, _usual(header)
    steps = [later - earlier for earlier, later in pairwise(found.pts)]
    mean = Fraction(found.pts[-1] - found.pts[0], len(steps))
    # The header's rate is exact, where the frames' times are counted in milliseconds.
    for step in (1 / (header * found.time_base), mean):
        allowed = step * _JITTER + 1
        if all(abs(pts - found.pts[0] - number * step) <= allowed for number, pts in enumerate(found.pts)):
            return True, _usual(1 / (step * found.time_base))
    return False, _changing(1 / (Fraction(median(steps)) * found.time_base))


def _changing(rate: Fraction) -> Fraction:
    """Return the constant rate that stands for a changing one: that of its usual step."""
    return min(max(_usual(rate), _SLOWEST), _FASTEST)


def _usual(rate: Fraction) -> Fraction:
    """Return the usual rate that is meant, or one that every container can keep."""
    near = min(_USUAL_RATES, key=lambda usual: abs(usual - rate))
    if abs(near - rate) <= near / 2000:
        return near
    return max(rate.limit_denominator(1001), Fraction(1, 1001))


def _sound(clip: Clip) -> AudioStream | None:
    """Return the sound track that players play: the one marked as default, otherwise the first."""
    heard = [stream for stream in clip.container.streams.audio if stream.codec_context is not None]
    marked = [stream for stream in heard if stream.disposition & Disposition.default]
    return next(iter(marked or heard), None)


def _write(clip: Clip, found: Index, plan: _Plan, draft: Path) -> None:
    # A clip without times of its own is shown frame by frame.
    start_s = Fraction(0) if found.in_order else found.pts[0] * found.time_base
    spread = Spread(plan.rate)
    codec, pixels = clip.stream.codec_context.codec.canonical_name, clip.stream.width * clip.stream.height
    frames.rewind(clip)
    with Writer(draft, plan.shape, plan.rate) as writer:
        if plan.copies:
            # Matroska counts in milliseconds.
            writer.copy_track(clip.stream, exact=clip.format_name != "mkv")
        else:
            writer.add_picture()
        if plan.sound is not None and plan.copies_sound:
            writer.copy_track(plan.sound)
        elif plan.sound is not None:
            writer.add_sound(plan.sound, Fraction(0) if plan.copies else start_s)
        else:
            writer.add_silence()
        number = 0
        until = time.monotonic() + _DECODE_S
        for packet in clip.container.demux(*([clip.stream, plan.sound] if plan.sound else [clip.stream])):
            if packet.stream_index != clip.stream.index:
                (writer.copy if plan.copies_sound else writer.put_sound)(packet)
                continue
            if codec in _DENSE and damage.has_hole(bytes(packet), pixels):
                raise trouble.damaged(clip.name)
            decoded = _decoded(clip, packet) if not plan.copies or time.monotonic() < until else ()
            if plan.copies:
                writer.copy(packet)
                continue
            for frame in decoded:
                at_s = number / plan.rate if found.in_order or frame.pts is None else frame.pts * _base(frame) - start_s
                number += 1
                _put(writer, spread.put(at_s, frame))
        _put(writer, spread.end(None))


def _base(frame: VideoFrame) -> Fraction:
    return frame.time_base or Fraction(1)


def _decoded(clip: Clip, packet: Packet[Any]) -> list[VideoFrame]:
    found = [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
    if any(frame.is_corrupt for frame in found):
        raise trouble.unreadable(clip.name, "a frame is damaged")
    return found


def _put(writer: Writer, shown: Iterator[VideoFrame]) -> None:
    for frame in shown:
        writer.put_frame(frame)


class Spread:
    """Spreads frames with times of their own over slots of a constant rate: repeated where they last, left out where
    the next one comes within the slot."""

    def __init__(self, rate: Fraction) -> None:
        self._rate = rate
        self._given = 0
        self._last: VideoFrame | None = None

    def put(self, at_s: Fraction, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Take the frame that is shown from `at_s` on and yield what fills the slots before it."""
        if self._last is not None:
            yield from self._fill(at_s)
        self._last = frame

    def end(self, at_s: Fraction | None) -> Iterator[VideoFrame]:
        """Yield the last frame until `at_s`, once if that is None or already over."""
        if self._last is None:
            return
        before = self._given
        if at_s is not None:
            yield from self._fill(at_s)
        if self._given == before:
            yield self._last

    def _fill(self, until_s: Fraction) -> Iterator[VideoFrame]:
        assert self._last is not None, "a frame is there to fill with"
        slots = int(until_s * self._rate + Fraction(1, 2))
        while self._given < slots:
            self._given += 1
            yield self._last


def _from_animation(path: Path, format_name: str, draft: Path) -> list[str]:
    """Write an animation's frames, each shown as long as it asks for; returns what changed."""
    steps_ms = pictures.steps_ms(path, format_name)
    rate = _changing(Fraction(1000) / Fraction(median(steps_ms)))
    spread = Spread(rate)
    writer: Writer | None = None
    at_s = Fraction(0)
    try:
        for (_, _, pixels), step_ms in zip(
            pictures.frames(path, format_name, lambda _number, _time_s: True), steps_ms, strict=True
        ):
            frame = VideoFrame.from_ndarray(pixels, format="rgb24")
            if writer is None:
                shape = shape_of(frame, None)
                writer = Writer(draft, shape, rate)
                writer.add_picture()
                writer.add_silence()
            _put(writer, spread.put(at_s, frame))
            at_s += Fraction(step_ms) / 1000
        assert writer is not None, "an animation has a first frame"
        _put(writer, spread.end(at_s))
    except BaseException:
        if writer is not None:
            writer.__exit__(RuntimeError)
        raise
    writer.__exit__(None)
    return [
        *shape.lines(),
        f"converted from {format_name.upper()} to h264 in MP4 at {float(rate):.4g} frames per second",
    ]

"""The frames of an open video: an index of them all, and single ones by number. Loaded only in child processes."""

from __future__ import annotations

import hashlib
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from service.media import limits, trouble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rgb = NDArray[np.uint8]

#: Some codecs have packets that show nothing; the frame beside them stands for them if it is this near.
_NEAR_S = Fraction(1, 2)


@dataclass(frozen=True)
class Clip:
    """An open video file with its one video track; `name` is for messages."""

    container: InputContainer
    stream: VideoStream
    name: str
    format_name: str


@dataclass(frozen=True)
class Index:
    """Every frame of a clip as its packets tell: presentation times and key frames, ascending, in `time_base` units.

    `in_order` says that the times can't be trusted for seeking and frames have to be counted while decoding.
    """

    pts: array[int]
    keys: array[int]
    time_base: Fraction
    in_order: bool
    audio_packets: int
    #: Some frames are there to decode others and are not shown, as cuts without encoding leave them.
    trimmed: bool = False
    #: SHA-256 of the compressed pictures and what their decoder is set up with, "" where nobody asked for it: two files
    #: that have it in common, and their times, show the same.
    pictures: str = ""

    @property
    def times_s(self) -> list[float]:
        """Each frame's time from the first one."""
        return [float((pts - self.pts[0]) * self.time_base) for pts in self.pts]


def index(clip: Clip, *, budget_s: float | None = None, hashed: bool = False) -> Index | None:
    """Demux the file to its end and list its frames; None if that takes longer than `budget_s`.

    Raises Rejected for a file that is cut off or has no frames.
    """
    until = time.monotonic() + budget_s if budget_s is not None else float("inf")
    pts: array[int] = array("q")
    keys: array[int] = array("q")
    audio, corrupt, timeless, unseen, end_s = 0, 0, False, 0, 0.0
    digest = hashlib.sha256(clip.stream.codec_context.extradata or b"") if hashed else None
    rewind(clip)
    for packet in clip.container.demux(clip.stream, *clip.container.streams.audio):
        if packet.size == 0 or packet.is_discard:
            unseen += packet.size > 0 and packet.stream_index == clip.stream.index
            continue
        if time.monotonic() > until:
            return None
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            end_s = max(end_s, float((stamp + (packet.duration or 0)) * packet.time_base))
        if packet.stream_index != clip.stream.index:
            audio += 1
            continue
        if digest is not None:
            digest.update(packet)
        corrupt += packet.is_corrupt
        timeless |= packet.pts is None
        pts.append(stamp if stamp is not None else len(pts))
        if packet.is_keyframe:
            keys.append(pts[-1])
    if not pts:
        raise trouble.unreadable(clip.name, "no frame was found")
    if corrupt or _ends_early(clip, len(pts) + unseen, end_s):
        raise trouble.cut_off(clip.name, f"{len(pts)} frames are there")
    ordered = array("q", sorted(pts))
    repeated = any(one == following for one, following in pairwise(ordered))
    # AVI stores no presentation times; what its demuxer makes up for reordered frames differs from the decoder's.
    in_order = timeless or repeated or (clip.format_name == "avi" and len(keys) < len(pts))
    time_base, pictures = clip.stream.time_base or Fraction(1), digest.hexdigest() if digest is not None else ""
    return Index(ordered, array("q", sorted(keys)), time_base, in_order, audio, unseen > 0, pictures)


def whole_index(clip: Clip, *, hashed: bool = False) -> Index:
    """Return the index, however long it takes; the caller has a deadline of its own."""
    found = index(clip, hashed=hashed)
    assert found is not None, "only a budget leaves an index unfinished"
    return found


def _ends_early(clip: Clip, count: int, end_s: float) -> bool:
    """A header that promises clearly more than the packets hold tells of a copy that broke off."""
    if clip.stream.frames and count < clip.stream.frames - 1:
        return True
    promised_s = (clip.container.duration or 0) / av.time_base
    start_s = (clip.container.start_time or 0) / av.time_base
    return promised_s - (end_s - start_s) > max(1.0, promised_s * 0.05)


def first(clip: Clip) -> VideoFrame:
    """Decode the first frame; raises Rejected if there is none."""
    rewind(clip)
    frame = next(_decoded(clip), None)
    if frame is None:
        raise trouble.unreadable(clip.name, "no frame can be decoded")
    return frame


def frames_at(clip: Clip, found: Index, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Decode the frames of these ascending numbers: (number, frame); one that can't be decoded is left out."""
    if found.in_order:
        numbers = set(wanted)
        rewind(clip)
        yield from ((number, frame) for number, frame in enumerate(_decoded(clip)) if number in numbers)
        return
    reader = _Reader(clip, found)
    for number in wanted:
        frame = reader.at(found.pts[number])
        if frame is not None:
            yield number, frame


class _Reader:
    """Walks a clip forwards to given times, by seeking wherever a key frame on the way saves decoding."""

    def __init__(self, clip: Clip, found: Index) -> None:
        self._clip = clip
        self._index = found
        self._decoded: Iterator[VideoFrame] = iter(())
        self._current: VideoFrame | None = None
        self._before: VideoFrame | None = None

    def at(self, target: int) -> VideoFrame | None:
        """Return the frame of this time stamp, or one very near to it, or None."""
        key = self._key_before(target)
        if self._current is None or _stamp(self._current) < key:
            self._seek(key)
            if self._current is None or _stamp(self._current) > target:
                self._seek(None)  # a broken seek table led past the frame
        while self._current is not None and _stamp(self._current) < target:
            self._step()
        return next((frame for frame in (self._current, self._before) if self._is_near(frame, target)), None)

    def _key_before(self, target: int) -> int:
        at = bisect_right(self._index.keys, target) - 1
        return self._index.keys[at] if at >= 0 else self._index.pts[0]

    def _is_near(self, frame: VideoFrame | None, target: int) -> bool:
        return frame is not None and abs(_stamp(frame) - target) * self._index.time_base <= _NEAR_S

    def _seek(self, key: int | None) -> None:
        if key is None:
            rewind(self._clip)
        else:
            self._clip.container.seek(key, stream=self._clip.stream)
        self._decoded, self._current = _decoded(self._clip), None
        self._step()

    def _step(self) -> None:
        self._before, self._current = self._current, next(self._decoded, None)


def _stamp(frame: VideoFrame) -> int:
    return frame.pts if frame.pts is not None else -1


def rewind(clip: Clip) -> None:
    """Go back to where the clip begins."""
    clip.container.seek(min(0, clip.container.start_time or 0))


def _decoded(clip: Clip) -> Iterator[VideoFrame]:
    for frame in clip.container.decode(clip.stream):
        if frame.width * frame.height > limits.MAX_VIDEO_PIXELS:
            raise trouble.too_large(clip.name, frame.width, frame.height, limits.MAX_VIDEO_PIXELS)
        yield frame


def shown_size(frame: VideoFrame) -> tuple[int, int]:
    """Return width and height as players show the frame."""
    turned = round(frame.rotation / 90) % 2 == 1
    return (frame.height, frame.width) if turned else (frame.width, frame.height)


def to_rgb(frame: VideoFrame) -> Rgb:
    """Return a frame's pixels upright as players show them: uint8 (height, width, 3)."""
    pixels = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def sampled(clip: Clip, choose: Callable[[Sequence[float]], Sequence[int]]) -> Iterator[tuple[int, Rgb]]:
    """Decode the frames that `choose(times_s)` names; raises Rejected if one of them can't be decoded."""
    found = whole_index(clip)
    yield from ((number, to_rgb(frame)) for number, frame in chosen(clip, found, choose(times_of(clip, found))))


def times_of(clip: Clip, found: Index) -> list[float]:
    """Return each frame's time from the first one; raises Rejected for a clip that is too long."""
    times_s = found.times_s
    if times_s[-1] > limits.MAX_SECONDS:
        raise trouble.too_long(clip.name)
    return times_s


def chosen(clip: Clip, found: Index, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Decode the frames of these ascending numbers; raises Rejected if one of them can't be decoded."""
    given = 0
    for number, frame in frames_at(clip, found, wanted):
        given += not frame.is_corrupt
        yield number, frame
    if given != len(wanted):
        raise trouble.unreadable(clip.name, f"{len(wanted) - given} of {len(wanted)} sampled frames")


class Thumbnails:
    """Small pictures of frames, every so many pixels of them: enough to see whether anything is there and moves."""

    def __init__(self, shortest: int) -> None:
        self._shortest = shortest
        # One for all: each frame's own would be set up anew, which costs more than its work.
        self._reformatter = VideoReformatter()

    def of(self, frame: VideoFrame) -> Rgb:
        """Return a frame's thumbnail, as stored: uint8 (height, width, 3), its shorter side about `shortest`."""
        step = max(1, min(frame.width, frame.height) // self._shortest)
        width, height = -(-frame.width // step), -(-frame.height // step)
        small = self._reformatter.reformat(frame, width, height, "rgb24", interpolation=Interpolation.POINT)
        return small.to_ndarray().astype(np.uint8, copy=False)

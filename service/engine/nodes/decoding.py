"""Video and sound files, held open: facts at once, pixels and samples when they are pulled."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import cv2
from av.container import InputContainer

from service.engine.held import HeldFile
from service.engine.images import Audio, Check, Frames, Picture, Sound, Video, never_interrupted

#: Codecs whose packets and pictures are not one to one: their frames are counted by decoding.
UNEVEN = frozenset({"vp8", "av1", "mpeg2video", "vc1", "wmv3", "h263"})
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class VideoFile:
    """A video held open: size as displayed, frames counted, the first one decoded, so that a broken file fails here."""

    def __init__(self, held: HeldFile) -> None:
        self.held = held
        with self.open() as container:
            if not container.streams.video:
                raise ValueError(f"No video stream found in file '{held.name}'. Drop a file that holds a video.")
            stream = container.streams.video[0]
            self.rate = stream.average_rate or stream.guessed_rate or Fraction(1)
            self.codec = stream.codec_context.name
            self.is_h264_mp4 = self.codec == "h264" and "mp4" in container.format.name
            first = next(container.decode(stream), None)
            if first is None:
                raise ValueError(f"No picture could be decoded from '{held.name}'. Save the video again.")
            self.turn = int(getattr(first, "rotation", 0)) % 360
            sideways = self.turn in {90, 270}
            self.width, self.height = (first.height, first.width) if sideways else (first.width, first.height)
        self.count = max(1, self._count())

    def open(self) -> InputContainer:
        """Open the held file anew; raises av.error.FFmpegError."""
        made: InputContainer = av.open(cast(Any, self.held.reader()))
        return made

    def _count(self) -> int:
        with self.open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if stream.codec_context.name in UNEVEN:
                return sum(1 for _ in container.decode(stream))
            packets = container.demux(stream)
            return sum(1 for packet in packets if packet.size and not packet.is_discard)

    def draw(self, check: Check, start: int) -> Iterator[Picture]:
        """Decode from one frame on; what lies before it is decoded and left."""
        with self.open() as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 2
            stream.thread_type = "AUTO"
            for index, frame in enumerate(container.decode(stream)):
                check()
                if index >= start:
                    yield self._upright(frame)

    def _upright(self, frame: av.VideoFrame) -> Picture:
        picture: Any = frame.to_ndarray(format="rgb24")
        if self.turn in TURNS:
            picture = cv2.rotate(picture, TURNS[self.turn])
        if picture.shape[:2] != (self.height, self.width):
            picture = cv2.resize(picture, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return cast(Picture, picture)

    def frames(self) -> Frames:
        """Return the pictures."""
        return Frames(self.count, self.width, self.height, self.draw)

    def video(self) -> Video:
        """Return pictures, rate and sound; they remember that they are this whole file."""
        return Video(self.frames(), self.rate, sound_of(self.held), self.held)


def sound_of(held: HeldFile) -> Audio | None:
    """Return a file's sound at its own rate, or None where it has none; the samples are counted now."""
    with av.open(cast(Any, held.reader())) as container:
        if not container.streams.audio:
            return None
        context = container.streams.audio[0].codec_context
        rate, channels = context.sample_rate, min(2, context.channels)

    def pull(check: Check) -> Iterator[Sound]:
        with av.open(cast(Any, held.reader())) as container:
            stream = container.streams.audio[0]
            resampler = av.AudioResampler("fltp", "mono" if channels == 1 else "stereo", rate)
            for frame in container.decode(stream):
                check()
                for part in resampler.resample(frame):
                    yield part.to_ndarray()
            for part in resampler.resample(None):
                yield part.to_ndarray()

    samples = sum(block.shape[1] for block in pull(never_interrupted))
    return Audio(rate, channels, samples, pull) if samples else None

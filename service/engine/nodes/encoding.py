"""Frames and sound into a video file, one frame at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from service.engine.held import HeldFile
from service.engine.images import Audio, Check, Frames, Sound

# SVT-AV1 tells its whole configuration on stderr unless asked for errors only; read once, when the library starts.
os.environ.setdefault("SVT_LOG", "1")

THREADS = 2
BLOCK = 4096


@dataclass(frozen=True)
class Coding:
    """How a video is written: names of ffmpeg's muxer and encoders, their options, what the pixels become."""

    muxer: str
    codec: str
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, str] = field(default_factory=dict)
    sound: str = "aac"
    tag: str | None = None


def rate_of(value: float | Fraction) -> Fraction:
    """Return frames a second as a fraction that every container can keep."""
    return Fraction(value).limit_denominator(1001)


def encode(
    path: Path,
    frames: Frames,
    rate: Fraction,
    coding: Coding,
    check: Check,
    *,
    audio: Audio | None,
    tags: Mapping[str, str],
) -> None:
    """Write a video file; sound is cut to the length of the picture.

    Raises av.error.FFmpegError where an encoder refuses, for example an odd size in h264.
    """
    with av.open(str(path), "w", format=coding.muxer, container_options=dict(coding.container)) as output:
        output.metadata.update(tags)
        stream = video_stream(output, frames, rate, coding)
        sound = sound_stream(output, audio, coding) if audio else None
        for number, frame in enumerate(frames.pull(check)):
            put_picture(output, stream, frame, number, rate)
        output.mux(stream.encode(None))
        if audio and sound:
            put_sound(output, sound, audio.cut(math.ceil(audio.rate / rate * frames.count)), check)


def video_stream(output: OutputContainer, frames: Frames, rate: Fraction, coding: Coding) -> VideoStream:
    """Add the picture's stream."""
    stream = cast(VideoStream, output.add_stream(coding.codec, rate=rate, options=dict(coding.options)))
    stream.width, stream.height, stream.pix_fmt = frames.width, frames.height, coding.pixels
    stream.codec_context.thread_count = THREADS
    if coding.tag:
        stream.codec_context.codec_tag = coding.tag
    stream.codec_context.time_base = 1 / rate
    if coding.pixels.startswith("yuv"):
        # Said in the file, so that players don't guess by the size.
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.color_range = 1
    return stream


def put_picture(output: OutputContainer, stream: VideoStream, frame: Any, number: int, rate: Fraction) -> None:
    """Encode one frame."""
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    if (stream.pix_fmt or "").startswith("yuv"):
        picture = picture.reformat(format=stream.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
    picture.pts, picture.time_base = number, 1 / rate
    output.mux(stream.encode(picture))


def sound_stream(output: OutputContainer, audio: Audio, coding: Coding) -> AudioStream:
    """Add the sound's stream; Opus knows 48 kHz only among the usual rates."""
    rate = 48000 if coding.sound == "libopus" else audio.rate
    layout = "mono" if audio.channels == 1 else "stereo"
    return cast(AudioStream, output.add_stream(coding.sound, rate=rate, layout=layout))


def put_sound(output: OutputContainer, stream: AudioStream, audio: Audio, check: Check) -> None:
    """Encode the sound to its end."""
    for frame in sound_frames(audio, check):
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def sound_frames(audio: Audio, check: Check) -> Iterator[av.AudioFrame]:
    """Yield sound as PyAV's frames, at most two channels."""
    done = 0
    for block in audio.pull(check):
        for start in range(0, block.shape[1], BLOCK):
            part = np.ascontiguousarray(block[:2, start : start + BLOCK])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono" if len(part) == 1 else "stereo")
            frame.sample_rate, frame.pts, frame.time_base = audio.rate, done, Fraction(1, audio.rate)
            done += part.shape[1]
            yield frame


def padded(audio: Audio, samples: int) -> Audio:
    """Return sound of exactly this length, silent where it was shorter."""

    def pull(check: Check) -> Iterator[Sound]:
        left = samples
        for block in audio.cut(samples).pull(check):
            left -= block.shape[1]
            yield block
        while left > 0:
            size = min(left, audio.rate)
            yield np.zeros((audio.channels, size), np.float32)
            left -= size

    return Audio(audio.rate, audio.channels, samples, pull)


def copy_with_sound(
    source: Path, path: Path, audio: Audio, coding: Coding, check: Check, tags: Mapping[str, str]
) -> None:
    """Write the pictures of a file, not encoded again, with sound beside them."""
    with (
        av.open(str(source)) as given,
        av.open(str(path), "w", format=coding.muxer, container_options=dict(coding.container)) as output,
    ):
        output.metadata.update(tags)
        pictures = given.streams.video[0]
        stream = output.add_stream_from_template(pictures)
        sound = sound_stream(output, audio, coding)
        for packet in given.demux(pictures):
            check()
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
        put_sound(output, sound, audio, check)


def copy_streams(held: HeldFile, path: Path, muxer: str, check: Check, tags: Mapping[str, str]) -> None:
    """Write a file's pictures and sound into another container, not encoded again."""
    with (
        av.open(cast(Any, held.reader())) as given,
        av.open(str(path), "w", format=muxer, container_options={"movflags": "use_metadata_tags"}) as output,
    ):
        output.metadata.update({**given.metadata, **tags})
        streams = {stream.index: output.add_stream_from_template(stream) for stream in copied(given.streams)}
        for packet in given.demux([given.streams[index] for index in streams]):
            check()
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)


def copied(streams: Iterable[Any]) -> list[Any]:
    """Return a file's first picture stream and its sound; covers, subtitles and data are left."""
    found = list(streams)
    pictures = [stream for stream in found if stream.type == "video"]
    return [*pictures[:1], *(stream for stream in found if stream.type == "audio")]

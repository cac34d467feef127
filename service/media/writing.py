"""Frames and sound into an MP4 that every loader reads. Loaded only in child processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.audio.frame import AudioFrame
from av.filter import Graph

if TYPE_CHECKING:
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: Nothing that a model would see is lost, and a CPU keeps up.
_PICTURE = {"crf": "14", "preset": "veryfast"}
_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000})
#: Encoders want some pixels to work on.
_SMALLEST = 16


@dataclass(frozen=True)
class Shape:
    """How frames are laid out: as stored, turned counterclockwise by so many quarters, then of this even size."""

    stored: tuple[int, int]
    quarters: int
    #: Width and height with square pixels, upright.
    square: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is written: even, at least 16."""
        width, height = (max(_SMALLEST, side - side % 2) for side in self.square)
        return width, height

    @property
    def is_as_stored(self) -> bool:
        """Tell whether nothing about the frames' layout has to change."""
        return not self.quarters and self.stored == self.square == self.size

    def lines(self) -> Iterator[str]:
        """Say what changes, for people."""
        upright = (self.stored[1], self.stored[0]) if self.quarters % 2 else self.stored
        if self.quarters:
            yield "turned upright"
        if self.square != upright:
            yield f"stretched from {_written(upright)} to {_written(self.square)} pixels, because its own aren't square"
        if self.size != self.square:
            how = "enlarged" if min(self.square) < _SMALLEST else "cropped"
            yield f"{how} from {_written(self.square)} to {_written(self.size)} pixels"


def shape_of(frame: VideoFrame, pixel_aspect: Fraction | None) -> Shape:
    """Return the layout of a clip's frames, told from its first one."""
    width, height = frame.width, frame.height
    quarters = round(frame.rotation / 90) % 4
    if pixel_aspect and pixel_aspect > 1:
        width = round(width * pixel_aspect)
    elif pixel_aspect and 0 < pixel_aspect < 1:
        height = round(height / pixel_aspect)
    if (width, height) != (frame.width, frame.height):
        width, height = width + width % 2, height + height % 2
    square = (height, width) if quarters % 2 else (width, height)
    return Shape((frame.width, frame.height), quarters, square)


def _written(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


class Writer:
    """Writes one MP4: a picture track, copied or encoded, and perhaps a sound track; no metadata of any source."""

    def __init__(self, path: Path, shape: Shape, rate: Fraction) -> None:
        self._output = av.open(str(path), "w", format="mp4", container_options={"movflags": "faststart"})
        self._shape = shape
        self._rate = rate
        self._picture: VideoStream | None = None
        self._copied: dict[int, Any] = {}
        self._inexact: set[int] = set()
        self._sound: _Sound | None = None
        self._silence: _Silence | None = None
        self._graphs: dict[tuple[Any, ...], Graph] = {}
        self._count = 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_trouble: object) -> None:
        if kind is None:
            self._finish()
        self._output.close()

    def add_picture(self) -> None:
        """Add a picture track that frames are encoded into."""
        stream = self._output.add_stream("libx264", rate=self._rate, options=dict(_PICTURE))
        stream.width, stream.height = self._shape.size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = 2
        context.time_base = 1 / self._rate
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        self._picture = stream

    def copy_track(self, stream: VideoStream | AudioStream, *, exact: bool = True) -> None:
        """Add a track that packets are copied into; without `exact` times each is put right to the rate."""
        made = self._output.add_stream_from_template(stream)
        made.metadata.clear()
        self._copied[stream.index] = made
        if not exact:
            made.time_base = 1 / self._rate
            self._inexact.add(stream.index)

    def add_sound(self, stream: AudioStream, start_s: Fraction) -> None:
        """Add a sound track that another is encoded into; `start_s` is when the picture begins in the source."""
        self._sound = _Sound(self._output, stream, start_s)

    def add_silence(self) -> None:
        """Add a sound track in which nothing is heard, as long as the picture."""
        self._silence = _Silence(self._output)

    def copy(self, packet: Packet[Any]) -> None:
        """Copy one packet of a copied track."""
        if packet.dts is None and packet.size == 0:
            return
        if packet.stream_index in self._inexact:
            step = packet.time_base * self._rate
            packet.pts, packet.dts = (None if at is None else round(at * step) for at in (packet.pts, packet.dts))
            packet.time_base, packet.duration = 1 / self._rate, 1
        packet.stream = self._copied[packet.stream_index]
        self._output.mux(packet)
        if self._silence is not None:
            # Nothing but the picture is copied then.
            self._count += 1
            self._silence.until(self._count / self._rate)

    def put_frame(self, frame: VideoFrame) -> None:
        """Encode one frame as the next one."""
        assert self._picture is not None, "the picture track is added first"
        laid = self._laid_out(frame)
        laid.pts, laid.time_base, laid.pict_type = self._count, 1 / self._rate, 0
        self._count += 1
        self._output.mux(self._picture.encode(laid))
        if self._silence is not None:
            self._silence.until(self._count / self._rate)

    def put_sound(self, packet: Packet[Any]) -> None:
        """Decode one packet of sound and encode it anew."""
        assert self._sound is not None, "the sound track is added first"
        self._sound.put(packet)

    def _finish(self) -> None:
        if self._picture is not None:
            self._output.mux(self._picture.encode(None))
        if self._sound is not None:
            self._sound.finish()
        if self._silence is not None:
            self._silence.finish()

    def _laid_out(self, frame: VideoFrame) -> VideoFrame:
        key = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = _graph(frame, self._shape)
        graph.vpush(frame)
        return graph.vpull()


def _graph(frame: VideoFrame, shape: Shape) -> Graph:
    """Compose the filters that lay a frame out: turned, in square pixels, even, in the colours of HD."""
    graph = Graph()
    graph.threads = 1
    width, height = shape.square
    even_width, even_height = shape.size
    into = "bt709" if min(frame.width, frame.height) >= 720 else "bt601"
    matrix = "auto" if frame.colorspace not in (2, None) else into
    turn = {1: [("transpose", "cclock")], 2: [("hflip", ""), ("vflip", "")], 3: [("transpose", "clock")]}
    steps = [*turn.get(shape.quarters, [])]
    if min(shape.square) < _SMALLEST:
        width, height = even_width, even_height
    scale = f"{width}:{height}:flags=bicubic:in_color_matrix={matrix}:out_color_matrix=bt709:out_range=tv"
    steps += [("scale", scale), ("format", "yuv420p"), ("crop", f"{even_width}:{even_height}:0:0"), ("setsar", "1")]
    buffer = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
    graph.link_nodes(buffer, *(graph.add(*step) for step in steps), graph.add("buffersink")).configure()
    return graph


class _Sound:
    """A sound track that is decoded and encoded as AAC, mono or stereo, beginning where the picture does."""

    def __init__(self, output: Any, source: AudioStream, start_s: Fraction) -> None:
        rate = source.codec_context.sample_rate
        rate = rate if rate in _AAC_RATES else 48000
        self._layout = "mono" if source.codec_context.channels == 1 else "stereo"
        self._output = output
        self._stream = output.add_stream("aac", rate=rate, layout=self._layout)
        self._resampler: AudioResampler = av.AudioResampler("fltp", self._layout, rate)
        self._rate = rate
        self._start_s = start_s
        self._next: int | None = None

    def put(self, packet: Packet[Any]) -> None:
        """Encode what one packet holds."""
        for frame in packet.decode():
            assert isinstance(frame, AudioFrame), "a sound track holds sound"
            if self._next is None:
                late_s = (frame.time or 0.0) - float(self._start_s)
                self._next = max(0, round(late_s * self._rate))
            frame.pts = None
            self._encode(self._resampler.resample(frame))

    def finish(self) -> None:
        """Encode what is left."""
        if self._next is not None:
            self._encode(self._resampler.resample(None))
            self._output.mux(self._stream.encode(None))

    def _encode(self, parts: list[Any]) -> None:
        for part in parts:
            part.pts, part.time_base = self._next, Fraction(1, self._rate)
            self._next = (self._next or 0) + part.samples
            self._output.mux(self._stream.encode(part))


class _Silence:
    """A sound track of nothing, mono."""

    _RATE = 48_000
    _SAMPLES = 1024

    def __init__(self, output: Any) -> None:
        self._output = output
        self._stream = output.add_stream("aac", rate=self._RATE, layout="mono")
        self._next = 0

    def until(self, end_s: Fraction) -> None:
        """Let it last at least so long."""
        while self._next < end_s * self._RATE:
            frame = AudioFrame(format="fltp", layout="mono", samples=self._SAMPLES)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts, frame.time_base = self._RATE, self._next, Fraction(1, self._RATE)
            self._next += self._SAMPLES
            self._output.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Encode what is left."""
        self._output.mux(self._stream.encode(None))

"""How results can be encoded: containers, codecs, the encoders for each, and what each takes. Pure tables and sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

#: The codecs that a format takes, its usual one first; moving pictures have none to choose.
CODECS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "mp4": ("h264", "hevc", "av1"),
    "webm": ("vp9", "av1"),
    "mov": ("h264", "hevc", "prores"),
    "gif": (),
    "webp": (),
})  # fmt: skip
#: The encoders of a codec that run on any processor, best first: a distribution's ffmpeg may lack one.
_SOFTWARE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "h264": ("libx264",),
    "hevc": ("libx265",),
    "av1": ("libsvtav1", "libaom-av1"),
    "vp9": ("libvpx-vp9",),
    "prores": ("prores_ks",),
})  # fmt: skip
_HARDWARE: Final = ("nvenc", "qsv", "amf", "vaapi", "videotoolbox")
_ALIASES: Final[Mapping[str, str]] = MappingProxyType({"h265": "hevc", "x264": "h264", "x265": "hevc"})
#: The largest crf that a codec knows; the others have none.
LARGEST_CRF: Final[Mapping[str, int]] = MappingProxyType({"h264": 51, "hevc": 51, "vp9": 63, "av1": 63})
_USUAL_CRF: Final[Mapping[str, int]] = MappingProxyType({"h264": 18, "hevc": 22, "vp9": 30, "av1": 32})
#: GIF counts in hundredths of a second, and viewers slow down what asks for less than two of them.
GIF_FPS_MAX: Final = 50.0


@dataclass(frozen=True)
class Encoding:
    """What a result is to be: container, encoders in the order in which they are tried, quality, rate, sound."""

    format: str
    encoders: tuple[str, ...]
    crf: int | None = None
    #: Frames a second of what is written; None for those of the source.
    fps: float | None = None
    #: Frames a second to be made of the source's by motion, before that.
    interpolated_fps: float | None = None
    audio: bool = True
    #: Whether the pictures are encoded anew though they have the codec already.
    anew: bool = False

    @property
    def codec(self) -> str:
        """The codec of the pictures, as ffmpeg names it."""
        return codec_of(self.encoders[0]) or self.format if self.encoders else self.format

    @property
    def has_sound(self) -> bool:
        """Whether the sound of the source is kept."""
        return self.audio and self.format in ("mp4", "webm", "mov")

    @property
    def changes_pictures(self) -> bool:
        """Whether the pictures can't just be copied, whatever their codec is."""
        return self.anew or self.fps is not None or self.interpolated_fps is not None


#: What is published where nobody asks for anything: copied where it can be.
USUAL: Final = Encoding("mp4", ("libx264",))


def codec_of(name: str) -> str | None:
    """Return the codec that a codec's or an encoder's name stands for, None for a name that isn't known."""
    name = _ALIASES.get(name, name)
    if name in _SOFTWARE:
        return name
    for codec, encoders in _SOFTWARE.items():
        if name in encoders or name in {f"{codec}_{kind}" for kind in _HARDWARE}:
            return codec
    return None


def is_hardware(encoder: str) -> bool:
    """Tell whether an encoder needs a machine that has it."""
    return encoder.rpartition("_")[2] in _HARDWARE


def encoders_of(name: str) -> tuple[str, ...]:
    """Return the encoders to try for a codec's or an encoder's name, that one first."""
    codec = codec_of(name)
    assert codec is not None, name
    software = _SOFTWARE[codec]
    first = name if name in software or is_hardware(name) else software[0]
    return (first, *(each for each in software if each != first))


def names() -> tuple[str, ...]:
    """Return every name that can be asked for: codecs, then encoders."""
    encoders = [each for known in _SOFTWARE.values() for each in known]
    return (
        *_SOFTWARE,
        "h265",
        *encoders,
        *(f"{codec}_{kind}" for codec in ("h264", "hevc", "av1") for kind in _HARDWARE),
    )


def encoding_of(wish: Mapping[str, Any], source_fps: float | None, interpolation: int = 1) -> Encoding:
    """Return how a result is encoded for what its job asks for under `output`, checked already."""
    kind = wish.get("format", "mp4")
    usual = CODECS[kind][0] if CODECS[kind] else ""
    made_fps = source_fps * interpolation if source_fps and interpolation > 1 else None
    fps = wish.get("fps")
    if kind == "gif" and (fps or made_fps or source_fps or 0) > GIF_FPS_MAX:
        fps = GIF_FPS_MAX
    same = fps is not None and made_fps is None and source_fps is not None and abs(fps - source_fps) < 0.001
    return Encoding(
        kind,
        encoders_of(wish.get("codec") or usual) if usual else (),
        wish.get("crf"),
        None if same else fps,
        made_fps,
        wish.get("audio", "keep") != "drop",
        anew=wish.get("crf") is not None,
    )


def quality(encoder: str, crf: int | None) -> dict[str, str | int]:
    """Return an encoder's options for a quality in the way in which it counts: lower is better in crf."""
    codec, kind = codec_of(encoder) or "", encoder.rpartition("_")[2]
    value = crf if crf is not None else _USUAL_CRF.get(codec)
    if value is None:
        return {}
    by_hardware: dict[str, dict[str, str | int]] = {
        "nvenc": {"rc": "vbr", "cq": value, "b:v": 0},
        "qsv": {"global_quality": value},
        "amf": {"rc": "cqp", "qp_i": value, "qp_p": value},
        "vaapi": {"rc_mode": "CQP", "qp": value},
        # Apple counts from 1, the worst, to 100.
        "videotoolbox": {"q:v": max(1, 100 - 2 * value)},
    }
    if kind in by_hardware:
        return by_hardware[kind]
    more: dict[str, dict[str, str | int]] = {
        "libvpx-vp9": {"b:v": 0, "row-mt": 1},
        "libaom-av1": {"b:v": 0, "cpu-used": 6, "row-mt": 1},
    }
    return {"crf": value, **more.get(encoder, {})}

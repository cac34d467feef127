"""A server's result becomes the file that is published: the asked container and codec, our tags and nobody else's.

Loaded by the daemon: everything is done by an ffmpeg program, no decoder is imported.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import ffmpeg
import imageio_ffmpeg

from service.errors import Failed, Problem, Unavailable
from service.foreign import without_paths
from service.media.encodings import Encoding, is_hardware, quality

_log = logging.getLogger(__name__)

#: A format's ffmpeg muxer, the codec of its sound and the encoder for that.
_MUXERS: Final = MappingProxyType(
    {
        "mp4": ("mp4", "aac", "aac"),
        "mov": ("mov", "aac", "aac"),
        "webm": ("webm", "opus", "libopus"),
        "gif": ("gif", "", ""),
        "webp": ("webp", "", ""),
    }
)
_VAAPI_DEVICE = "/dev/dri/renderD128"
_TAIL_CHARACTERS = 500
_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Whoever asks a program to end waits at most this long until it is killed.
_STOP_LOOK_S = 0.1


@dataclass(frozen=True)
class _Found:
    """What ffmpeg says about a source: codec names, None for a track that isn't there; whether frames have times."""

    video: str | None
    audio: str | None
    timed: bool


#: Encoders that this machine turned out not to have, so that no later job waits for their failure.
_absent: set[str] = set()


def deliver(
    source: Path,
    target: Path,
    tags: Mapping[str, str],
    encoding: Encoding,
    *,
    deadline_s: float,
    stop: threading.Event | None = None,
) -> str:
    """Write `source` to `target` as an encoding says, with these metadata tags alone; return the encoder that made it.

    The picture is copied bit for bit ("copy") when it already is what is asked; sound is kept where the format has it.
    Of several encoders the first that works is taken. The target appears whole or not at all and is not fsynced; GIF
    and WebP carry no tags from here. Raises Failed if it can't be done within `deadline_s`, Unavailable if the disk is
    full, no ffmpeg runs, or `stop` is set meanwhile: then ffmpeg is killed at once.
    """
    until = time.monotonic() + deadline_s
    draft = target.with_name(f".{target.name}.part")
    reason = ""
    try:
        for encoder in [each for each in encoding.encoders if each not in _absent] or encoding.encoders[-1:] or ("",):
            for program in _programs():
                found = _describe(program, source, until, stop)
                way = "copy" if _is_as_asked(found, encoding) else encoder
                reason = _run(program, _arguments(source, draft, found, encoding, way), _tag_file(tags), until, stop)
                if not reason:
                    draft.replace(target)
                    return way
                if "Unknown encoder" not in reason:
                    break
            if _tells_of_the_source(reason, encoder):
                break
            _absent.add(encoder)
        raise _failed(source, target, reason)
    finally:
        draft.unlink(missing_ok=True)


def run_whole(
    arguments_of: Callable[[Path], list[str]],
    source: Path,
    target: Path,
    deadline_s: float,
    stop: threading.Event | None,
) -> None:
    """Let the first ffmpeg that can write a file, given where to; raises what `deliver` raises.

    The target appears whole or not at all. `source` is named in the log.
    """
    until = time.monotonic() + deadline_s
    draft = target.with_name(f".{target.name}.part")
    reason = ""
    try:
        for program in _programs():
            reason = _run(program, arguments_of(draft), b"", until, stop)
            if not reason:
                draft.replace(target)
                return
        raise _failed(source, target, reason)
    finally:
        draft.unlink(missing_ok=True)


def _tells_of_the_source(reason: str, encoder: str) -> bool:
    """A hardware encoder may fail for any reason of its own; of the others only its absence lets the next one try."""
    full = any(os.strerror(code) in reason for code in _FULL)
    return full or not (is_hardware(encoder) or "Unknown encoder" in reason)


def _programs() -> Iterator[str]:
    """Give the system's ffmpeg, then the one that came with us: a distribution's may lack an encoder."""
    installed = shutil.which("ffmpeg")
    if installed is not None:
        yield installed
    try:
        yield imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        if installed is None:
            fix = "Install ffmpeg, or run make setup again."
            raise Unavailable("ffmpeg_missing", "There is no ffmpeg program to write videos with.", fix) from error


def _is_as_asked(found: _Found, encoding: Encoding) -> bool:
    return not encoding.changes_pictures and found.timed and bool(encoding.encoders) and found.video == encoding.codec


def _arguments(source: Path, draft: Path, found: _Found, encoding: Encoding, way: str) -> list[str]:
    """Compose the argument list; ffmpeg-python maps and orders the options, the tags' input is ours."""
    muxer, sound, sound_encoder = _MUXERS[encoding.format]
    opened = ffmpeg.input(_file(source), protocol_whitelist="file,pipe")
    pictures = opened["v:0"] if way == "copy" else _filtered(opened["v:0"], encoding, way)
    streams, options = [pictures], _video_options(encoding, way)
    if found.audio is not None and encoding.has_sound:
        streams.append(opened["a:0"])
        options["c:a"] = "copy" if found.audio == sound else sound_encoder
    if encoding.format in {"mp4", "mov"}:
        options["movflags"] = "use_metadata_tags+faststart"
    if encoding.format in {"mp4", "mov"} and encoding.codec == "hevc":
        options["tag:v"] = "hvc1"  # Apple's players ignore HEVC under its other name
    stripped = {"map_metadata": 1, "map_metadata:s": -1, "map_chapters": -1}
    output = ffmpeg.output(*streams, _file(draft), format=muxer, **stripped, **options)
    arguments: list[str] = ffmpeg.get_args(output, overwrite_output=True)
    # The tags go through a pipe: a process list is for all users to read, and an argument's length has a limit.
    after_input = arguments.index("-i") + 2
    arguments[after_input:after_input] = ["-f", "ffmetadata", "-protocol_whitelist", "pipe", "-i", "pipe:0"]
    if way.endswith("_vaapi"):
        arguments[:0] = ["-vaapi_device", _VAAPI_DEVICE]
    return arguments


def _filtered(pictures: Any, encoding: Encoding, way: str) -> Any:
    """Put the filters before an encoder: frames made by motion, the asked rate, even sides, a palette."""
    if encoding.interpolated_fps is not None:
        pictures = pictures.filter(
            "minterpolate", fps=encoding.interpolated_fps, mi_mode="mci", mc_mode="aobmc", vsbmc=1
        )
    if encoding.fps is not None:
        pictures = pictures.filter("fps", fps=encoding.fps)
    if encoding.format == "gif":
        halves = pictures.filter_multi_output("split")
        palette = halves[0].filter("palettegen", stats_mode="diff")
        return ffmpeg.filter([halves[1], palette], "paletteuse", dither="sierra2_4a")
    if encoding.format == "webp":
        return pictures
    # Players refuse 4:2:0 with an odd side; one row or column less is not seen.
    pictures = pictures.filter("crop", "trunc(iw/2)*2", "trunc(ih/2)*2")
    return pictures.filter("format", "nv12").filter("hwupload") if way.endswith("_vaapi") else pictures


def _video_options(encoding: Encoding, way: str) -> dict[str, str | int]:
    if way == "copy":
        return {"c:v": "copy"}
    if encoding.format == "gif":
        return {"loop": 0}
    if encoding.format == "webp":
        return {"c:v": "libwebp_anim", "quality": 85, "loop": 0}
    if way == "prores_ks":
        return {"c:v": way, "profile:v": 3, "pix_fmt": "yuv422p10le"}
    options: dict[str, str | int] = {"c:v": way, **quality(way, encoding.crf)}
    return options if way.endswith("_vaapi") else {**options, "pix_fmt": "yuv420p"}


def _file(path: Path) -> str:
    # Without it a name such as "concat:x" would be a protocol and "-x.mp4" an option.
    return f"file:{path.absolute()}"


def _tag_file(tags: Mapping[str, str]) -> bytes:
    """Return the tags as ffmpeg's own metadata file."""
    lines = [";FFMETADATA1", *(f"{_escaped(key)}={_escaped(value)}" for key, value in tags.items())]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _escaped(text: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", text.replace("\0", "").replace("\r\n", "\n"))


def _describe(program: str, source: Path, until: float, stop: threading.Event | None) -> _Found:
    """Ask ffmpeg for the first video and sound track's codecs; it ends with an error because no output is named."""
    said = _run(program, ["-protocol_whitelist", "file,pipe", "-i", _file(source)], b"", until, stop, level="info")
    codecs: dict[str, str] = {}
    for kind, codec in re.findall(r"^\s*Stream #0:\d+.*?: (Video|Audio): (\w+)", said, re.MULTILINE):
        codecs.setdefault(kind, codec)
    # AVI stores no presentation times: copied into another container, reordered frames would show in the wrong order.
    return _Found(codecs.get("Video"), codecs.get("Audio"), timed="Input #0, avi" not in said)


def _run(
    program: str,
    arguments: list[str],
    stdin: bytes,
    until: float,
    stop: threading.Event | None,
    *,
    level: str = "error",
) -> str:
    """Run ffmpeg and return what it said on standard error; nothing at all if it succeeded."""
    argv = [program, "-nostdin", "-hide_banner", "-nostats", "-loglevel", level, *arguments]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        said = _said(process, stdin, until, stop)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return "it took too long"
        raise
    text = said.decode("utf-8", "replace").strip()
    return "" if process.returncode == 0 else text or f"it ended with {process.returncode}"


def _said(process: subprocess.Popen[bytes], stdin: bytes, until: float, stop: threading.Event | None) -> bytes:
    """Return what a program said on standard error until its end; raises TimeoutExpired, and Unavailable if stopped."""
    given: bytes | None = stdin
    while True:
        if stop is not None and stop.is_set():
            raise Unavailable("stopping", "The service is stopping.", "It goes on after the next start.")
        left_s = max(_STOP_LOOK_S, until - time.monotonic())
        try:
            return process.communicate(given, timeout=left_s if stop is None else min(left_s, _STOP_LOOK_S))[1]
        except subprocess.TimeoutExpired:
            if time.monotonic() >= until:
                raise
            # What it was given is remembered, and must not be given again.
            given = None


def _failed(source: Path, target: Path, reason: str) -> Exception:
    _log.warning("%s could not be written from %s: %s", target.name, source.name, reason)
    if any(os.strerror(code) in reason for code in _FULL):
        fix = "Free some space; the job goes on by itself."
        return Unavailable("disk_full", "The disk is full: the result can't be written.", fix)
    # Absolute paths never go into a status file; ours may hold spaces, which no rule for foreign ones can see.
    tail = reason.replace(f"{source.absolute().parent}/", "").replace(f"{target.absolute().parent}/", "")
    return Failed(
        Problem(
            "delivery_failed",
            "The result can't be written in the asked format.",
            "Retry the job, or ask for mp4, which nearly always works.",
            without_paths(tail)[-_TAIL_CHARACTERS:],
        )
    )

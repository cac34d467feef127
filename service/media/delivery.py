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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import ffmpeg
import imageio_ffmpeg

from service.errors import Failed, Problem, Unavailable
from service.foreign import without_paths

_log = logging.getLogger(__name__)

#: Which codec an encoder makes, as ffmpeg names it.
CODEC_OF: Final = MappingProxyType(
    {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9", "libsvtav1": "av1", "prores_ks": "prores"}
)
#: A container's ffmpeg muxer, the codec of its sound and the encoder for that.
_CONTAINERS: Final = MappingProxyType(
    {
        "mp4": ("mp4", "aac", "aac"),
        "mov": ("mov", "aac", "aac"),
        "webm": ("webm", "opus", "libopus"),
        "mkv": ("matroska", "aac", "aac"),
    }
)
_DEFAULT_CRF: Final = MappingProxyType({"libx264": 18, "libx265": 22, "libvpx-vp9": 30, "libsvtav1": 32})
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


def deliver(
    source: Path,
    target: Path,
    tags: Mapping[str, str],
    *,
    container: str,
    codec: str,
    crf: int | None,
    deadline_s: float,
    stop: threading.Event | None = None,
) -> None:
    """Write `source` to `target` in this container (mp4, mov, webm, mkv) and encoder, with these metadata tags alone.

    The picture is copied bit for bit when it already has the codec, otherwise encoded anew with `crf` (lower is
    better, None for the encoder's usual one); sound is kept. The target appears whole or not at all and is not
    fsynced. Raises Failed if it can't be done within `deadline_s`, Unavailable if the disk is full, no ffmpeg runs, or
    `stop` is set meanwhile: then ffmpeg is killed at once.
    """
    until = time.monotonic() + deadline_s
    draft = target.with_name(f".{target.name}.part")
    reason = ""
    try:
        for program in _programs():
            found = _describe(program, source, until, stop)
            arguments = _arguments(source, draft, found, container, codec, crf)
            reason = _run(program, arguments, _tag_file(tags), until, stop)
            if not reason:
                draft.replace(target)
                return
            if "Unknown encoder" not in reason:
                break
        raise _failed(source, target, reason)
    finally:
        draft.unlink(missing_ok=True)


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


def _arguments(source: Path, draft: Path, found: _Found, container: str, codec: str, crf: int | None) -> list[str]:
    """Compose the argument list; ffmpeg-python maps and orders the options, the tags' input is ours."""
    muxer, sound, sound_encoder = _CONTAINERS[container]
    opened = ffmpeg.input(_file(source), protocol_whitelist="file,pipe")
    streams, options = [opened["v:0"]], _video_options(found, codec, crf)
    if found.audio is not None:
        streams.append(opened["a:0"])
        options["c:a"] = "copy" if found.audio == sound else sound_encoder
    if container in {"mp4", "mov"}:
        options["movflags"] = "use_metadata_tags+faststart"
    if container in {"mp4", "mov"} and CODEC_OF[codec] == "hevc":
        options["tag:v"] = "hvc1"  # Apple's players ignore HEVC under its other name
    stripped = {"map_metadata": 1, "map_metadata:s": -1, "map_chapters": -1}
    output = ffmpeg.output(*streams, _file(draft), format=muxer, **stripped, **options)
    arguments: list[str] = ffmpeg.get_args(output, overwrite_output=True)
    # The tags go through a pipe: a process list is for all users to read, and an argument's length has a limit.
    after_input = arguments.index("-i") + 2
    arguments[after_input:after_input] = ["-f", "ffmetadata", "-protocol_whitelist", "pipe", "-i", "pipe:0"]
    return arguments


def _video_options(found: _Found, codec: str, crf: int | None) -> dict[str, str | int]:
    if found.video == CODEC_OF[codec] and found.timed:
        return {"c:v": "copy"}
    options: dict[str, str | int] = {"c:v": codec, "pix_fmt": "yuv420p"}
    quality = crf if crf is not None else _DEFAULT_CRF.get(codec)
    if codec == "prores_ks":
        return {"c:v": codec, "pix_fmt": "yuv422p10le"}
    if quality is not None:
        options["crf"] = quality
    if codec == "libvpx-vp9":
        options["b:v"] = 0
    # Players refuse 4:2:0 with an odd side; one row or column less is not seen.
    options["vf"] = "crop=trunc(iw/2)*2:trunc(ih/2)*2"
    return options


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

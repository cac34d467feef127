"""The parts of a video become one: pictures copied bit for bit, sound taken whole from the video that they follow.

Loaded by the daemon: everything is done by an ffmpeg program, no decoder is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from service.media.delivery import run_whole


def join(
    parts: Sequence[Path],
    target: Path,
    sound: Path | None,
    *,
    seconds: float | None,
    deadline_s: float,
    stop: threading.Event | None = None,
) -> None:
    """Write the pictures of `parts`, in their order, to `target` (MP4), with the sound of another video.

    Each part's own sound is left out: encoders pad what they begin and end, so its seams could be heard. `seconds` is
    where the sound ends. The parts lie in one folder, under names of ours. The target appears whole or not at all and
    is not fsynced. Raises Failed if it can't be done within `deadline_s`, Unavailable if the disk is full, no ffmpeg
    runs or `stop` is set meanwhile.
    """
    listed = parts[0].with_name("parts.txt")
    listed.write_text("".join(f"file '{part.name}'\n" for part in parts), encoding="utf-8")
    try:
        run_whole(lambda draft: _arguments(listed, draft, sound, seconds), parts[0], target, deadline_s, stop)
    finally:
        listed.unlink(missing_ok=True)


def _arguments(listed: Path, draft: Path, sound: Path | None, seconds: float | None) -> list[str]:
    # The names in the list are ours, plain and without folders; the demuxer's own check would refuse nothing else.
    pictures = ffmpeg.input(_file(listed), format="concat", safe=1, protocol_whitelist="file")
    streams: list[Any] = [pictures["v:0"]]
    options: dict[str, Any] = {"c:v": "copy"}
    if sound is not None:
        limits = {} if seconds is None else {"t": f"{seconds:.6f}"}
        streams.append(ffmpeg.input(_file(sound), protocol_whitelist="file", **limits)["a:0"])
        options |= {"c:a": "aac", "b:a": "192k"}
    output = ffmpeg.output(*streams, _file(draft), format="mp4", **options)
    arguments: list[str] = ffmpeg.get_args(output, overwrite_output=True)
    return arguments


def _file(path: Path) -> str:
    return f"file:{path.absolute()}"

"""VideoHelperSuite's nodes: a video loaded in part, its facts, frames combined in any of its formats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from service.engine.held import HeldFile
from service.engine.images import Audio, Check, Frames, Picture, Spool, joined, repeated
from service.engine.node import Context, NodeClass, Result
from service.engine.nodes.animation import Reel
from service.engine.nodes.declare import file_hooks, locate, node, of_files, widgets
from service.engine.nodes.decoding import VideoFile
from service.engine.nodes.destinations import destination, whole
from service.engine.nodes.encoding import copy_with_sound, encode, padded, rate_of
from service.engine.nodes.saving import png_tags, tags, webp_tags
from service.engine.nodes.selection import Selection, loaded
from service.engine.nodes.vhs_formats import GIFS, PNG_BITS, SUFFIXES, coding_of, comment, write_gif, write_pngs

Inputs = Mapping[str, Any]

LOADABLE = (".webm", ".mp4", ".mkv", ".gif", ".mov")
#: The number in NAME_00001.ext, NAME_00001-audio.ext and NAME_00001.001.png.
NUMBERED = r"_(\d+)\D*\..+"


def load(context: Context, inputs: Inputs) -> Result:
    """Open a video and choose frames of it; the fourth output tells the file's facts and the loaded ones."""
    file = VideoFile(HeldFile.open(locate(inputs["video"], context.folders)))
    selection = Selection(
        float(inputs["force_rate"]),
        int(inputs["skip_first_frames"]),
        int(inputs["select_every_nth"]),
        int(inputs["frame_load_cap"]),
        int(inputs["custom_width"]),
        int(inputs["custom_height"]),
        str(inputs.get("format") or "None"),
    )
    taken = loaded(file, selection)
    return Result((taken.frames, taken.frames.count, taken.audio, taken.facts))


def tell(_context: Context, inputs: Inputs) -> Result:
    """Tell the loaded frames' rate, count, duration, width and height."""
    facts = inputs["video_info"]
    return Result(tuple(facts[f"loaded_{name}"] for name in ("fps", "frame_count", "duration", "width", "height")))


def combine(context: Context, inputs: Inputs) -> Result:
    """Write frames as one file of a format, its first frame as a PNG beside it, and the sound in a second file."""
    settings = widgets(context, inputs)
    kind = "output" if settings["save_output"] else "temp"
    root = context.folders.of(kind)
    assert root is not None
    frames: Frames = settings["images"]
    target = destination(root, settings["filename_prefix"], frames.width, frames.height)
    stem = f"{target.name}_{target.next_number(NUMBERED):05}"
    extra = extras(context)
    poster = target.folder / f"{stem}.png" if extra.get("VHS_MetadataImage") is not False else None
    written = write(context, target.folder, stem, watched(context, arranged(context, settings), poster), settings)
    entry = {
        **target.entry(written[-1].name, kind),
        "format": settings["format"],
        "frame_rate": float(settings["frame_rate"]),
        "workflow": f"{stem}.png",
        "fullpath": str(written[-1]),
    }
    if len(written) > 1 and extra.get("VHS_KeepIntermediate") is False:
        written.pop(0).unlink()
    names = [*([str(poster)] if poster else []), *map(str, written)]
    return Result(((settings["save_output"], names),), {"gifs": [entry]})


def extras(context: Context) -> Mapping[str, Any]:
    """Return extra_pnginfo.workflow.extra, where clients tell this node what to leave out."""
    found: Any = context.extra_data
    for key in ("extra_pnginfo", "workflow", "extra"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def arranged(context: Context, settings: Inputs) -> Frames:
    """Return the frames in the order they are shown: there and back if asked, of even size for a video."""
    frames: Frames = settings["images"]
    form, audio = settings["format"], settings.get("audio")
    if settings.get("trim_to_audio") and audio:
        shown = math.ceil(audio.seconds * float(settings["frame_rate"]))
        frames = frames.part(0, max(1, min(frames.count, shown)))
    if settings["pingpong"] and frames.count > 2:
        spool = Spool(frames, context.scratch)
        frames = joined([spool.replay(), spool.backwards(frames.count - 2, frames.count - 2)])
    return even(frames) if form not in GIFS | {"image/webp"} else frames


def even(frames: Frames) -> Frames:
    """Return frames whose sides are even: the last row and column are doubled where they must be."""
    right, below = frames.width % 2, frames.height % 2
    if not right and not below:
        return frames

    def change(frame: Picture) -> Picture:
        return np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge")

    return frames.mapped(frames.width + right, frames.height + below, change)


def watched(context: Context, frames: Frames, poster: Path | None) -> Frames:
    """Return the frames; pulling them tells the progress and saves the first one."""

    def draw(check: Check, start: int) -> Iterator[Picture]:
        for index, frame in enumerate(frames.pull(check, start), start):
            if index == 0 and poster:
                with whole(poster) as draft:
                    Image.fromarray(frame).save(draft, pnginfo=png_tags(context), compress_level=4)
            context.progress(index + 1, frames.count)
            yield frame

    return Frames(frames.count, frames.width, frames.height, draw, drawn=frames.drawn)


def write(context: Context, folder: Path, stem: str, frames: Frames, settings: Inputs) -> list[Path]:
    """Write the frames, and a second file with the sound if there is any; return what was written, best last."""
    form, check, rate = settings["format"], context.check_interrupted, rate_of(settings["frame_rate"])
    path = folder / f"{stem}{SUFFIXES[form]}"
    if form in PNG_BITS:
        write_pngs(folder, path.name, frames, PNG_BITS[form], check)
        return [path]
    if form in GIFS or form == "image/webp":
        with whole(path) as draft:
            if form in GIFS:
                write_gif(draft, frames, rate, check, settings["loop_count"])
            else:
                write_webp(draft, frames, context, settings)
        return [path]
    coding, about = coding_of(form, settings), comment(tags(context)) if settings.get("save_metadata", True) else {}
    shown = (
        repeated(Spool(frames, context.scratch).replay(), settings["loop_count"] + 1)
        if settings["loop_count"]
        else frames
    )
    with whole(path) as draft:
        encode(draft, shown, rate, coding, check, audio=None, tags=about)
    audio: Audio | None = settings.get("audio")
    if not audio:
        return [path]
    sounding = folder / f"{stem}-audio{SUFFIXES[form]}"
    with whole(sounding) as draft:
        copy_with_sound(path, draft, padded(audio, math.ceil(audio.rate / rate * shown.count)), coding, check, about)
    return [path, sounding]


def write_webp(path: Path, frames: Frames, context: Context, settings: Inputs) -> None:
    """Write an animated WebP."""
    Reel(frames, context.check_interrupted, context.scratch).save(
        path,
        "WEBP",
        save_all=True,
        duration=round(1000 / float(settings["frame_rate"])),
        loop=settings["loop_count"],
        lossless=bool(settings.get("lossless", True)),
        exif=webp_tags(context),
    )


CLASSES: tuple[NodeClass, ...] = (
    node("VHS_LoadVideo", load, {"video": of_files(*LOADABLE)}, **file_hooks("video", "video")),
    node("VHS_VideoInfoLoaded", tell),
    node("VHS_VideoCombine", combine),
)

"""ComfyUI's own video nodes: opened, taken apart, put together, saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.engine.held import HeldFile
from service.engine.images import Video
from service.engine.node import Context, NodeClass, Result
from service.engine.nodes.declare import file_hooks, locate, node, of_files
from service.engine.nodes.decoding import VideoFile
from service.engine.nodes.destinations import destination, whole
from service.engine.nodes.encoding import Coding, copy_streams, encode, rate_of
from service.engine.nodes.saving import tags

Inputs = Mapping[str, Any]

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".wmv", ".ogv", ".3gp")
#: What "auto" and "mp4" mean; the encoder's own defaults, as there.
H264 = Coding("mp4", "libx264", "yuv420p", container={"movflags": "use_metadata_tags"})


def load(context: Context, inputs: Inputs) -> Result:
    """Open a video."""
    return Result((VideoFile(HeldFile.open(locate(inputs["file"], context.folders))).video(),))


def take_apart(_context: Context, inputs: Inputs) -> Result:
    """Give a video's frames, sound and rate."""
    video: Video = inputs["video"]
    return Result((video.frames, video.audio, float(video.rate)))


def put_together(_context: Context, inputs: Inputs) -> Result:
    """Make a video of frames, a rate and sound."""
    return Result((Video(inputs["images"], rate_of(inputs["fps"]), inputs.get("audio")),))


def save(context: Context, inputs: Inputs) -> Result:
    """Save a video as mp4; one that is a whole h264 file is copied, not encoded again."""
    video: Video = inputs["video"]
    target = destination(context.folders.output, inputs["filename_prefix"], video.frames.width, video.frames.height)
    name = f"{target.name}_{target.counted():05}_.mp4"
    with whole(target.folder / name) as draft:
        if video.file and VideoFile(video.file).is_h264_mp4:
            copy_streams(video.file, draft, "mp4", context.check_interrupted, tags(context))
        else:
            check = context.check_interrupted
            encode(draft, video.frames, video.rate, H264, check, audio=video.audio, tags=tags(context))
    return Result((), {"images": [target.entry(name, "output")], "animated": [True]})


def webm(codec: str, crf: int) -> Coding:
    """Return how SaveWEBM writes: constant quality, at a speed that a CPU can bear."""
    if codec == "av1":
        return Coding("webm", "libsvtav1", "yuv420p10le", {"crf": str(crf), "preset": "8"}, sound="libopus")
    options = {"crf": str(crf), "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
    return Coding("webm", "libvpx-vp9", "yuv420p", options, sound="libopus")


def save_webm(context: Context, inputs: Inputs) -> Result:
    """Save frames as WebM."""
    frames = inputs["images"]
    target = destination(context.folders.output, inputs["filename_prefix"], frames.width, frames.height)
    name = f"{target.name}_{target.counted():05}_.webm"
    coding = webm(inputs["codec"], int(inputs["crf"]))
    with whole(target.folder / name) as draft:
        check = context.check_interrupted
        encode(draft, frames, rate_of(inputs["fps"]), coding, check, audio=None, tags=tags(context))
    return Result((), {"images": [target.entry(name, "output")], "animated": [True]})


CLASSES: tuple[NodeClass, ...] = (
    node("LoadVideo", load, {"file": of_files(*VIDEOS)}, **file_hooks("file", "video")),
    node("GetVideoComponents", take_apart),
    node("CreateVideo", put_together),
    node("SaveVideo", save),
    node("SaveWEBM", save_webm),
)

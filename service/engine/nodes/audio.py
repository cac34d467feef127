"""Sound nodes: made, loaded, saved as FLAC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import av

from service.engine.held import HeldFile
from service.engine.images import Audio, silence
from service.engine.node import Context, NodeClass, Result
from service.engine.nodes.declare import file_hooks, locate, node, of_files
from service.engine.nodes.decoding import sound_of
from service.engine.nodes.destinations import destination, whole
from service.engine.nodes.encoding import put_sound
from service.engine.nodes.saving import tags, temporary_prefix
from service.engine.nodes.videos import VIDEOS

Inputs = Mapping[str, Any]

SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".wma", *VIDEOS)


def make_silence(_context: Context, inputs: Inputs) -> Result:
    """Make silence."""
    rate = inputs["sample_rate"]
    return Result((silence(rate, inputs["channels"], round(float(inputs["duration"]) * rate)),))


def load(context: Context, inputs: Inputs) -> Result:
    """Open a file's sound."""
    path = locate(inputs["audio"], context.folders)
    sound = sound_of(HeldFile.open(path))
    if sound is None:
        raise ValueError(f"No sound found in file '{path}'. Drop a file that has an audio track.")
    return Result((sound,))


def save_flac(context: Context, audio: Audio, prefix: str, kind: str) -> Result:
    """Write sound as one counted FLAC file into the folder of a kind."""
    root = context.folders.of(kind)
    assert root is not None
    target = destination(root, prefix)
    name = f"{target.name}_{target.counted():05}_.flac"
    with whole(target.folder / name) as draft, av.open(str(draft), "w", format="flac") as output:
        output.metadata.update(tags(context))
        layout = "mono" if audio.channels == 1 else "stereo"
        stream = output.add_stream("flac", rate=audio.rate, layout=layout)
        put_sound(output, stream, audio, context.check_interrupted)
    return Result((), {"audio": [target.entry(name, kind)]})


def save(context: Context, inputs: Inputs) -> Result:
    """Save sound as FLAC."""
    return save_flac(context, inputs["audio"], inputs["filename_prefix"], "output")


def preview(context: Context, inputs: Inputs) -> Result:
    """Save sound as FLAC in the temp folder."""
    return save_flac(context, inputs["audio"], temporary_prefix(), "temp")


CLASSES: tuple[NodeClass, ...] = (
    node("EmptyAudio", make_silence),
    node("LoadAudio", load, {"audio": of_files(*SOUNDS)}, **file_hooks("audio", "audio")),
    node("SaveAudio", save),
    node("PreviewAudio", preview),
)

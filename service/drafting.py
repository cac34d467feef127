"""Drafting: what a job may set in somebody's own graph, found by its classes and wiring; a proposal to correct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service import graph as graphs
from service.errors import Problem, Rejected
from service.graph import Graph
from service.node_classes import LOADER_FILE

Place = tuple[str, str]

#: Nodes that save, the ones that save a video first.
SAVERS = (
    "VHS_VideoCombine", "SaveVideo", "SaveWEBM", "SaveAnimatedWEBP", "SaveAnimatedPNG", "SaveImage",
)  # fmt: skip
_VIDEO_LOADERS = frozenset({"LoadVideo", "VHS_LoadVideo"})
#: Behind these a result has another size or another number of frames than the sampler was told.
_RESIZES = frozenset(
    {
        "ImageScale", "ImageScaleBy", "ImageScaleToTotalPixels", "ImageScaleToMaxDimension", "ImageUpscaleWithModel",
        "LatentUpscale", "LatentUpscaleBy", "LatentCrop", "ImageCrop", "ImageRotate", "ImageStitch",
        "ResizeAndPadImage", "ImagePadForOutpaint",
    }
)  # fmt: skip
_RECOUNTS = frozenset(
    {
        "RIFE VFI", "FILM VFI", "FrameInterpolate", "RepeatImageBatch", "ImageBatch", "ImageFromBatch",
        "RebatchImages", "VHS_SelectEveryNthImage", "VHS_DuplicateImages", "VHS_MergeImages", "VHS_SplitImages",
        "VHS_SelectImages", "TrimVideoLatent", "RepeatLatentBatch", "LatentFromBatch", "LatentBatch",
    }
)  # fmt: skip
#: How the sizes and lengths of a family go, by how its classes begin: multiples of the sides, step of the frames.
_FAMILIES: tuple[tuple[str, int, int], ...] = (
    ("Wan22", 32, 4), ("Wan", 16, 4), ("EmptyHunyuan", 16, 4), ("Hunyuan", 16, 4), ("EmptyLTXV", 32, 8),
    ("LTXV", 32, 8), ("EmptyCosmos", 16, 8), ("EmptyMochi", 16, 6),
)  # fmt: skip
#: No setting of a video is larger.
_LARGEST = 1_000_000
_BATCHES = frozenset({"EmptyLatentImage", "ADE_EmptyLatentImageLarge", "EmptyImage"})
_LENGTHS = ("length", "video_frames", "num_frames", "batch_size")
#: Which part a file plays that goes into an input of this name.
_PARTS: Mapping[str, str] = {
    "source_image": "source", "input_image": "target", "reference_image": "image", "start_image": "image",
    "init_image": "image", "pose_video": "reference", "driving_images": "reference", "control_video": "reference",
    "video": "target",
}  # fmt: skip


@dataclass
class Findings:
    """What was found in a graph."""

    output: str
    #: The nodes that lead to it.
    needed: list[str] = field(default_factory=list)
    #: Job field → where it goes, and what stands there.
    fields: dict[str, tuple[list[Place], Any]] = field(default_factory=dict)
    #: Job field → multiple_of and base.
    rules: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: Role → node, input, kind.
    media: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    #: What was seen and left out, and why, a sentence each.
    notes: list[str] = field(default_factory=list)


def find(graph: Graph) -> Findings:
    """Return what a job may set in this graph; raise Rejected where nothing is saved or too many files are loaded."""
    wiring = _Wiring(graph)
    output = _output(wiring)
    needed = [node for node in graph if node in wiring.behind(output)]
    found = Findings(output, needed)
    _find_media(wiring, needed, found)
    _find_prompts(wiring, needed, found)
    _take(found, "seed", wiring.plain(needed, ("seed", "noise_seed"), int))
    _find_sizes(wiring, needed, found)
    _find_rate(wiring, output, found)
    _find_sampling(wiring, needed, found)
    for name, key in (("checkpoint", "ckpt_name"), ("vae", "vae_name")):
        _take(found, name, wiring.plain(needed, (key,), str), single=True)
    return found


class _Wiring:
    """A graph, asked by its links."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def class_of(self, node: str) -> str:
        return str(self.graph[node]["class_type"])

    def value(self, node: str, key: str, kind: type | tuple[type, ...]) -> Any:
        """Return an input's own value if it is of this kind, else None."""
        found = self.graph[node]["inputs"].get(key)
        return found if isinstance(found, kind) and not isinstance(found, bool) else None

    def source(self, node: str, key: str) -> tuple[str, int] | None:
        """Return the node and the output that an input is linked to, or None."""
        found = self.graph[node]["inputs"].get(key)
        return (found[0], found[1]) if graphs.is_link(found) and found[0] in self.graph else None

    def behind(self, node: str) -> set[str]:
        """Return a node and all that it stands on."""
        reached: set[str] = set()
        waiting = [node]
        while waiting:
            each = waiting.pop()
            if each not in reached:
                reached.add(each)
                waiting += [at[0] for key in self.graph[each]["inputs"] if (at := self.source(each, key))]
        return reached

    def plain(
        self, nodes: Sequence[str], keys: Sequence[str], kind: type | tuple[type, ...]
    ) -> list[tuple[Place, Any]]:
        """Return every input of one of these names that has a value of its own, with it."""
        return [
            ((node, key), value) for node in nodes for key in keys if (value := self.value(node, key, kind)) is not None
        ]

    def fed(self, node: str) -> Iterator[str]:
        """Yield the names of the inputs that a node is linked into."""
        return (key for _, key, source, _ in graphs.links(self.graph) if source == node)


def _output(wiring: _Wiring) -> str:
    found = [node for node in wiring.graph if wiring.value(node, "filename_prefix", str) is not None]
    if not found:
        fix = "Add a node that saves, for example Save Video, and export it again with Export (API)."
        raise Rejected(Problem("no_output", "The graph has no node that saves a video or picture.", fix))

    def rank(node: str) -> tuple[int, int]:
        known = wiring.class_of(node)
        return (SAVERS.index(known) if known in SAVERS else len(SAVERS), -len(wiring.behind(node)))

    return min(found, key=rank)


def _take(found: Findings, name: str, places: Sequence[tuple[Place, Any]], *, single: bool = False) -> None:
    """Let a field go to these places, if all of them have one value now (a seed may differ)."""
    if name != "seed":
        places = [each for each in places if not isinstance(each[1], int | float) or 0 <= each[1] <= _LARGEST]
    if not places:
        return
    values = [value for _, value in places]
    if single and len(places) > 1:
        found.notes.append(f"{name}: {len(places)} nodes have one, so none of them can be set.")
    elif name != "seed" and any(value != values[0] for value in values):
        found.notes.append(f"{name}: nodes {_names(places)} have different values, so it can't be set.")
    else:
        found.fields[name] = ([place for place, _ in places], values[0])


def _names(places: Sequence[tuple[Place, Any]]) -> str:
    return ", ".join(node for (node, _), _ in places)


def _find_media(wiring: _Wiring, needed: Sequence[str], found: Findings) -> None:
    loaders = [
        node for node in needed if wiring.value(node, LOADER_FILE.get(wiring.class_of(node), ""), str) is not None
    ]
    pictures = any(wiring.class_of(node) not in _VIDEO_LOADERS for node in loaders)
    for node in loaders:
        video = wiring.class_of(node) in _VIDEO_LOADERS
        hints = [_PARTS[key] for key in wiring.fed(node) if key in _PARTS]
        usual = (["reference", "target"] if pictures else ["target", "reference"]) if video else ["image", "source"]
        role = next((each for each in (*hints, *usual) if each not in found.media), None)
        if role is None:
            fix = "Write the manifest yourself: docs/workflows.md says how."
            raise Rejected(Problem("too_many_media", "The graph loads more files than a job has roles for.", fix))
        kind = "video" if video else "picture"
        found.media[role] = (node, LOADER_FILE[wiring.class_of(node)], kind)


def _find_prompts(wiring: _Wiring, needed: Sequence[str], found: Findings) -> None:
    for name, key in (("prompt", "positive"), ("negative_prompt", "negative")):
        ends = [place for node in needed if (place := _text_behind(wiring, wiring.source(node, key), key)) is not None]
        places = list(dict.fromkeys(ends))
        if name == "negative_prompt":
            positive = found.fields.get("prompt", ([], ""))[0]
            places = [place for place in places if place not in positive]
        if name == "prompt" and not places:
            guides = [_text_behind(wiring, wiring.source(node, "conditioning"), key) for node in needed]
            places = list(dict.fromkeys(place for place in guides if place is not None))
        _take(found, name, [(place, wiring.graph[place[0]]["inputs"][place[1]]) for place in places])


def _text_behind(wiring: _Wiring, start: tuple[str, int] | None, side: str) -> Place | None:
    """Follow a conditioning to the text that it was made from; `side` is positive or negative."""
    seen: set[str] = set()
    while start is not None and start[0] not in seen:
        node, slot = start
        seen.add(node)
        for key in ("text", "prompt", "value", "string"):
            if wiring.value(node, key, str) is not None:
                return node, key
        other = ("positive", "negative")[slot] if slot < 2 else side
        keys = (other, "conditioning", "conditioning_1", "conditioning_to", "text", "prompt")
        start = next((at for key in keys if (at := wiring.source(node, key))), None)
    return None


def _find_sizes(wiring: _Wiring, needed: Sequence[str], found: Findings) -> None:
    sized = [node for node in needed if wiring.value(node, "width", int) and wiring.value(node, "height", int)]
    makers = [node for node in sized if wiring.class_of(node) not in _RESIZES]
    if not makers:
        return
    first = makers[0]
    alike = [node for node in makers if _size(wiring, node) == _size(wiring, first)]
    later = {wiring.class_of(node) for node in needed if first in wiring.behind(node) and node != first}
    if later & _RESIZES:
        found.notes.append(f"width, height: {', '.join(sorted(later & _RESIZES))} changes the size afterwards.")
    else:
        side, _ = _family(wiring.class_of(first))
        for name in ("width", "height"):
            _take(found, name, [((node, name), wiring.value(node, name, int)) for node in alike])
            found.rules[name] = (side, 0)
    _find_length(wiring, needed, alike, later, found)


def _size(wiring: _Wiring, node: str) -> tuple[int, int]:
    return wiring.value(node, "width", int), wiring.value(node, "height", int)


def _find_length(
    wiring: _Wiring, needed: Sequence[str], makers: Sequence[str], later: set[str], found: Findings
) -> None:
    moving = any(wiring.class_of(node).startswith("ADE_") for node in needed)
    places: list[tuple[Place, Any]] = []
    for node in makers:
        for key in _LENGTHS:
            frames = wiring.value(node, key, int)
            batch = key == "batch_size"
            if frames is None or (batch and (wiring.class_of(node) not in _BATCHES or (frames == 1 and not moving))):
                continue
            places.append(((node, key), frames))
            break
    if places and later & _RECOUNTS:
        found.notes.append(f"frames: {', '.join(sorted(later & _RECOUNTS))} changes their number afterwards.")
    elif places:
        _take(found, "frames", places)
        step = _family(wiring.class_of(places[0][0][0]))[1]
        if step > 1:
            found.rules["frames"] = (step, 1)


def _family(class_type: str) -> tuple[int, int]:
    return next(((side, step) for start, side, step in _FAMILIES if class_type.startswith(start)), (8, 1))


def _find_rate(wiring: _Wiring, output: str, found: Findings) -> None:
    places = wiring.plain([output], ("frame_rate", "fps"), (int, float))
    maker = wiring.source(output, "video")
    if not places and maker is not None:
        places = wiring.plain([maker[0]], ("fps",), (int, float))
    for node in wiring.graph:
        if places and wiring.class_of(node) == "LTXVConditioning":
            # The model is told the same rate that the video gets.
            places += [each for each in wiring.plain([node], ("frame_rate",), (int, float)) if each[1] == places[0][1]]
    _take(found, "fps", places)


def _find_sampling(wiring: _Wiring, needed: Sequence[str], found: Findings) -> None:
    shared = [node for node in needed if wiring.value(node, "start_at_step", int) is not None]
    steps = wiring.plain(needed, ("steps", "inference_steps"), int)
    if len(shared) > 1:
        found.notes.append(f"steps: nodes {', '.join(shared)} share them, each from one step to another.")
    else:
        _take(found, "steps", steps)
    _take(found, "cfg", wiring.plain(needed, ("cfg",), (int, float)))
    _take(found, "sampler", wiring.plain(needed, ("sampler_name",), str))
    _take(found, "scheduler", wiring.plain(needed, ("scheduler",), str))

"""Class names of nodes in plain words, and how heavy each kind of node is when nobody says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from service.durations import Growth

_WEIGHT_SAMPLING = 40.0
_WEIGHT_HEAVY = 10.0
_WEIGHT_LIGHT = 1.0

#: Tried in this order on the class name; the first that is found in it gives the words and the weight.
_KINDS: tuple[tuple[re.Pattern[str], str, float], ...] = tuple(
    (re.compile(pattern), words, weight)
    for pattern, words, weight in (
        (r"KSamplerSelect|SamplingSD3|ModelSampling|Scheduler|CFGGuid", "preparing", _WEIGHT_LIGHT),
        (r"EvolvedSampling|ContextOptions|ApplyAnimateDiff", "preparing", _WEIGHT_LIGHT),
        (r"Sampler|MagicAnimate$", "sampling", _WEIGHT_SAMPLING),
        (r"VAEDecode", "decoding", _WEIGHT_HEAVY),
        (r"VAEEncode|img2vid|ImageToVideo|ImgToVideo|AnimateToVideo|VaceToVideo", "preparing the pictures", 4.0),
        (r"FaceSwap|FaceBoost|RestoreFace", "swapping faces", _WEIGHT_SAMPLING),
        (r"LivePortraitProcess|LivePortraitComposite", "moving the portrait", _WEIGHT_SAMPLING),
        (r"Preprocessor", "finding poses", _WEIGHT_HEAVY),
        (r"UpscaleWithModel", "enlarging", _WEIGHT_HEAVY),
        (r"^Save.*(Audio)", "saving sound", _WEIGHT_LIGHT),
        (r"VideoCombine|SaveVideo|SaveWEBM|SaveAnimated", "saving video", 5.0),
        (r"SaveImage", "saving pictures", 2.0),
        (r"Preview", "showing a preview", _WEIGHT_LIGHT),
        (r"Load(Video|Images?|Audio)", "reading the input", 2.0),
        (
            r"Checkpoint|UNETLoader|CLIPLoader|VAELoader|Lo[rR]A|Loader|LoadAnimateDiff|DownloadAndLoad",
            "loading models",
            3.0,
        ),
        (r"TextEncode", "reading the prompt", _WEIGHT_LIGHT),
        (r"Context|Conditioning|Latent", "preparing", _WEIGHT_LIGHT),
    )
)


def words_for(class_type: str) -> str:
    """Return what a node of this class does, in plain words ("sampling", "saving video")."""
    for pattern, words, _ in _KINDS:
        if pattern.search(class_type):
            return words
    return "working on the pictures" if re.search(r"Image|Video|Mask|Frames", class_type) else "preparing"


#: What these words name takes as long for a small video as for a large one.
_FIXED = frozenset({"loading models", "reading the prompt", "preparing"})


def growth_of(class_type: str) -> Growth:
    """Return what makes a node of this class slower: steps for samplers, pixels and frames, or nothing."""
    words = words_for(class_type)
    if words == "sampling":
        return Growth.STEPS
    return Growth.FIXED if words in _FIXED else Growth.PIXELS


def weight_of(node: Mapping[str, Any]) -> float:
    """Return how much of the whole a node is likely to be: samplers most of it, by their steps; always above 0."""
    class_type = str(node.get("class_type", ""))
    for pattern, words, weight in _KINDS:
        if pattern.search(class_type):
            return weight * _steps_factor(node) if words == "sampling" else weight
    return _WEIGHT_LIGHT


def _steps_factor(node: Mapping[str, Any]) -> float:
    inputs = node.get("inputs")
    steps = inputs.get("steps") if isinstance(inputs, dict) else None
    if isinstance(steps, bool) or not isinstance(steps, int):
        return 1.0
    return min(max(steps, 8), 200) / 20

"""What object_info says about one input: its type, its options, its limits; None for all that we can't judge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Inputs whose list names files that come and go, or are uploaded per job: the server checks them by itself.
_UPLOAD_FLAGS = ("image_upload", "video_upload", "audio_upload", "file_upload", "animated_image_upload")
_FILE_INPUTS = frozenset({"LoadImageMask", "LoadImageOutput", "LoadAudio", "VHS_LoadImages", "VHS_LoadAudioUpload"})
#: Lists that are empty because whoever draws the node writes the options.
_OWN_OPTIONS = frozenset({("CustomCombo", "choice")})
_NUMBERS = frozenset({"INT", "FLOAT"})
_PLAIN = _NUMBERS | {"BOOLEAN", "STRING"}


@dataclass(frozen=True)
class Spec:
    """One input as the server declares it; `options` are the only values it takes, if it has a list."""

    kind: str
    options: Sequence[Any] | None = None
    minimum: float | None = None
    maximum: float | None = None


def spec_of(class_type: str, name: str, raw: Any) -> Spec | None:
    """Given an input's entry in object_info, return it as a Spec, or None if its values can't be judged here.

    Three encodings of a list: the list itself, `COMBO` with `options`, and `COMFY_DYNAMICCOMBO_V3` whose options are
    objects with a `key`, and bring inputs of their own (declared.py).
    """
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not raw:
        return None
    kind = raw[0]
    more = raw[1] if len(raw) > 1 and isinstance(raw[1], Mapping) else {}
    if _names_uploads(class_type, name, more) or more.get("multiselect") or (class_type, name) in _OWN_OPTIONS:
        return None
    choices = _choices(kind, more.get("options"))
    if choices is not None:
        return Spec("COMBO", choices)
    if kind not in _PLAIN:
        return None
    return Spec(kind, None, _limit(more.get("min")), _limit(more.get("max"))) if kind in _NUMBERS else Spec(kind)


def _names_uploads(class_type: str, name: str, more: Mapping[str, Any]) -> bool:
    if any(more.get(flag) for flag in _UPLOAD_FLAGS) or class_type in _FILE_INPUTS:
        return True
    return class_type.startswith("VHS_LoadVideo") and name == "video"


def _choices(kind: Any, options: Any) -> tuple[Any, ...] | None:
    if isinstance(kind, list):
        return tuple(kind)
    if not isinstance(options, list):
        return None
    if kind == "COMFY_DYNAMICCOMBO_V3":
        keys = tuple(option.get("key") for option in options if isinstance(option, Mapping))
        return keys if keys and all(isinstance(key, str) for key in keys) else None
    return tuple(options) if kind == "COMBO" else None


def _limit(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value

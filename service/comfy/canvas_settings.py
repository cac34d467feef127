"""The settings of a node class in the order in which ComfyUI's editor lists their values, from GET /object_info.

The rules are those of ComfyUI's frontends up to 1.45: an input is a setting if its type has a widget and it isn't
forced to be a socket; a seed is followed by a word for what happens to it after each run, a button by nothing or by a
word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.comfy.declared import DYNAMIC_COMBO, GROWING, inputs_of, option_of

#: Types whose values people write on the node.
_PLAIN = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
_DRAWN = frozenset({"COLOR", "COLORS", "MARKDOWN", "TEXTAREA", "BOUNDING_BOX", "BOUNDING_BOXES", "CURVE", "RANGE"})
#: Types whose values are made by a program in the browser when a prompt is queued, and stand in no file.
BROWSER_MADE = frozenset({"LOAD_3D", "LOAD_3D_ANIMATION", "LOAD3D_CAMERA", "WEBCAM", "AUDIO_RECORD", "PAINTER"})
_UPLOADS = ("image_upload", "video_upload", "audio_upload", "file_upload", "animated_image_upload")
_AFTER_EACH_RUN = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
_SEEDS = frozenset({"seed", "noise_seed"})


@dataclass(frozen=True)
class Setting:
    """One input that has a value on the node: its name in API format, its kind, and how many slots may follow it."""

    name: str
    kind: str
    required: bool
    more: Mapping[str, Any]
    #: What the list of a combo holds, or None where it holds none.
    options: Sequence[Any] | None = None

    @property
    def controlled(self) -> bool:
        """Whether a word follows for what happens to the value after each run."""
        asked = self.more.get("control_after_generate")
        return bool(self.name.rpartition(".")[2] in _SEEDS if asked is None else asked)

    @property
    def default(self) -> Any:
        """The value where none is written, or None where there is none either."""
        if "default" in self.more:
            return self.more["default"]
        if self.options:
            first = self.options[0]
            return first.get("key") if isinstance(first, Mapping) else first
        return {"INT": 0, "FLOAT": 0.0, "BOOLEAN": False, "STRING": "", "IMAGECOMPARE": ["", ""]}.get(self.kind)


def settings_of(info: Mapping[str, Any], prefix: str = "") -> Iterator[Setting]:
    """Yield a class's settings, required before optional; of a dynamic combo only itself."""
    for name, raw, required in inputs_of(info):
        kind, more, options = _parts(raw)
        if more.get("forceInput") or not _has_value(kind, more):
            continue
        yield Setting(
            prefix + name, "COMBO" if options is not None and kind != DYNAMIC_COMBO else kind, required, more, options
        )


def chosen(setting: Setting, value: Any) -> Iterator[Setting]:
    """Yield what stands behind a dynamic combo when this value is chosen: settings named `combo.setting`."""
    if setting.kind == DYNAMIC_COMBO:
        yield from settings_of({"input": option_of(setting.options, value)}, f"{setting.name}.")


def knows_input(info: Mapping[str, Any], name: str) -> bool:
    """Say whether a class has an input of this name, or one out of which it grows."""
    root, dot, _ = name.partition(".")
    return any(each == name or (bool(dot) and each == root and raw[0] in GROWING) for each, raw, _ in inputs_of(info))


def takes_uploads(info: Mapping[str, Any]) -> bool:
    """Say whether the editor puts a button for uploads on a class."""
    return any(_parts(raw)[1].get(flag) for _, raw, _ in inputs_of(info) for flag in _UPLOADS)


def says_what_follows(value: Any) -> bool:
    """Say whether a value is one of the words for what happens to a seed after each run."""
    return isinstance(value, str) and value in _AFTER_EACH_RUN


def _parts(raw: Sequence[Any]) -> tuple[str, Mapping[str, Any], Sequence[Any] | None]:
    more = raw[1] if len(raw) > 1 and isinstance(raw[1], Mapping) else {}
    if isinstance(raw[0], list):
        return "COMBO", more, raw[0]
    options = more.get("options")
    kind = str(more.get("widgetType") or raw[0])
    return kind, more, options if kind in ("COMBO", DYNAMIC_COMBO) and isinstance(options, list) else None


def _has_value(kind: str, more: Mapping[str, Any]) -> bool:
    return kind in _PLAIN or kind in _DRAWN or kind in BROWSER_MADE or kind == DYNAMIC_COMBO or "socketless" in more

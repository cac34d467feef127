"""The inputs that a node has, of those that its class declares: some grow with what is given (ComfyUI's V3 schema)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
#: What grows: its inputs are named `combo.setting`, `images.image0`.
GROWING = frozenset({DYNAMIC_COMBO, AUTOGROW, "COMFY_DYNAMICSLOT_V3"})
#: No declared input grows further than this.
_MOST = 100

Declared = tuple[str, Sequence[Any], bool]


def inputs_of(info: Mapping[str, Any], prefix: str = "") -> Iterator[Declared]:
    """Yield each input that a class declares: its name, what is said of it, and whether it is required."""
    declared = info.get("input")
    for section in ("required", "optional"):
        found = declared.get(section) if isinstance(declared, Mapping) else None
        for name, raw in found.items() if isinstance(found, Mapping) else ():
            if isinstance(raw, list) and raw:
                yield f"{prefix}{name}", raw, section == "required"


def inputs_for(info: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> Iterator[Declared]:
    """
    Yield the inputs that a node has to which this is given: as declared, and those that grow out of them.

    A dynamic combo brings those of the option that is chosen; what a class lets grow has as many as it must, and those
    that are given. As ComfyUI 0.33 expands them before it validates.
    """
    for name, raw, required in inputs_of(info, prefix):
        more = raw[1] if len(raw) > 1 and isinstance(raw[1], Mapping) else {}
        if raw[0] == AUTOGROW and isinstance(more.get("template"), Mapping):
            yield from _grown(name, more["template"], given)
            continue
        # The server adds a dynamic combo inside another only once its dotted key is sent.
        yield name, raw, required and not (prefix and raw[0] == DYNAMIC_COMBO)
        if raw[0] == DYNAMIC_COMBO:
            chosen = option_of(more.get("options"), given.get(name))
            yield from inputs_for({"input": chosen}, given, f"{name}.")


def option_of(options: Any, key: Any) -> Mapping[str, Any]:
    """Return the inputs that one option of a dynamic combo brings; none where there is no such option."""
    for option in options if isinstance(options, list) else ():
        if isinstance(option, Mapping) and option.get("key") == key and isinstance(option.get("inputs"), Mapping):
            return dict(option["inputs"])
    return {}


def _grown(name: str, template: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Declared]:
    one = next(inputs_of({"input": template.get("input")}), None)
    least, most, names = template.get("min", 0), template.get("max", _MOST), template.get("names")
    if one is None or not isinstance(least, int) or not isinstance(most, int):
        return
    prefix = template.get("prefix", "")
    keys = names if isinstance(names, list) else [f"{prefix}{at}" for at in range(min(most, _MOST))]
    for at, key in enumerate(keys):
        required = one[2] and at < least
        if required or f"{name}.{key}" in given:
            yield f"{name}.{key}", one[1], required

"""Which value on a node is which setting's: the editor writes them as a bare list, in the order of its widgets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.comfy.canvas import Node
from service.comfy.canvas_settings import (
    BROWSER_MADE,
    Setting,
    chosen,
    knows_input,
    says_what_follows,
    settings_of,
    takes_uploads,
)
from service.comfy.canvas_texts import settled
from service.comfy.declared import DYNAMIC_COMBO

#: What the editor writes for a button or a player, in a list or under a name, and never sends.
_BUTTONS = frozenset({"image", "video", "audio", "file", ""})
_BUTTON_NAMES = frozenset(
    {"upload", "choose file to upload", "choose video to upload", "videopreview", "video-preview", "audioUI",
     "control_after_generate"}
)  # fmt: skip
#: Classes of ComfyUI's own that write what they showed last among their values.
_SHOWING = frozenset({"PreviewAny", "GetImageSize", "RecordAudio", "Preview3D", "Preview3DAnimation", "PreviewAudio"})


#: A combo of ComfyUI's own whose options people write on it; its class declares none of them, and takes them all.
_OWN_OPTIONS = "CustomCombo"
_OWN_VALUES = re.compile(r"index|option\d+")


class Misfit(Exception):
    """A node's values are not those of its class's settings; the message ends a sentence that names the node."""


@dataclass
class Values:
    """A node's values by the names of its inputs; what its class has no place for; which texts were rewritten."""

    given: dict[str, Any] = field(default_factory=dict)
    beyond: list[Any] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)


def values_of(node: Node, info: Mapping[str, Any]) -> Values:
    """Return the values of a node by input; raises Misfit where they can't be told apart."""
    found = Values()
    values = _with_own_options(node) if node.type == _OWN_OPTIONS else node.values
    if isinstance(values, Mapping):
        _take_named(values, info, found, own=node.type == _OWN_OPTIONS)
    else:
        named = _names_written(node, values, info)
        if named is None:
            _take_listed(values, list(settings_of(info)), found, uploads=takes_uploads(info))
        else:
            _take_by_names(named, info, found)
    _fill(info, found)
    if node.type in _SHOWING:
        found.beyond.clear()
    return found


def browser_made(info: Mapping[str, Any], linked: Sequence[str]) -> str | None:
    """Return the first setting whose value only a browser can make, or None."""
    return next(
        (each.name for each in settings_of(info) if each.kind in BROWSER_MADE and each.name not in linked), None
    )


def _with_own_options(node: Node) -> Mapping[str, Any]:
    """Return the values of a combo whose options are written on the node itself, by the names that are sent."""
    if isinstance(node.values, Mapping):
        return node.values
    choice, *rest = node.values or [None]
    index = [rest.pop(0)] if rest and isinstance(rest[0], int) else []
    options = [value for value in rest if isinstance(value, str)]
    while options and not options[-1]:
        options.pop()
    named = {f"option{at}": value for at, value in enumerate(options, start=1)}
    return {"choice": choice, **({"index": index[0]} if index else {}), **named}


def _take_listed(values: Sequence[Any], settings: list[Setting], found: Values, *, uploads: bool) -> None:
    waiting, at, required = settings, 0, True
    while waiting:
        setting, *waiting = waiting
        if required and not setting.required:
            required = False
            # The button for uploads stands behind all that is required.
            at += uploads and at < len(values) and _is_button(values[at]) and not _could_be(setting, values[at])
        if at == len(values):
            break
        value = values[at]
        at += 1
        _take(found, setting, setting.name, value)
        at += _words_behind(setting, values[at:])
        # A dynamic combo brings settings of its own, right behind itself.
        waiting = [*chosen(setting, value), *waiting]
    rest = values[at:]
    found.beyond += [value for value in rest if value is not None and not _is_button(value)]


def _is_button(value: Any) -> bool:
    return isinstance(value, str) and value in _BUTTONS


def _words_behind(setting: Setting, values: Sequence[Any]) -> int:
    """Return how many slots behind a value say what happens to it after each run."""
    if not (setting.controlled and values and says_what_follows(values[0])):
        return 0
    # A list has one more, for a filter.
    return 2 if setting.kind == "COMBO" and len(values) > 1 and values[1] == "" else 1


def _names_written(node: Node, values: Sequence[Any], info: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    """Return the values by the names in the file where these say more than the class: another version's settings.

    Frontends since 1.16 write each setting among a node's inputs, older ones only those with a socket, in any order; so
    the names count where they are all there, and aren't just those of the class.
    """
    names = [slot.setting for slot in node.inputs if slot.setting is not None]
    known = {setting.name for setting in settings_of(info)}
    dynamic = tuple(f"{setting.name}." for setting in settings_of(info) if setting.kind == DYNAMIC_COMBO)
    if all(name in known or name.startswith(dynamic) for name in names):
        return None
    found, at = [], 0
    for name in names:
        if at >= len(values):
            return None
        found.append((name, values[at]))
        at += 1
        at += at < len(values) and says_what_follows(values[at])
    rest = values[at:]
    return found if all(value is None or _is_button(value) for value in rest) else None


def _take_by_names(named: Sequence[tuple[str, Any]], info: Mapping[str, Any], found: Values) -> None:
    settings = {setting.name: setting for setting in settings_of(info)}
    for name, value in named:
        setting = settings.get(name)
        if setting is not None:
            settings |= {each.name: each for each in chosen(setting, value)}
            _take(found, setting, name, value)
        elif knows_input(info, name):
            found.given[name] = value
        else:
            found.beyond.append({name: value})


def _take_named(values: Mapping[str, Any], info: Mapping[str, Any], found: Values, *, own: bool) -> None:
    settings = {setting.name: setting for setting in settings_of(info)}
    for setting in list(settings.values()):
        settings |= {each.name: each for each in _behind(setting, values.get(setting.name))}
    for name, value in values.items():
        if own and _OWN_VALUES.fullmatch(name):
            found.given[name] = value
        elif name in settings or name not in _BUTTON_NAMES:
            _take(found, settings.get(name), name, value)


def _behind(setting: Setting, value: Any) -> Iterator[Setting]:
    yield from chosen(setting, value)
    formats = setting.more.get("formats")
    # VideoHelperSuite: what a format asks for beside it.
    for raw in formats.get(value, ()) if isinstance(formats, Mapping) and isinstance(value, str) else ():
        if isinstance(raw, list) and len(raw) > 1 and isinstance(raw[0], str):
            yield from settings_of({"input": {"optional": {raw[0]: raw[1:]}}})


def _take(found: Values, setting: Setting | None, name: str, value: Any) -> None:
    if setting is None:
        if value is not None:
            found.beyond.append({name: value})
    elif value is not None:
        given = _fitting(setting, value)
        if isinstance(given, str) and setting.kind == "STRING" and setting.more.get("dynamicPrompts"):
            text = settled(given)
            if text != given:
                found.rewritten.append(name)
            given = text
        found.given[name] = _sent(given)


def _fill(info: Mapping[str, Any], found: Values) -> None:
    """Give each setting that has no value its default, as the editor does."""
    waiting = list(settings_of(info))
    while waiting:
        setting = waiting.pop()
        if setting.name not in found.given and setting.default is not None and setting.kind not in BROWSER_MADE:
            found.given[setting.name] = _sent(setting.default)
        waiting += chosen(setting, found.given.get(setting.name))


def _sent(value: Any) -> Any:
    """Return a value as it is sent: to the server a bare list would be a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _could_be(setting: Setting, value: Any) -> bool:
    try:
        _fitting(setting, value)
    except Misfit:
        return False
    return setting.options is None or value in setting.options


def _fitting(setting: Setting, value: Any) -> Any:
    """Return a value as its setting takes it; raises Misfit where it is another's."""
    take = _TAKES.get(setting.kind)
    if take is None:
        return value
    try:
        return take(value)
    except (TypeError, ValueError, LookupError, OverflowError):
        shown = repr(value)[:60]
        raise Misfit(f"has {shown} where its setting {setting.name} ({setting.kind}) would stand") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
        raise ValueError
    return int(value)


def _number(value: Any) -> int | float:
    if isinstance(value, bool):
        raise ValueError
    return value if isinstance(value, int | float) else float(value)


def _yes_or_no(value: Any) -> bool:
    return {"true": True, "false": False}[str(value).lower()]


def _text(value: Any) -> str:
    if isinstance(value, bool | list | Mapping):
        raise ValueError
    return str(value)


def _choice(value: Any) -> Any:
    if isinstance(value, Mapping):
        raise ValueError
    return value


_TAKES: Mapping[str, Callable[[Any], Any]] = {
    "INT": _whole, "FLOAT": _number, "BOOLEAN": _yes_or_no, "STRING": _text, "COMBO": _choice, DYNAMIC_COMBO: _choice,
}  # fmt: skip

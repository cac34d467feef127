"""What a declaration refuses, in words for people: each mistake with its place and cure, never the validator's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from service.declaration import nearest, written
from service.errors import Problem
from service.strict_yaml import Document, Node, leading_zero, number_like
from service.yaml_slips import quote

Location = tuple[int | str, ...]


def locate(document: Document, location: Location) -> tuple[int, int]:
    """Return line and column of what stands at a location, or of the nearest thing above it that is there."""
    return find(document.root, location)[1]


def find(root: Node, location: Location) -> tuple[Node, tuple[int, int], list[str]]:
    """Return the deepest node on a location, the place to point at, and the names on the way."""
    node, place, names = root, (root.line, root.column), []
    for step in location:
        if isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.line, node.column
        elif isinstance(step, str) and step in node.fields:
            place = node.keys[step]
            node = node.fields[step]
            names.append(step)
    return node, place, names


def example(info: FieldInfo | None, name: str, verb: str = "Write") -> str:
    """Return the cure that shows how a field is written."""
    if info is None or not info.examples:
        return f"{verb} {name}: and its value."
    return f"{verb} for example {name}: {written(info.examples[0])}."


@dataclass
class Reader:
    """Turns pydantic's error details into problems; its own messages never reach people."""

    model: type[BaseModel]
    document: Document
    unbuilt: tuple[str, ...]
    noun: str
    synonyms: Mapping[str, str]

    def problem(self, detail: ErrorDetails) -> Problem | None:
        """Return the problem, or None where the value was refused already."""
        node, place, names = find(self.document.root, detail["loc"])
        if node.kind == "refused" or self._is_echo(detail, node):
            return None
        at = (node.line, node.column) if names and node.kind != "nothing" else place
        name = ".".join(names)
        kind = detail["type"]
        if kind == "missing":
            return self._missing(detail, name, place)
        if kind == "extra_forbidden":
            return self._unknown(detail, name, place)
        if kind == "mistake":
            context = detail.get("ctx", {})
            return self._mistake(context, name, at)
        if node.kind == "nothing":
            fix = f"{self._example(detail, name)} Or take the line out."
            return Problem("empty_field", f"{name} has no value.", fix, field=name).at(*place)
        code, wants = _wanted(kind, {**detail.get("ctx", {}), "noun": self.noun})
        title, fix = f"{name} must be {wants}, not {self._shown(node, kind)}.", self._cure(detail, name, node)
        if _is_secret(_annotation(self.model, detail["loc"])):
            title, fix = f"{name} must be {wants}.", self._example(detail, name)
        return Problem(code, title, fix, field=name).at(*at)

    def _is_echo(self, detail: ErrorDetails, node: Node) -> bool:
        """An entry that is wrong itself makes its list count as too short as well."""
        return detail["type"] == "too_short" and len(node.items) >= detail.get("ctx", {}).get("min_length", 0)

    def _mistake(self, context: Mapping[str, Any], name: str, place: tuple[int, int]) -> Problem:
        if context["field"] is not None:
            name = context["field"]
            place = self.document.root.keys.get(name, place)
        title = context["title"].replace("{field}", name)
        return Problem(context["code"], title, context["fix"], field=name or None).at(*place)

    def _missing(self, detail: ErrorDetails, name: str, place: tuple[int, int]) -> Problem:
        missing = str(detail["loc"][-1])
        if isinstance(detail["loc"][-1], int):
            return Problem("bad_value", f"{name} has too few entries.", self._example(detail, name), field=name).at(
                *place
            )
        full = f"{name}.{missing}" if name else missing
        fix = self._example(detail, full, "Add")
        return Problem("missing_field", f"{full} is missing.", fix, field=full).at(*place)

    def _unknown(self, detail: ErrorDetails, name: str, place: tuple[int, int]) -> Problem:
        key = str(detail["loc"][-1])
        _, holder = field_at(self.model, (*detail["loc"][:-1],))
        inner = field_at(self.model, detail["loc"][:-1])[0]
        model = next(_models(inner.annotation), None) if inner is not None else self.model
        names = [*(model or holder or self.model).model_fields]
        above = ".".join(str(step) for step in detail["loc"][:-1])
        later = [each.rpartition(".")[2] for each in self.unbuilt if each.rpartition(".")[0] == above]
        title = f"There is no {self.noun} {_short(name)}."
        return Problem("unknown_field", title, self._meant(key, names, later, above), field=name).at(*place)

    def _meant(self, key: str, names: list[str], later: list[str], above: str) -> str:
        close = nearest(key, [*names, *later]) or (self.synonyms.get(key.casefold()) if not above else None)
        if close in later:
            return f"Did you mean {close}? It is not built yet."
        if close and "." in close:
            close = f"{close.partition('.')[0]}: {{{close.partition('.')[2]}: …}}"
        return f"Did you mean {close}?" if close else f"The {self.noun}s are: {', '.join(names)}."

    def _shown(self, node: Node, kind: str) -> str:
        if kind in ("string_too_long", "string_too_short", "too_long", "too_short"):
            return str(len(node.items) or len(node.text))
        if node.kind in ("list", "fields"):
            return "a list" if node.kind == "list" else f"{self.noun}s"
        if node.kind == "text" and not node.quoted:
            return f"'{_short(node.text)}'"
        return _short(self.document.source(node))

    def _example(self, detail: ErrorDetails, name: str, verb: str = "Write") -> str:
        (info, holder), leaf = field_at(self.model, detail["loc"]), name.rsplit(".", 1)[-1]
        examples = info.examples if info is not None else None
        if examples and isinstance(examples[0], dict) and leaf not in (holder or self.model).model_fields:
            # The example is of the whole mapping, the mistake in one entry of it.
            return f"{verb} for example {leaf}: {written(next(iter(examples[0].values())))}."
        return example(info, leaf, verb)

    def _cure(self, detail: ErrorDetails, name: str, node: Node) -> str:
        kind, leaf = detail["type"], name.rsplit(".", 1)[-1]
        cure = None
        if kind in ("int_type", "float_type"):
            cure = _number_cure(leaf, node)
        elif kind == "bool_type" and node.text.lower() in _TRUTHS:
            cure = f"Write {leaf}: {_TRUTHS[node.text.lower()]}."
        elif kind == "literal_error":
            choices = [each for each in get_args(_annotation(self.model, detail["loc"])) if isinstance(each, str)]
            close = nearest(node.text, choices)
            cure = f"Did you mean {close}?" if close else None
        elif kind == "string_type" and node.kind in ("list", "fields") and not node.block:
            cure = f"Put the text in quotes: {leaf}: {quote(_short(self.document.source(node), 200))}"
        elif kind == "string_too_long":
            cure = "Write less."
        return cure or self._example(detail, name)


_TRUTHS = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}


def _number_cure(leaf: str, node: Node) -> str | None:
    if node.quoted and number_like(node.text.strip()):
        return f"Write it without quotes: {leaf}: {node.text.strip()}."
    if leading_zero(node.text) and node.text.isdigit() and len(node.text) < 20:
        return f"Write it without the zero in front: {leaf}: {int(node.text)}."
    if node.kind == "number" and math.isfinite(value := node.value()) and abs(value) < 1e15:
        return f"Write for example {leaf}: {round(value)}."
    return None


def _annotation(model: type[BaseModel], location: Location) -> Any:
    info, _ = field_at(model, location)
    return info.annotation if info is not None else None


def _is_secret(annotation: Any) -> bool:
    """Whether a field holds what must not be shown, whatever was written there."""
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


#: What pydantic calls an error: our code, and what the value should have been.
_WANTED = {
    "int_type": ("wrong_type", "a whole number"),
    "float_type": ("wrong_type", "a number"),
    "string_type": ("wrong_type", "text"),
    "bool_type": ("wrong_type", "true or false"),
    "tuple_type": ("wrong_type", "a list"),
    "path_type": ("wrong_type", "a folder's path"),
    "is_instance_of": ("wrong_type", "a folder's path"),
    "dict_type": ("wrong_type", "{noun}s"),
    "model_type": ("wrong_type", "{noun}s"),
    "finite_number": ("wrong_type", "a finite number"),
    "greater_than_equal": ("out_of_range", "{ge} or more"),
    "less_than_equal": ("out_of_range", "{le} or less"),
    "greater_than": ("out_of_range", "more than {gt}"),
    "less_than": ("out_of_range", "less than {lt}"),
    "string_too_long": ("too_long", "at most {max_length} characters long"),
    "string_too_short": ("too_short", "at least {min_length} characters long"),
    "string_pattern_mismatch": ("bad_value", "written otherwise"),
    "literal_error": ("bad_value", "one of {expected}"),
    "too_long": ("bad_value", "a list of {max_length} or fewer"),
    "too_short": ("bad_value", "a list of {min_length} or more"),
}


def _wanted(kind: str, context: Mapping[str, Any]) -> tuple[str, str]:
    code, sentence = _WANTED.get(kind, ("bad_value", "something else"))
    values = {key: value if isinstance(value, str) else written(value) for key, value in context.items()}
    if kind == "literal_error":
        values["expected"] = values["expected"].replace("'", "")
    return code, sentence.format(**values)


def field_at(model: type[BaseModel], location: Location) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    """Return the declaration of the field at a location, and the model that holds it."""
    current: type[BaseModel] | None = model
    info, holder = None, None
    for step in location:
        fields = {} if current is None else {each.alias or name: each for name, each in current.model_fields.items()}
        if step in fields:
            info, holder = fields[str(step)], current
            current = next(_models(info.annotation), None)
    return info, holder


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)

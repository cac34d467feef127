"""A matrix: a job that lists several values for some of its fields becomes one job for each combination of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from service import alternatives
from service.declaration import did_you_mean
from service.errors import Problem, Rejected
from service.job_fields import MATRIX_FIELDS, MATRIX_PARTS, JobSettings
from service.strict_yaml import Document, Node

_EXAMPLE = "matrix: {cfg: [6, 7.5], sampler: [euler, dpmpp_2m]}"
#: The fields that hold alternatives and wildcards.
PROMPTS = ("prompt", "negative_prompt")
_LENGTHS = frozenset({"frames", "seconds"})


@dataclass(frozen=True)
class _Axis:
    """One field of a matrix and its values; `times` says for each how many wordings it has."""

    name: str
    place: tuple[int, int]
    values: tuple[Node, ...]
    times: tuple[int, ...]

    def each(self, *, worded: bool) -> Iterator[Node]:
        for value, times in zip(self.values, self.times, strict=True):
            if times > 1 and worded:
                yield from (replace(value, text=text) for text in alternatives.every(value.text))
            else:
                yield value


@dataclass(frozen=True)
class Matrix:
    """What a job's matrix asks for, and what is wrong with it; a job without one has no axis."""

    axes: tuple[_Axis, ...] = ()
    problems: tuple[Problem, ...] = ()

    def count(self) -> int:
        """Return how many jobs it makes."""
        return prod(sum(axis.times) for axis in self.axes)

    def fill(self, job: Document, most: int) -> Iterator[Document]:
        """Yield each job of the matrix, made when it is asked for; of one that asks for more than `most` no wording."""
        fields = {name: node for name, node in job.root.fields.items() if name != "matrix"}
        root = replace(job.root, fields=fields, keys={name: job.root.keys[name] for name in fields})
        if not self.axes:
            yield Document(job.text, root, [])
            return
        worded = self.count() <= most
        # The last field changes fastest.
        for values in product(*(list(axis.each(worded=worded)) for axis in self.axes)):
            made = root
            for axis, value in zip(self.axes, values, strict=True):
                made = _with(made, axis, value)
            yield Document(job.text, made, [])


def matrix_of(job: Document) -> Matrix:
    """Return what a job's matrix asks for; what is wrong in it is left out and named."""
    root = job.root
    node = root.fields.get("matrix")
    if node is None or node.kind == "refused":
        return Matrix()
    place = root.keys["matrix"]
    if node.kind != "fields" or not node.fields:
        what = "holds nothing" if node.kind in ("nothing", "fields") else "must be fields with lists"
        problem = Problem("wrong_type", f"matrix {what}.", f"Write for example {_EXAMPLE}.", field="matrix")
        return Matrix((), (problem.at(*place),))
    axes: list[_Axis] = []
    problems: list[Problem] = []
    for name, values in node.fields.items():
        try:
            axes.append(_axis(job, name, values, node.keys[name]))
        except Rejected as refusal:
            problems += refusal.problems
    return Matrix(tuple(axes), tuple(problems))


def _axis(job: Document, name: str, values: Node, place: tuple[int, int]) -> _Axis:
    if (wrong := _wrong_name(job.root, name) or _wrong_values(name, values)) is not None:
        raise Rejected(wrong.at(*place))
    found = [as_prompt(job, value) if name in PROMPTS else value for value in values.items]
    return _Axis(name, place, tuple(found), tuple(_times(name, value) for value in found))


def as_prompt(document: Document, node: Node) -> Node:
    """{dawn|dusk} without quotes is YAML's way to write fields, but never what the author of a prompt meant."""
    if node.kind == "fields" and not node.block and "|" in document.source(node):
        return replace(node, kind="text", text=document.source(node))
    return node


def _times(name: str, value: Node) -> int:
    """Return how many wordings a prompt has; each becomes a job. What can't be read as one is refused later."""
    if name not in PROMPTS or value.kind != "text":
        return 1
    try:
        return alternatives.count(value.text)
    except Rejected:
        return 1


def known() -> tuple[str, ...]:
    """Return what may stand in a matrix, the switches of workflows apart."""
    return (*MATRIX_FIELDS, *(f"{each}.{inner}" for each, parts in MATRIX_PARTS.items() for inner in parts))


def _wrong_name(root: Node, name: str) -> Problem | None:
    field, _, part = name.partition(".")
    label = f"matrix.{name}"
    if name not in known() and not (part and field == "switches"):
        if name in JobSettings.model_fields and name not in MATRIX_PARTS:
            return Problem("bad_value", f"{name} can't stand in a matrix.", "Write it in the job itself.", field=label)
        fix = did_you_mean(name, known(), f"A matrix may hold: {', '.join(known())}, switches.NAME.")
        return Problem("unknown_field", f"A matrix can't hold {name}.", fix, field=label)
    same = field if not part else name
    written = same in root.fields or (part and field in root.fields and part in root.fields[field].fields)
    if written or (name in _LENGTHS and _LENGTHS & set(root.fields)):
        fix = "Keep one of the two."
        return Problem("conflict", f"{name} stands in the job and in its matrix.", fix, field=label)
    return None


def _wrong_values(name: str, values: Node) -> Problem | None:
    label = f"matrix.{name}"
    if values.kind != "list":
        fix = f"Write its values as a list: {name}: [a, b]."
        return Problem("wrong_type", f"{label} must be a list of values.", fix, field=label)
    if not values.items:
        return Problem("empty_field", f"{label} lists nothing.", "Write its values, or take the line out.", field=label)
    written = [repr(value.value()) for value in values.items if value.kind != "refused"]
    if len(set(written)) < len(written):
        return Problem("bad_value", f"{label} lists a value twice.", "Take one of the two out.", field=label)
    return None


def _with(root: Node, axis: _Axis, value: Node) -> Node:
    """Return a job with one more field, whose place is its value's in the matrix."""
    field, _, part = axis.name.partition(".")
    place = (value.line, value.column)
    if part:
        inner = root.fields.get(field) or Node("fields", *place, value.start, value.end)
        value = replace(inner, fields={**inner.fields, part: value}, keys={**inner.keys, part: place})
    return replace(root, fields={**root.fields, field: value}, keys={**root.keys, field: place})


def without(shared: Node, own: Node) -> Node:
    """Return a shared matrix without what a job below it sets itself, so that the job's own wins."""
    set_there = {*own.fields, *(_LENGTHS if _LENGTHS & set(own.fields) else ())}
    left = {name: value for name, value in shared.fields.items() if name not in set_there and not _is_set(name, own)}
    return replace(shared, fields=left, keys={name: shared.keys[name] for name in left})


def _is_set(name: str, own: Node) -> bool:
    field, _, part = name.partition(".")
    return bool(part) and field in own.fields and part in own.fields[field].fields


def named_in(matrix: Node) -> Sequence[str]:
    """Return the fields that a job's own matrix sets, which win over shared ones."""
    return [*matrix.fields, *(_LENGTHS if _LENGTHS & set(matrix.fields) else ())]

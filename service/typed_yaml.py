"""A declared model is read from a YAML tree; each mistake becomes a problem with its place and cure, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.declaration import in_order
from service.errors import Problem
from service.strict_yaml import MAX_PROBLEMS, Document, Node, empty
from service.yaml_problems import Reader, example, field_at, find, locate

__all__ = ["Outcome", "locate", "read", "read_list", "read_partly"]

Model = TypeVar("Model", bound=BaseModel)
Outcome = tuple[Model | None, tuple[Problem, ...]]


def read(model: type[Model], document: Document, unbuilt: Mapping[str, str], noun: str = "field") -> Outcome[Model]:
    """
    Read a model from a document.

    Returns the model, or None and every problem, in the order of the file. `unbuilt` maps the names of root fields, or
    of fields of theirs ("output.crf"), that are known but not built yet to their cures; `noun` is what the file's
    readers call its fields.
    """
    made = _attempt(model, document, unbuilt, noun)
    return (None, in_order(made.problems)) if made.problems else (made.model, ())


def read_partly(
    model: type[Model], document: Document, unbuilt: Mapping[str, str], synonyms: Mapping[str, str]
) -> tuple[Model | None, tuple[Problem, ...], frozenset[str]]:
    """
    Read as `read` does, but return the model of the right fields in any case, and the names of the wrong ones.

    `synonyms` maps what others call a root field to its name here.
    """
    made = _attempt(model, document, unbuilt, "field", synonyms)
    bad = {problem.field.partition(".")[0] for problem in made.problems if problem.field}
    bad |= {name for name, node in document.root.fields.items() if node.kind == "refused"}
    kept = made.model
    while kept is None and document.root.kind == "fields":
        raw = {name: value for name, value in made.raw.items() if name not in bad}
        try:
            kept = model.model_validate(raw)
        except ValidationError as error:
            # Fields that contradict one another show it only when each of them is right.
            more = {str(each.get("ctx", {}).get("field") or (*each["loc"], "")[0]) for each in error.errors()}
            if not more & set(raw):
                break
            bad |= more
    return kept, in_order(made.problems), frozenset(bad)


@dataclass
class _Attempt(Generic[Model]):
    """A model as far as it could be read, from which plain values."""

    model: Model | None
    problems: list[Problem]
    raw: dict[str, Any]


def _attempt(
    model: type[Model],
    document: Document,
    unbuilt: Mapping[str, str],
    noun: str,
    synonyms: Mapping[str, str] | None = None,
) -> _Attempt[Model]:
    root = document.root
    if root.kind != "fields":
        return _Attempt(None, [*document.problems, _not_fields(root, noun)], {})
    raw = {name: node.value() for name, node in root.fields.items() if node.kind != "refused"}
    refused = []
    for holder, name, place in _fields(root):
        full = ".".join((*holder, name))
        if full in unbuilt:
            refused.append(Problem("not_built_yet", f"{full} is not built yet.", unbuilt[full], field=full).at(*place))
        elif _is_bare(model, root, (*holder, name)):
            refused.append(_no_value(model, (*holder, name), place))
        else:
            continue
        (raw[holder[0]] if holder else raw).pop(name, None)
    made, problems = _validate(model, document, raw, Reader(model, document, tuple(unbuilt), noun, synonyms or {}))
    return _Attempt(made, [*document.problems, *refused, *problems], raw)


def _fields(root: Node) -> Iterator[tuple[tuple[str, ...], str, tuple[int, int]]]:
    """Yield each field of the root and of its fields, with the name above it and its place."""
    for name, node in root.fields.items():
        yield (), name, root.keys[name]
        if node.kind == "fields":
            yield from (((name,), inner, node.keys[inner]) for inner in node.fields)


def _is_bare(model: type[BaseModel], root: Node, location: tuple[str, ...]) -> bool:
    node = root.fields[location[0]] if len(location) == 1 else root.fields[location[0]].fields[location[1]]
    if node.kind != "nothing":
        return False
    holder = field_at(model, location)[1]
    return holder is not None and location[-1] in holder.model_fields


def read_list(model: type[Model], document: Document) -> tuple[tuple[Model, ...], tuple[Problem, ...]]:
    """Read a document that is a list of models; returns those that are right, and every problem."""
    if document.root.kind != "list":
        problem = Problem("not_a_list", "The file is not a list.", "Begin each entry with a dash: - name: value")
        return (), (*document.problems, problem.at(document.root.line, document.root.column))
    entries = [node for node in document.root.items if node.kind == "fields"]
    outcomes = [read(model, Document(document.text, node, []), {}) for node in entries]
    others = [_not_an_entry(node) for node in document.root.items if node.kind not in ("fields", "refused")]
    problems = (*document.problems, *others, *(problem for _, found in outcomes for problem in found))
    return tuple(made for made, _ in outcomes if made is not None), in_order(problems)


def _not_an_entry(node: Node) -> Problem:
    title = "An entry of the list must be fields."
    return Problem("not_fields", title, "Write it as - name: value.").at(node.line, node.column)


def _validate(
    model: type[Model], document: Document, raw: dict[str, Any], reader: Reader
) -> tuple[Model | None, list[Problem]]:
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    if _text_as_written(document.root, raw, details):
        return _validate(model, document, raw, reader)
    problems = {detail["loc"]: reader.problem(detail) for detail in reversed(details[:MAX_PROBLEMS])}
    return None, [problem for problem in problems.values() if problem is not None]


def _text_as_written(root: Node, raw: dict[str, Any], details: Sequence[ErrorDetails]) -> bool:
    """Where text is asked, an unquoted 1984 is the text 1984: put it back as it was written; say whether any was."""
    changed = False
    for detail in details:
        node = find(root, detail["loc"])[0]
        if detail["type"] != "string_type" or node.kind not in ("whole", "number", "truth"):
            continue
        holder: Any = raw
        for step in detail["loc"][:-1]:
            # One entry may stand for a list of one; then the location has an index that the file hasn't.
            holder = holder if isinstance(holder, dict) and step not in holder else holder[step]
        if isinstance(holder, dict):
            holder[detail["loc"][-1]] = node.text
            changed = True
    return changed


def _not_fields(root: Node, noun: str) -> Problem:
    if root.kind == "list":
        title, fix = f"The file is a list, not {noun}s.", f"Write {noun}s as name: value, without a dash in front."
    elif root.kind == "nothing":
        return empty()
    else:
        title = f"The file holds no {noun}s, only text."
        fix = f"Write {noun}s as name: value, with a space after the colon."
    return Problem("not_fields", title, fix).at(root.line, root.column)


def _no_value(model: type[BaseModel], location: tuple[str, ...], place: tuple[int, int]) -> Problem:
    name = ".".join(location)
    fix = f"{example(field_at(model, location)[0], location[-1])} Or take the line out."
    return Problem("empty_field", f"{name} has no value.", fix, field=name).at(*place)

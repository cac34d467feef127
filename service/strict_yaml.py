"""YAML read strictly: plain values only, each with its place; what could surprise its author is refused with a cure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from service.errors import Problem, Rejected
from service.plain_text import decode
from service.yaml_slips import explain

try:
    from yaml import CSafeLoader
except ImportError as reason:  # the pure Python parser is 14 times slower and words its errors otherwise
    raise ImportError("PyYAML was built without libyaml. Install PyYAML from a wheel: pip install PyYAML.") from reason

MAX_DEPTH = 16
MAX_VALUES = 100_000
#: Nobody reads more; a file that earns more isn't what it was dropped as.
MAX_PROBLEMS = 50
#: Longer numbers are nobody's setting, and reading them costs more than linear time.
MAX_DIGITS = 40

Kind = Literal["text", "whole", "number", "truth", "nothing", "list", "fields", "refused"]

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_WORDS: dict[str, Kind] = dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), "truth")
_WORDS |= dict.fromkeys(("", "~", "null", "Null", "NULL"), "nothing")
_JSON_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(slots=True)
class Node:
    """One value and its place: line and column counted from 1, start and end as offsets into the text."""

    kind: Kind
    line: int
    column: int
    start: int
    end: int
    text: str = ""
    quoted: bool = False
    block: bool = False
    items: list[Node] = field(default_factory=list)
    fields: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    def value(self) -> Any:
        """Return plain Python data; lists become tuples; what was refused becomes None."""
        if self.kind == "fields":
            return {key: node.value() for key, node in self.fields.items()}
        if self.kind == "list":
            return tuple(node.value() for node in self.items)
        return _SCALARS[self.kind](self.text)


@dataclass(slots=True)
class Document:
    """A file read: its text, its root, everything that strictness refused in it, and the line where it begins."""

    text: str
    root: Node
    problems: list[Problem]
    line: int = 1

    def source(self, node: Node) -> str:
        """Return a value as it was written."""
        return self.text[node.start : node.end].strip()

    def swallowed(self, node: Node) -> str:
        """Return the comment that ends an unquoted text, when it looks as if it was meant to be part of the text."""
        if node.quoted or node.block or "#" not in self.text:
            return ""
        found = re.match(r"[ \t]+(#[^\s#][^\n\r]*)", self.text[node.end : node.end + 200])
        return found[1].strip() if found else ""


def load(data: bytes) -> Node:
    """Read one YAML document; raise Rejected with every problem and its place."""
    document = read(data)
    if document.problems:
        raise Rejected(*document.problems)
    return document.root


def read(data: bytes) -> Document:
    """Read one YAML document, collecting what strictness refuses; raise Rejected where nothing can be read on."""
    first, *others = read_all(data)
    if others:
        title = "The file holds several documents, divided by '---'."
        problem = Problem("several_documents", title, "Write one file for each.")
        raise Rejected(*first.problems, problem.at(others[0].line, 1))
    return first


def read_all(data: bytes) -> tuple[Document, ...]:
    """Read every YAML document of a file, at least one, as `read` reads one."""
    text = decode(data)
    for attempt in (text, _JSON_PAIR.sub(_joined, text)):
        composer = _Composer(attempt)
        try:
            return composer.documents()
        except yaml.MarkedYAMLError as error:
            # JSON writes an emoji as two escapes, which YAML does not know; the second attempt has them joined.
            if attempt == text and "Unicode character escape" in str(error.problem) and _JSON_PAIR.search(text):
                continue
            raise Rejected(*composer.problems, explain(text, error)) from None
        except yaml.YAMLError as error:
            raise Rejected(Problem("not_yaml", "This can't be read as YAML.", "Check the file.", str(error))) from None
    raise AssertionError("the second attempt either returned or raised")


def empty() -> Problem:
    """Return the problem of a file that says nothing."""
    return Problem("empty", "The file is empty.", "Write at least one field, for example prompt: a harbour.").at(1, 1)


def leading_zero(text: str) -> bool:
    """Say whether a text is a number with a zero too many in front, which YAML 1.1 would read as octal."""
    return _LEADING_ZERO.match(text) is not None


def number_like(text: str) -> bool:
    """Say whether a text would be a number if it stood without quotes."""
    return _WHOLE.fullmatch(text) is not None or _NUMBER.fullmatch(text) is not None


def _number(text: str) -> float:
    return float(text.replace(".", "", 1) if text.lower().endswith(("inf", "nan")) else text)


_SCALARS: dict[Kind, Callable[[str], Any]] = {
    "text": str,
    "whole": lambda text: int(text[:MAX_DIGITS]),
    "number": _number,
    "truth": lambda text: text.lower() == "true",
    "nothing": lambda _: None,
    "refused": lambda _: None,
}


def _joined(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _kind(event: yaml.ScalarEvent) -> Kind:
    text = event.value
    if event.style:
        return "text"
    if (word := _WORDS.get(text)) is not None:
        return word
    if len(text) > 400 or text[0] not in "+-.0123456789":
        # A number of thousands of digits still has to be seen as one.
        return "whole" if text.isascii() and text.isdigit() and text[0] != "0" else "text"
    if _WHOLE.fullmatch(text):
        return "whole"
    return "number" if _NUMBER.fullmatch(text) and not leading_zero(text) else "text"


class _Composer:
    """Builds the tree from libyaml's events; depth, number of values and everything strict are checked on the way."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=CSafeLoader))
        self.values = 0

    def documents(self) -> tuple[Document, ...]:
        """Return the documents of the text; raise Rejected for none. The first holds what was refused in any."""
        found: list[Document] = []
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                line = event.start_mark.line + 1 if event.start_mark else 1
                found.append(Document(self.text, self._node(next(self.events), 0), [], line))
        if not found:
            raise Rejected(empty())
        found[0].problems = self.problems
        return tuple(found)

    def _problem(self, code: str, title: str, fix: str, event: Any) -> Problem:
        return Problem(code, title, fix).at(event.start_mark.line + 1, event.start_mark.column + 1)

    def _refuse(self, code: str, title: str, fix: str, event: Any) -> None:
        self.problems.append(self._problem(code, title, fix, event))
        if len(self.problems) > MAX_PROBLEMS:
            raise Rejected(*self.problems)

    def _node(self, event: Any, depth: int) -> Node:
        self.values += 1
        if depth > MAX_DEPTH or self.values > MAX_VALUES:
            what = f"more than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_VALUES} values"
            problem = self._problem("too_deep", f"The file holds {what}.", "Write it simpler.", event)
            raise Rejected(*self.problems, problem)
        start, end = event.start_mark, event.end_mark
        node = Node("refused", start.line + 1, start.column + 1, start.index, end.index)
        if self._is_refused(event):
            self._skip(event)
        elif isinstance(event, yaml.ScalarEvent):
            node.kind, node.text = _kind(event), event.value
            node.quoted, node.block = event.style in ("'", '"'), event.style in ("|", ">")
        elif isinstance(event, yaml.SequenceStartEvent):
            node.kind, node.block = "list", not event.flow_style
            self._fill_list(node, depth)
        else:
            node.kind, node.block = "fields", not getattr(event, "flow_style", False)
            self._fill_fields(node, depth)
        return node

    def _is_refused(self, event: Any) -> bool:
        quote = "Put the whole text in quotes."
        if isinstance(event, yaml.AliasEvent):
            self._refuse("yaml_feature", f"'*{event.anchor}' would be a YAML alias, which isn't allowed.", quote, event)
            return True
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            self._refuse("yaml_feature", f"'&{anchor}' would be a YAML anchor, which isn't allowed.", quote, event)
        elif tag is not None:
            self._refuse("yaml_feature", f"'{tag}' would be a YAML tag, which isn't allowed.", quote, event)
        return anchor is not None or tag is not None

    def _skip(self, event: Any) -> None:
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return
            event = next(self.events)

    def _fill_list(self, node: Node, depth: int) -> None:
        for event in self._until(yaml.SequenceEndEvent, node):
            node.items.append(self._node(event, depth + 1))

    def _fill_fields(self, node: Node, depth: int) -> None:
        for event in self._until(yaml.MappingEndEvent, node):
            key, place = self._key(event), (event.start_mark.line + 1, event.start_mark.column + 1)
            value = self._node(next(self.events), depth + 1)
            if key is None:
                continue
            if key in node.fields:
                title = f"{key} is written twice; the first is in line {node.keys[key][0]}."
                self._refuse("duplicate_key", title, "Keep one of the two.", event)
                continue
            node.fields[key], node.keys[key] = value, place

    def _until(self, last: type[Any], node: Node) -> Iterator[Any]:
        """Yield events up to the one that ends the collection, and note where that is."""
        for event in self.events:
            if isinstance(event, last):
                node.end = event.end_mark.index
                return
            yield event

    def _key(self, event: Any) -> str | None:
        if self._is_refused(event):
            self._skip(event)
            return None
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse("yaml_feature", "A field's name must be plain text.", "Write it as name: value.", event)
            self._skip(event)
            return None
        if event.value == "<<" and not event.style:
            self._refuse("yaml_feature", "Merge keys (<<) aren't allowed.", "Write the fields out.", event)
            return None
        return str(event.value)

"""Wildcards: files of wordings, a line each; __colour__ in a prompt stands for a line of colour.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from service import alternatives
from service.declaration import did_you_mean
from service.errors import Problem, Rejected
from service.plain_text import decode

MAX_LINES = 10_000
MAX_LINE = 1_000
#: So many files are read, and so much of them together.
MAX_FILES = 1_000
MAX_BYTES = 10_000_000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def parse(name: str, data: bytes) -> tuple[str, ...]:
    """
    Return the wordings of a wildcard's file: its lines, without empty ones and those that begin with #.

    A wording may hold alternatives and other wildcards. Raises Rejected with every mistake and its place.
    """
    if not _NAME.fullmatch(name) or "__" in name or name.endswith("_"):
        raise Rejected(Problem("bad_value", f"{name} can't be a wildcard's name.", "Use a-z, 0-9, - and single _."))
    lines = [(number, line.strip()) for number, line in enumerate(decode(data).splitlines(), start=1)]
    said = [(number, line) for number, line in lines if line and not line.startswith("#")]
    problems = [*_of_all(name, len(said)), *(problem for each in said for problem in _of_line(*each))]
    if problems:
        raise Rejected(*problems[:50])
    return tuple(line for _, line in said)


def unknown(text: str, known: Mapping[str, object], field: str | None = None) -> tuple[Problem, ...]:
    """Return a problem for each wildcard in a prompt that isn't there, with the nearest name."""
    names = dict.fromkeys(alternatives.parse(text).wildcards())
    return tuple(_missing(name, known, field) for name in names if name not in known)


def sound(found: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[Problem, ...]]]:
    """Return the wildcards that can be used, and what is wrong with those that name themselves or ones not there."""
    inner = {
        name: {each for line in lines if "__" in line for each in alternatives.parse(line).wildcards()}
        for name, lines in found.items()
    }
    good = dict(found)
    broken: dict[str, tuple[Problem, ...]] = {}
    while True:
        wrong = {name: problems for name in good if (problems := tuple(_wrong_inside(name, inner, good)))}
        if not wrong:
            return good, broken
        broken |= wrong
        good = {name: lines for name, lines in good.items() if name not in wrong}


def _wrong_inside(name: str, inner: Mapping[str, set[str]], good: Mapping[str, object]) -> Iterator[Problem]:
    yield from (_missing(each, good, None) for each in sorted(inner[name]) if each not in good)
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        for each in inner.get(waiting.pop(), ()):
            if each not in reached:
                reached.add(each)
                waiting.append(each)
    if name in reached:
        title = f"The wildcard {name} names itself, by way of its lines."
        yield Problem("bad_alternatives", title, f"Take __{name}__ out of what its lines lead to.")


def _of_all(name: str, lines: int) -> Iterator[Problem]:
    if not lines:
        yield Problem("empty", f"The wildcard {name} has no line.", "Write one wording a line.")
    if lines > MAX_LINES:
        yield Problem("too_large", f"The wildcard {name} has more than {MAX_LINES:,} lines.", "Divide it.")


def _of_line(number: int, line: str) -> Iterator[Problem]:
    if len(line) > MAX_LINE:
        yield Problem("too_long", f"A wording is longer than {MAX_LINE:,} characters.", "Write less.").at(number, 1)
        return
    try:
        alternatives.parse(line)
    except Rejected as refusal:
        for problem in refusal.problems:
            title = problem.title.replace("{field}", "A wording")
            yield Problem(problem.code, title, problem.fix).at(number, 1)


def _missing(name: str, known: Mapping[str, object], field: str | None) -> Problem:
    names = sorted(known)
    otherwise = f"The wildcards are: {', '.join(names[:20])}." if names else "There are none in workflows/wildcards/."
    fix = did_you_mean(name, names, otherwise)
    return Problem("unknown_wildcard", f"There is no wildcard __{name}__.", fix, field=field)

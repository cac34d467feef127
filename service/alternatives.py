"""Alternatives: {dawn|dusk} and __colour__ in a prompt become one wording by a seed, or every wording in turn."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, combinations, product
from math import prod

from service.errors import Problem, Rejected

#: Braces deeper than this aren't read any more: nobody writes them, and reading them costs.
MAX_DEPTH = 20
#: What one prompt may become, in characters, and how many choices may be made on the way there.
MAX_TEXT = 10_000
MAX_CHOICES = 1_000
#: So many of several alternatives may stand together.
MAX_TOGETHER = 20

#: A wildcard, as other programs write it: two underscores before and after a name.
WILDCARD = re.compile(r"(?<!\w)__([^\W_][\w/-]{0,80}?)__(?!\w)")
_TOKEN = re.compile(rf"\\([{{}}|]|__)|[{{}}|]|\$\{{|{WILDCARD.pattern}")
_SPECIAL = re.compile(r"[{}|]|__+")
_AMOUNT = re.compile(r"\s*(?:(\d{1,3})|(\d{1,3})?-(\d{1,3})?)\$\$(?:([^$]*)\$\$)?")
_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)::")


@dataclass(frozen=True)
class Wildcard:
    """A place where a line of a wildcard's file stands."""

    name: str


@dataclass(frozen=True)
class Choice:
    """A place where some of several wordings stand: mostly one, otherwise `low` to `high` of them."""

    options: tuple[Template, ...]
    weights: tuple[float, ...]
    low: int = 1
    high: int = 1
    separator: str = ", "

    def count(self) -> int:
        """Return how many wordings there are."""
        # ways[k] is in how many ways k of the options looked at so far can be worded.
        ways = [1, *([0] * self.high)]
        for option in self.options:
            for taken in range(self.high, 0, -1):
                ways[taken] += ways[taken - 1] * option.count
        return sum(ways[self.low :])


@dataclass(frozen=True)
class Template:
    """A prompt as it was written, read into what stands fast and what is to be chosen."""

    parts: tuple[str | Choice | Wildcard, ...]
    count: int = field(init=False)

    def __post_init__(self) -> None:
        """Count once: the parts never change."""
        object.__setattr__(self, "count", prod(part.count() for part in self.parts if isinstance(part, Choice)))

    def wildcards(self) -> Iterator[str]:
        """Yield the name of each wildcard in it, in the order written."""
        for part in self.parts:
            if isinstance(part, Wildcard):
                yield part.name
            elif isinstance(part, Choice):
                yield from chain.from_iterable(option.wildcards() for option in part.options)


#: Wildcard name → the wordings that its file holds, a line each.
Wildcards = Mapping[str, Sequence[str]]


class Dice:
    """Numbers that follow from a seed and a label alone, the same on every machine and Python."""

    def __init__(self, seed: int, label: str) -> None:
        self._begin = f"{seed}/{label}/".encode()
        self._thrown = 0

    def share(self) -> float:
        """Return the next number in [0, 1)."""
        if self._thrown == MAX_CHOICES:
            raise _too_much(f"asks for more than {MAX_CHOICES:,} choices")
        digest = hashlib.sha256(self._begin + str(self._thrown).encode()).digest()
        self._thrown += 1
        return int.from_bytes(digest[:6], "big") / (1 << 48)


def picked(text: str, dice: Dice, wildcards: Wildcards) -> str:
    """
    Return one wording of a prompt; the same text, dice and wildcards give the same.

    Raises Rejected where a wildcard isn't there, or where it becomes longer than a prompt may be.
    """
    template = parse(text)
    if len(template.parts) == 1 and isinstance(template.parts[0], str):
        return template.parts[0]
    made: list[str] = []
    length = 0
    for piece in _pieces(template, dice, wildcards, 0):
        length += len(piece)
        if length > MAX_TEXT:
            raise _too_much(f"becomes longer than {MAX_TEXT:,} characters")
        made.append(piece)
    return "".join(made)


def every(text: str) -> Iterator[str]:
    """Yield each wording of a prompt, the last alternative changing fastest; wildcards stay as they are written."""
    return _every(parse(text))


def count(text: str) -> int:
    """Return how many wordings `every` yields; raises Rejected."""
    return parse(text).count


def escaped(text: str) -> str:
    """Return a prompt that means exactly this text, whatever it holds."""
    return text if _TOKEN.search(text) is None else _SPECIAL.sub(r"\\\g<0>", text)


@lru_cache(maxsize=512)
def parse(text: str) -> Template:
    """
    Read a prompt; raise Rejected where its alternatives can't be read.

    Braces without a | between them, and braces that aren't closed, are text. A backslash before {, }, | or __ makes
    them text. `{2$$a|b|c}` takes two of three, `{3::a|b}` takes a three times as often.
    """
    stack: list[_Open] = [_Open()]
    end = 0
    for found in _TOKEN.finditer(text):
        stack[-1].say(text[end : found.start()])
        end = found.end()
        mark = found[0]
        if mark.startswith("\\"):
            stack[-1].say(found[1])
        elif mark == "${":
            fix = "Write its words themselves; where the brace is text, put a backslash before it."
            raise _wrong("{field} holds a variable (${…})", fix)
        elif mark == "{":
            if len(stack) > MAX_DEPTH:
                raise _wrong(f"{{field}} holds braces more than {MAX_DEPTH} deep", "Write fewer levels of {…}.")
            stack.append(_Open())
        elif mark == "}" and len(stack) > 1:
            closed = stack.pop()
            stack[-1].add(closed.closed())
        elif mark == "|" and len(stack) > 1:
            stack[-1].options.append([])
        elif found[2] is not None:
            stack[-1].add([Wildcard(found[2])])
        else:
            stack[-1].say(mark)
    stack[-1].say(text[end:])
    while len(stack) > 1:
        left = stack.pop()
        stack[-1].add(left.as_text(""))
    return _template(stack[0].options[0])


class _Open:
    """What has been read since a brace."""

    def __init__(self) -> None:
        self.options: list[list[str | Choice | Wildcard]] = [[]]

    def say(self, text: str) -> None:
        if text:
            self.options[-1].append(text)

    def add(self, parts: Sequence[str | Choice | Wildcard]) -> None:
        self.options[-1].extend(parts)

    def as_text(self, end: str) -> list[str | Choice | Wildcard]:
        joined: list[str | Choice | Wildcard] = ["{"]
        for number, option in enumerate(self.options):
            joined += ["|", *option] if number else option
        return [*joined, end] if end else joined

    def closed(self) -> list[str | Choice | Wildcard]:
        if len(self.options) == 1:
            return self.as_text("}")
        options = [_joined(option) for option in self.options]
        low, high, separator = 1, 1, ", "
        first = options[0]
        if first and isinstance(first[0], str) and (found := _AMOUNT.match(first[0])) is not None:
            first[0] = first[0][found.end() :]
            low, high = _amount(found, len(options))
            separator = found[4] if found[4] is not None else separator
        weights = [_weight(option) for option in options]
        if sum(weight > 0 for weight in weights) < high:
            raise _wrong("{field} has alternatives of which none may be taken", "Write a weight above 0 before ::.")
        templates = tuple(_template(option) for option in options)
        return [Choice(templates, tuple(weights), low, high, separator)]


def _joined(parts: Sequence[str | Choice | Wildcard]) -> list[str | Choice | Wildcard]:
    made: list[str | Choice | Wildcard] = []
    for part in parts:
        if made and isinstance(part, str) and isinstance(made[-1], str):
            made[-1] += part
        else:
            made.append(part)
    return made


def _template(parts: Sequence[str | Choice | Wildcard]) -> Template:
    return Template(tuple(part for part in _joined(parts) if part != ""))


def _amount(found: re.Match[str], most: int) -> tuple[int, int]:
    low = int(found[1] or found[2] or 0)
    high = int(found[1] or found[3] or min(most, MAX_TOGETHER))
    if not low <= high <= most or not 0 < high <= MAX_TOGETHER:
        title = f"{{field}} asks for {found[0].partition('$$')[0].strip()} of {most} alternatives"
        raise _wrong(title, f"Write a number from 1 to {min(most, MAX_TOGETHER)} before $$.")
    return low, high


def _weight(option: list[str | Choice | Wildcard]) -> float:
    if not option or not isinstance(option[0], str) or (found := _WEIGHT.match(option[0])) is None:
        return 1.0
    option[0] = option[0][found.end() :]
    return float(found[1])


def _pieces(template: Template, dice: Dice, wildcards: Wildcards, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise _too_much(f"names wildcards in wildcards more than {MAX_DEPTH} deep")
    for part in template.parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Wildcard):
            if not (lines := wildcards.get(part.name)):
                raise Rejected(Problem("unknown_wildcard", f"There is no wildcard {part.name!r}.", _CORRECT))
            line = lines[int(dice.share() * len(lines))]
            yield from _pieces(parse(line), dice, wildcards, depth + 1)
        else:
            for number, option in enumerate(_taken(part, dice)):
                if number:
                    yield part.separator
                yield from _pieces(option, dice, wildcards, depth + 1)


def _taken(choice: Choice, dice: Dice) -> list[Template]:
    """Return what the dice take, none of it twice."""
    amount = choice.low + int(dice.share() * (choice.high - choice.low + 1)) if choice.low < choice.high else choice.low
    left = [(option, weight) for option, weight in zip(choice.options, choice.weights, strict=True) if weight > 0]
    taken = []
    for _ in range(amount):
        at = dice.share() * sum(weight for _, weight in left)
        number = 0
        while number < len(left) - 1 and at >= left[number][1]:
            at -= left[number][1]
            number += 1
        taken.append(left.pop(number)[0])
    return taken


def _every(template: Template) -> Iterator[str]:
    ways = [_ways(part) for part in template.parts]
    return ("".join(each) for each in product(*ways)) if ways else iter([""])


def _ways(part: str | Choice | Wildcard) -> Iterator[str]:
    if isinstance(part, Choice):
        for amount in range(part.low, part.high + 1):
            for options in combinations(part.options, amount):
                for each in product(*(_every(option) for option in options)):
                    yield escaped(part.separator).join(each)
    else:
        yield f"__{part.name}__" if isinstance(part, Wildcard) else escaped(part)


_CORRECT = "Correct its name."


def _wrong(title: str, fix: str) -> Rejected:
    return Rejected(Problem("bad_alternatives", f"{title}.", fix))


def _too_much(what: str) -> Rejected:
    return Rejected(Problem("too_long", f"{{field}} {what} once its alternatives are chosen.", "Write less."))

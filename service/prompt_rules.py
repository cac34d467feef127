"""The rules about words: what a prompt asks for, and what no task, or only the adult one, may be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from service.errors import Problem
from service.prompt_seen import Seen, seen
from service.prompt_terms import INSIDE_NAMES
from service.prompt_text import fold

_SOFT_LIMIT: Final = 2
_EMBEDDED_LORA = re.compile(r"<\s*(?:lora|lyco|hypernet)\s*:\s*([^:>]+)", re.IGNORECASE)
_NEGATIVE_WEIGHT = re.compile(r":\s*-\s*\d*[.,]?\d*[1-9]")


@dataclass(frozen=True)
class Finding:
    """One rule that a text breaks: its category, the word that tells it (for the operator alone) and the field."""

    category: str
    term: str
    field: str


@dataclass(frozen=True)
class Asked:
    """What a job asks for, by field: what is to be seen, what is not, and which files it is made with."""

    wanted: Mapping[str, str] = field(default_factory=dict)
    unwanted: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


#: Category → (code, what is refused, cure).
_SAID: Final[Mapping[str, tuple[str, str, str]]] = {
    "sexual": (
        "sexual_content",
        "{field} asks for sexual content or nudity, which this task doesn't make.",
        "Describe it without that.",
    ),
    "sexual_minor": (
        "sexual_minor",
        "{field} puts somebody who is, or may be, a minor into a sexual light, which is never made.",
        "Nothing of the kind is rendered here, in any task.",
    ),
    "minor": (
        "possible_minor",
        "{field} may describe somebody below eighteen, which the adult task never makes.",
        "Describe grown-ups by words that can only mean grown-ups.",
    ),
    "real_person": (
        "real_person",
        "{field} may name somebody who lives, which the adult task never makes.",
        "Describe somebody who doesn't exist, without a name.",
    ),
}


def problems_of(text: str, field: str, adult: bool = False) -> tuple[Problem, ...]:  # noqa: FBT001, FBT002
    """Return why a text may not be asked for in a field; `adult` says that it is the adult task's."""
    negative = field.endswith("negative_prompt")
    asked = Asked(unwanted={field: text}) if negative else Asked(wanted={field: text})
    return tuple(problem_of(finding) for finding in findings_of(asked, adult=adult))


def problem_of(finding: Finding) -> Problem:
    """Return what people are told: the field and the category, never the word."""
    code, title, fix = _SAID[finding.category]
    return Problem(code, title.format(field=finding.field), fix, field=finding.field)


def findings_of(asked: Asked, *, adult: bool) -> tuple[Finding, ...]:
    """
    Return every rule that a job's words break, each category once for a field.

    In the adult task nothing may look like a minor or be somebody real; in every other nothing is sexual. What is
    sexual and about a minor is refused in both, also where the one stands in one field and the other in another.
    """
    judge = _of_adult if adult else _of_others
    return tuple({(each.field, each.category): each for each in judge(asked)}.values())


def may_show_a_minor(texts: Iterable[str]) -> bool:
    """Say whether the adult rule would refuse one of these prompts as possibly depicting minors."""
    return any(finding.category == "minor" for text in texts for finding in _wanted_of_adult("prompt", text))


def loras_in(text: str) -> tuple[str, ...]:
    """Return the files that tags such as <lora:NAME:1> and embedding:NAME in a prompt name."""
    embedded = re.findall(r"embedding\s*:\s*([^\s,()\[\]{}<>|]+)", text, re.IGNORECASE)
    return (*_EMBEDDED_LORA.findall(text), *embedded)


# the two tasks -------------------------------------------------------------------------------------------------------


def _of_adult(asked: Asked) -> Iterator[Finding]:
    for name, text in asked.wanted.items():
        yield from _wanted_of_adult(name, text)
    for name, text in asked.unwanted.items():
        shown = seen(text)
        if (term := _negated_age(shown)) is not None:
            yield Finding("minor", term, name)
        if _NEGATIVE_WEIGHT.search(text) and (term := _youth(shown)) is not None:
            yield Finding("minor", term, name)
    for name, text in asked.names.items():
        shown = seen(text)
        term = shown.first("minor") or shown.first("youth") or _inside(text, "minor")
        if term is not None:
            yield Finding("minor", term, name)


def _wanted_of_adult(name: str, text: str) -> Iterator[Finding]:
    shown = seen(text)
    if (term := _youth(shown)) is not None:
        yield Finding("minor", term, name)
    if (term := shown.first("real") or shown.named) is not None:
        yield Finding("real_person", term, name)
    if _NEGATIVE_WEIGHT.search(text) and (term := _negated_age(shown)) is not None:
        yield Finding("minor", term, name)


def _of_others(asked: Asked) -> Iterator[Finding]:
    everything = seen(" . ".join(asked.wanted.values()))
    about_minors = everything.first("minor") or everything.first("girl") or ("age" if everything.ages.below else None)
    for name, text in asked.wanted.items():
        shown = seen(text)
        if (term := shown.first("sexual")) is not None:
            yield Finding("sexual_minor" if about_minors else "sexual", term, name)
        elif (about_minors and (term := shown.first("suggestive")) is not None) or (
            term := shown.swimming_child
        ) is not None:
            yield Finding("sexual_minor", term, name)
        if _NEGATIVE_WEIGHT.search(text) and (term := shown.first("clothes")) is not None:
            yield Finding("sexual", term, name)
    for name, text in asked.unwanted.items():
        shown = seen(text)
        if (term := shown.first("clothes")) is not None:
            yield Finding("sexual", term, name)
        if everything.first("suggestive") and (term := _negated_age(shown)) is not None:
            yield Finding("sexual_minor", term, name)
        if _NEGATIVE_WEIGHT.search(text) and (term := shown.first("sexual")) is not None:
            yield Finding("sexual", term, name)
    for name, text in asked.names.items():
        if (term := seen(text).first("sexual") or _inside(text, "sexual")) is not None:
            yield Finding("sexual", term, name)


def _youth(shown: Seen) -> str | None:
    """Return what in a text may depict a minor, by the careful measure of the adult task."""
    if (term := shown.first("minor") or shown.first("youth")) is not None:
        return term
    if shown.ages.below or shown.ages.bare:
        return "age"
    soft = shown.all("soft")
    return " + ".join(sorted(soft)) if len(soft) >= _SOFT_LIMIT else None


def _negated_age(shown: Seen) -> str | None:
    return shown.first("grown") or ("age" if shown.ages.grown else None)


def _inside(text: str, category: str) -> str | None:
    """Return what is hidden in a file's name, where words run together."""
    name = "".join(letter for letter in fold(text) if letter.isalnum())
    return next((stem for stem in INSIDE_NAMES[category].split() if stem in name), None)

"""What a text shows to the rules: words of each category in whatever way they are written, ages, names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final

from service import prompt_terms as terms
from service.prompt_ages import ages_in
from service.prompt_text import fold, read

#: Shorter words are not searched for by what is typed wrong, or put together from neighbours.
_LONG: Final = 5
_JOINED: Final = 4
#: A child's swimwear: so many words apart at most.
_NEAR: Final = 4
#: What neighbours make by chance: Spanish "por no".
_BY_CHANCE: Final = frozenset({"porno", "creampie", "pron", "handjob", "teen", "anus", "sons", "sinus", "nudes"})
_VOWELS: Final = "aeiou"
_UNDRESSING = re.compile(
    r"\b(?:tak\w*|took|remov\w*|strip\w*|peel\w*|pull\w*|slip\w*|shed\w*|drop\w*|los\w*)"
    r"(?: off| down| out of| of| aside)?(?: all)?(?: her| his| their| the| your| my| its)? "
    r"(?:clothes|clothing|dress|blouse|bra|underwear|panties|skirt|top|lingerie|bikini|robe|swimsuit|nightgown)\b"
)
#: Dress and skirt may be taken from a hanger.
_FROM_A_PLACE = re.compile(r"\b(?:hanger|rack|hook|washing line|clothesline|wardrobe|shelf|mannequin|laundry|dryer)\b")


_Phrases = Mapping[str, Sequence[tuple[str, ...]]]


@dataclass(frozen=True)
class _List:
    """The words of one category, folded: to be met whole, by their beginning, as phrases, and without blanks."""

    whole: frozenset[str]
    stems: frozenset[str]
    #: By their first word, * for those that begin with a stem.
    phrases: _Phrases
    unspaced: tuple[str, ...]
    wrong: frozenset[str]

    def meets(self, word: str) -> bool:
        return word in self.whole or any(word[:end] in self.stems for end in range(2, len(word) + 1))


def _list(text: str, unspaced: str = "", *, typos: bool = False) -> _List:
    words = [tuple(fold(part) for part in entry.split("_")) for entry in text.split()]
    single = [word[0] for word in words if len(word) == 1]
    whole = frozenset(word for word in single if not word.endswith("*"))
    stems = frozenset(word[:-1] for word in single if word.endswith("*"))
    phrases: dict[str, list[tuple[str, ...]]] = {}
    for word in words:
        if len(word) > 1:
            phrases.setdefault("*" if word[0].endswith("*") else word[0], []).append(word)
    wrong = frozenset(_typos({*whole, *stems})) - whole if typos else frozenset()
    return _List(whole, stems, phrases, tuple(map(fold, unspaced.split())), wrong)


def _typos(words: Collection[str]) -> Iterator[str]:
    """Yield words with two letters swapped, one doubled or a vowel lost, where they are long enough to be known."""
    for word in words:
        if len(word) < _LONG or not word.isascii():
            continue
        for at in range(1, len(word) - 1):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            yield word[: at + 1] + word[at:]
            if word[at] in _VOWELS:
                yield word[:at] + word[at + 1 :]
        yield word + word[-1]


_LISTS: Final[Mapping[str, _List]] = {
    "sexual": _list(terms.SEXUAL, terms.SEXUAL_UNSPACED),
    "suggestive": _list(terms.SUGGESTIVE, terms.SUGGESTIVE_UNSPACED),
    "swimwear": _list(terms.SWIMWEAR),
    "minor": _list(terms.MINOR, terms.MINOR_UNSPACED),
    "girl": _list("girl girls boy boys schoolgirl student students pupil pupils daughter daughters niece nephew"),
    "youth": _list(terms.YOUTH, terms.YOUTH_UNSPACED),
    "soft": _list(terms.SOFT),
    "real": _list(terms.REAL_PERSON),
    "clothes": _list(terms.NEGATED_CLOTHES, terms.NEGATED_CLOTHES_UNSPACED),
    "grown": _list(terms.NEGATED_AGE, terms.NEGATED_AGE_UNSPACED),
}
#: Known again with letters swapped or left out.
_MISSPELT: Final = {
    "sexual": _list("naked nudity topless undressed hentai erotic", typos=True).wrong,
    "minor": _list("child children schoolgirl schoolboy teenager underage toddler", typos=True).wrong,
}
_IDIOMS: Final = _list(terms.IDIOMS).phrases
_UNSPACED_IDIOMS: Final = tuple(sorted(map(fold, terms.UNSPACED_IDIOMS.split()), key=len, reverse=True))
_AMBIGUOUS: Final = tuple((_list(words), _list(excuses)) for words, excuses in terms.AMBIGUOUS.items())
_CHILD_NOUNS, _OTHER_TONGUES = _list(terms.CHILD_NOUNS), _list(terms.OTHER_TONGUES)
_GIVEN, _NO_SURNAME = frozenset(terms.GIVEN_NAMES.split()), frozenset(terms.NOT_SURNAMES.split())


class Seen:
    """One text with everything that the rules ask about it; made once for each text."""

    def __init__(self, text: str) -> None:
        reading = read(text)
        self.tokens = _without_idioms(reading.tokens)
        self.parted = _without_idioms(reading.parted)
        self.reading = reading
        compact = reading.compact
        for idiom in _UNSPACED_IDIOMS:
            compact = compact.replace(idiom, "")
        self.compact = compact
        self.ages = ages_in(reading.tokens, reading.compact)
        self.named = _named(reading.tokens)
        self._firsts: dict[str, str | None] = {}

    def first(self, category: str) -> str | None:
        """Return the first word of a category that the text has, None where it has none; looked for once."""
        if category not in self._firsts:
            self._firsts[category] = next(self._of(category), None)
        return self._firsts[category]

    def all(self, category: str) -> frozenset[str]:
        """Return every word of a category that the text has."""
        return frozenset(self._of(category))

    @cached_property
    def swimming_child(self) -> str | None:
        """Return the swimwear that stands near a child, if there is one."""
        swimwear, minor, girl = _LISTS["swimwear"], _LISTS["minor"], _LISTS["girl"]
        worn = [at for at, token in enumerate(self.tokens) if swimwear.meets(token)]
        for at in worn:
            near = self.tokens[max(0, at - _NEAR) : at + _NEAR + 1]
            if any(minor.meets(word) or girl.meets(word) for word in near):
                return self.tokens[at]
        return "swimwear" if worn and self.ages.below else None

    def _of(self, category: str) -> Iterator[str]:
        known = _LISTS[category]
        for tokens in dict.fromkeys((self.tokens, self.parted)):
            yield from (token for token in tokens if known.meets(token))
            yield from _phrases(tokens, known.phrases)
        yield from (word for word in known.unspaced if word in self.compact)
        yield from self._hidden(known, _MISSPELT.get(category, frozenset()))
        if category == "sexual":
            yield from self._ambiguous()
        if category == "minor" and any(_OTHER_TONGUES.meets(token) for token in self.tokens):
            yield from (token for token in self.tokens if _CHILD_NOUNS.meets(token))

    def _hidden(self, known: _List, misspelt: Collection[str]) -> Iterator[str]:
        for word in self.reading.hidden:
            if word in known.whole or word in known.stems:
                yield word
        for word in self.reading.joined - _BY_CHANCE:
            if len(word) >= _JOINED and (word in known.whole or word in known.stems):
                yield word
        for spelled in self.reading.spelled:
            yield from (word for word in (*known.whole, *known.stems) if len(word) >= _JOINED - 1 and word in spelled)
        yield from (token for token in self.tokens if token in misspelt)

    def _ambiguous(self) -> Iterator[str]:
        for words, excuses in _AMBIGUOUS:
            if not any(excuses.meets(token) for token in self.tokens):
                yield from (token for token in self.tokens if words.meets(token))
        said = " ".join(self.tokens)
        if (found := _UNDRESSING.search(said)) is not None and not _FROM_A_PLACE.search(said):
            yield found[0]


@lru_cache(maxsize=4096)
def seen(text: str) -> Seen:
    """Return a text as the rules see it; what was seen lately is remembered."""
    return Seen(text)


def _phrases(tokens: Sequence[str], phrases: _Phrases) -> Iterator[str]:
    for at in range(len(tokens)):
        for phrase in _begun(tokens, at, phrases):
            yield " ".join(phrase)


def _begun(tokens: Sequence[str], at: int, phrases: _Phrases) -> Iterator[tuple[str, ...]]:
    """Yield the phrases that stand at a word."""
    for key in (tokens[at], "*"):
        for phrase in phrases.get(key, ()):
            if at + len(phrase) <= len(tokens) and _stands(phrase, tokens, at):
                yield phrase


def _stands(phrase: tuple[str, ...], tokens: Sequence[str], at: int) -> bool:
    return all(
        token.startswith(part[:-1]) if part.endswith("*") else token == part
        for part, token in zip(phrase, tokens[at : at + len(phrase)], strict=True)
    )


def _without_idioms(tokens: tuple[str, ...]) -> tuple[str, ...]:
    left: list[str] = []
    at = 0
    while at < len(tokens):
        taken = max(map(len, _begun(tokens, at, _IDIOMS)), default=0)
        if not taken:
            left.append(tokens[at])
        at += taken or 1
    return tuple(left)


def _named(tokens: Sequence[str]) -> str | None:
    """Return a given name with a word behind it that may be a surname, None where there is none."""
    for name, behind in pairwise(tokens):
        if name in _GIVEN and behind.isalpha() and len(behind) > 2 and behind not in _NO_SURNAME:
            return f"{name} {behind}"
    return None

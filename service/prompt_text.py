"""Prompts as the rules read them: one spelling for what looks alike, and every way in which letters may be parted."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

#: Longer runs of neighbours than this are nobody's way to write a word.
_NEIGHBOURS = 4
_RUN = 3


def _pairs(text: str) -> Iterator[tuple[int, str]]:
    """Yield from words such as `a=аα@` each letter after the = with what stands before it."""
    for entry in text.split():
        plain, _, alike = entry.partition("=")
        yield from ((ord(letter), plain) for letter in alike)


def _letters(first: int) -> Iterator[tuple[int, str]]:
    return ((first + number, chr(ord("a") + number)) for number in range(26))


#: Letters that pass for a Latin one, after case folding (Unicode TR 39 has more; these are what keyboards can write).
_ALIKE: Final = {
    **dict(
        _pairs(
            "a=аαɑᴀаꭺɐ b=вбъβьʙᏼƀɓ c=сϲᴄⅽᏟɔƈ¢ d=дԁɗᴅđðδᎠժ e=еэεєҽᴇəɛᎬ℮ f=ƒꜰϝғ g=ɡցɢᏳɠ h=һհнʜħᎻ i=іιıɩɪӏᎥɨ¡ j=јϳᴊᎫ "
            "k=кκᴋᏦƙ l=ʟłⅼᏞƚ m=мᴍⅿᎷɱ n=пηոɴɲᴨƞ o=оοօᴏøθσө p=рρᴘᏢþ q=ԛզǫ r=гяʀɾᏒ s=ѕꜱѕᏚʂς t=тτᴛŧƭᎢ u=иυսцᴜʉμ "
            "v=νѵᴠᏙʋ w=ԝωᴡᎳɯш x=хχⅹ× y=уүγуʏᎩỿ z=ᴢᏃʐƶ ه=ةۀە ي=یىئ ك=ک"
        )
    ),
    **dict(_letters(0x1F150)),
    **dict(_letters(0x1F170)),
    **dict(_letters(0x1F1E6)),
    # What can't be seen and stands for ASCII all the same: the characters of tags.
    **{0xE0000 + code: chr(code) for code in range(0x20, 0x7F)},
    # Blank letters, and the stroke that only stretches an Arabic word.
    **dict.fromkeys((0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x0640), ""),
}
#: Capitals that look like a Latin letter, though their small ones look like another.
_CAPITALS: Final = dict(zip(map(ord, "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"), "abezhikmnoptyx", strict=True))
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)
_EMOJI: Final = {
    ord(sign): f" {word} "
    for word, signs in {
        "girl": "👧", "boy": "👦", "baby": "👶🍼🚼", "child": "🧒🚸", "school": "🏫🎒", "teddy": "🧸", "nsfw": "🔞",
    }.items()
    for sign in signs
}  # fmt: skip
_LEET: Final = [str.maketrans("0345789@$!€+|1", f"oeastbgasietl{one}") for one in "il"]
_WEIGHT = re.compile(r":\s*[+-]?\d*[.,]?\d+\s*(?=[)\]>}])")
_BREAK = re.compile(r"\bBREAK\b")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_REPEATED = re.compile(r"(.)\1{2,}")
_ARABIC_FRONT = re.compile("[وفبلك]?(?:ال|ل)?([\u0620-\u064a]{3,})$")
_WORD = re.compile(r"[^\W_]+")
#: Vowel signs and joiners of Indic and similar scripts are no letters to a regular expression.
_SIGNS = re.compile(r"[^\W_](?:[^\W_]|[\u0900-\u0dff\u0e31-\u0e4e])*")
_NOT_OF_WORDS = re.compile(r"[^\w\s\u0900-\u0dff\u0e31-\u0e4e]|_")


@dataclass(frozen=True)
class Reading:
    """A text as the rules read it, folded; `tokens` are its words in order."""

    tokens: tuple[str, ...]
    #: Its words at each change of case and between letters and digits: SchoolGirl, 16yo.
    parted: tuple[str, ...]
    #: Words that appear once signs are taken out, digits read as letters, or stretched letters let go.
    hidden: frozenset[str]
    #: Words that neighbours make together; some do by chance.
    joined: frozenset[str]
    #: What single letters in a row spell.
    spelled: frozenset[str]
    #: Everything without blanks and signs, for scripts that have no blanks.
    compact: str


def fold(text: str) -> str:
    """Return a text in one spelling, whatever its width, case, accents, look-alike letters and invisible signs."""
    text = unicodedata.normalize("NFKC", text).translate(_CAPITALS).casefold()
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf" or ord(letter) in _ALIKE)
    text = _MARKS.sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", text).translate(_ALIKE)


def read(text: str) -> Reading:
    """Return a text, or a file's name, in every way in which a text encoder may take it for words."""
    text = _BREAK.sub(" ", html.unescape(text)).translate(_EMOJI)
    # Letters beyond ASCII with case are parted like their plain forms.
    upright = unicodedata.normalize("NFKC", text)
    bare = _WEIGHT.sub(" ", fold(text).replace("\\", ""))
    tokens = tuple(_SIGNS.findall(bare.replace("_", " ")))
    parted = tuple(_SIGNS.findall(fold(_CAMEL.sub(" ", upright)).replace("_", " ")))
    tight = _WEIGHT.sub("", fold(text).replace("\\", "")).replace("|", " ")
    hidden = {*_unsigned(tight), *_leet(tight), *_without_article(tokens)}
    every = {*tokens, *hidden}
    hidden |= {short for word in every for short in _unstretched(word)}
    return Reading(
        tokens,
        parted,
        frozenset(hidden - set(tokens)),
        frozenset(_joined(tokens)),
        frozenset(_spelled(tokens)),
        "".join(tokens),
    )


def _unsigned(text: str) -> Iterator[str]:
    """Yield words with what stands between their letters taken out: na-ked, nu(de)."""
    return (word for word in _NOT_OF_WORDS.sub("", text).split() if len(word) > 2)


def _leet(text: str) -> Iterator[str]:
    for chunk in text.split():
        if any(letter.isalpha() for letter in chunk) and not chunk.isalpha():
            for table in _LEET:
                made = chunk.translate(table)
                yield from _WORD.findall(made)
                yield _NOT_OF_WORDS.sub("", made)


def _joined(tokens: tuple[str, ...]) -> Iterator[str]:
    """Yield what neighbours of a few letters make together: na ked, school girl."""
    for start in range(len(tokens)):
        word = tokens[start]
        for end in range(start + 1, min(start + _NEIGHBOURS, len(tokens))):
            word += tokens[end]
            if len(word) > 16:
                break
            yield word


def _without_article(tokens: tuple[str, ...]) -> Iterator[str]:
    """Yield Arabic words without what is written onto their front: and, in, for, the."""
    found = (_ARABIC_FRONT.match(token) for token in tokens)
    yield from (match[1] for match in found if match is not None)


def _spelled(tokens: tuple[str, ...]) -> Iterator[str]:
    for single, group in groupby(tokens, key=lambda token: len(token) == 1):
        letters = "".join(group) if single else ""
        if len(letters) >= _RUN:
            yield letters
            yield from (letters.translate(table) for table in _LEET)


def _unstretched(word: str) -> Iterator[str]:
    if _REPEATED.search(word):
        yield _REPEATED.sub(r"\1", word)
        yield _REPEATED.sub(r"\1\1", word)

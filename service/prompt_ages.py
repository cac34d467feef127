"""Ages in a text, in digits and words of many languages: is somebody said to be below eighteen, or a grown-up?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from service.prompt_text import fold

OF_AGE: Final = 18
_OLDEST: Final = 120
#: From one on; _ stands for a number that has no single word here.
_NUMBERS: Final = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
eins zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn
un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize _ _
uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete dieciocho
um dois _ quatro _ _ sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete dezoito
_ due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici diciassette _
een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien achttien
jeden dwa trzy cztery piec szesc siedem osiem dziewiec dziesiec _ _ trzynascie czternascie pietnascie szesnascie _ _
_ _ _ _ _ _ _ _ _ _ jedenascie dwanascie trzynasto czternasto pietnasto szesnasto siedemnascie osiemnascie
_ _ _ _ пять шесть семь восемь девять десять _ двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать _
_ _ _ _ пяти шести семи восьми девяти десяти _ двенадцати тринадцати четырнадцати пятнадцати шестнадцати семнадцати _
bir iki uc dort bes alti yedi sekiz dokuz on _ _ _ _ _ _ _ _
한 두 세 네 다섯 여섯 일곱 여덟 아홉 열 열한 열두 열세 열네 열다섯 열여섯 열일곱 열여덟
_ _ _ _ خمس ست سبع ثمان تسع عشر _ _ _ _ _ _ _ _
_ _ _ _ पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह
i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii
"""
#: Which birthday it is, from the first on; _ stands for one that has no single word here.
_ORDINALS: Final = """
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth \
sixteenth seventeenth
ersten zweiten dritten vierten funften sechsten siebten achten neunten zehnten elften zwolften dreizehnten \
vierzehnten funfzehnten sechzehnten siebzehnten
premier deuxieme troisieme quatrieme cinquieme sixieme septieme huitieme neuvieme dixieme onzieme douzieme treizieme \
quatorzieme quinzieme seizieme _
primer segundo tercer cuarto quinto sexto septimo octavo noveno decimo undecimo duodecimo decimotercer decimocuarto \
decimoquinto decimosexto decimoseptimo
primo secondo terzo quarto quinto sesto settimo ottavo nono decimo undicesimo dodicesimo tredicesimo \
quattordicesimo quindicesimo sedicesimo diciassettesimo
"""
_BIRTHDAYS: Final = "birthday birthdays geburtstag geburtstags cumpleanos compleanno aniversario verjaardag urodziny"
#: Two words that make one number.
_SUMS: Final = {"dix": 10, "on": 10, "diez_y": 10, "열": 10}
#: What follows a number that is somebody's age.
_UNITS: Final = """
    yo yos yrs yr years year yearold yearolds y_o yr_old jahre jahren jahr jahrig* jaehrig* ans an anos ano anni anno
    jaar jarig* lat letni* latk* roku лет год года годик* летн* годовал* yas yasinda yasindaki 살 세 سنه سنوات عام
    साल वर्ष वर्षीय months month weeks
"""
_BIRTH: Final = """
    aged age ages turning turned turns edad idade eta alter leeftijd wiek возраст возрасте आयु 나이 عمرها عمره
"""
_LOOKS: Final = "is am m s looks looking look seems appears only barely just almost nearly not isn t f female woman she"
_BELOW: Final = (
    "under below beneath almost nearly not barely unter sous bajo abaixo sotto onder ponizej до младше u sub minus"
)
#: After these a number of years is no age.
_NO_AGE: Final = "ago later after earlier before experience war anniversary in from since plan warranty"
#: After these a bare number counts or measures something.
_MEASURES: Final = """
    mm cm m km k fps mp frames frame seconds second sec s bit inch inches iso pm am th st nd rd century people women men
    candles roses minutes hours x kg lbs percent o degrees p f hz bpm cars steps metres meters feet ft
"""
#: Words that are a number and nothing else, so that they tell an age alone; others only before "years".
_ALONE: Final = "thirteen fourteen fifteen sixteen seventeen dieciseis diecisiete quindici sedici"
_BORN: Final = "born geboren nacida nacido nata nato nascida nascido urodzona родилась"


@dataclass(frozen=True)
class Ages:
    """What a text says of ages."""

    #: Somebody is said to be below eighteen.
    below: bool
    #: A number stands there that can only be such an age where nothing is counted or measured.
    bare: bool
    #: Somebody is said to be eighteen or more.
    grown: bool


def _known(numbers: str) -> dict[str, int]:
    rows = (line.split() for line in numbers.split("\n") if line)
    return {fold(word): number for row in rows for number, word in enumerate(row, start=1) if word != "_"}


def _words(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return words to be met whole and stems."""
    folded = [fold(word) for word in text.split()]
    return frozenset(word for word in folded if word[-1] != "*"), tuple(word[:-1] for word in folded if word[-1] == "*")


_VALUES: Final = _known(_NUMBERS)
_NTH: Final = _known(_ORDINALS)
_UNIT_WORDS, _UNIT_STEMS = _words(_UNITS)
_BIRTH_WORDS, _ = _words(_BIRTH)
_LOOK_WORDS, _ = _words(_LOOKS)
_BELOW_WORDS, _ = _words(_BELOW)
_NO_AGE_WORDS, _ = _words(_NO_AGE)
_MEASURE_WORDS, _ = _words(_MEASURES)
_TEENS, _ = _words(_ALONE)
_BORN_WORDS, _ = _words(_BORN)
_BIRTHDAY_WORDS, _ = _words(_BIRTHDAYS)
_PARTS = re.compile(r"\d+|[^\W\d_](?:[^\W\d_]|[\u0900-\u0dff\u0e31-\u0e4e])*")
_HAN = "〇一二三四五六七八九"
_HAN_AGE = re.compile(rf"([{_HAN}零十两兩]{{1,4}}|\d{{1,3}})(?:歳|才|岁|歲|살|周岁)")
_BORN_LATELY = range(2007, 2100)


def ages_in(tokens: Sequence[str], compact: str) -> Ages:
    """Return what folded words, and the same without blanks, say of ages."""
    parts = _merged([part for token in tokens for part in _PARTS.findall(token)])
    found = [*_of_words(parts), *_of_birthdays(parts), *_of_han(compact)]
    below = any(age < OF_AGE for age in found) or _is_below(parts) or _was_born_lately(parts)
    return Ages(below, _has_bare(parts), any(OF_AGE <= age <= _OLDEST for age in found))


def _merged(parts: list[str]) -> list[str]:
    """Let 1 7 years be 17 years, and dix sept be one number."""
    made: list[str] = []
    for part in parts:
        value = _VALUES.get(part, 0)
        if made and made[-1] in _SUMS and 0 < value < 10:
            made[-1] = str(_SUMS[made[-1]] + value)
        elif made and part.isdigit() and made[-1].isdigit() and len(part) == len(made[-1]) == 1:
            made[-1] += part
        else:
            made.append(part)
    return made


def _value(part: str) -> int | None:
    if part.isdigit():
        return int(part) if len(part) <= 4 else None
    return _VALUES.get(part)


def _is_unit(parts: Sequence[str], at: int) -> bool:
    if at >= len(parts):
        return False
    part = parts[at]
    if part in ("th", "st", "nd", "rd") and parts[at + 1 : at + 2] == ["birthday"]:
        return True
    if part == "y" or part in _UNIT_WORDS or part.startswith(_UNIT_STEMS):
        following = parts[at + 1] if at + 1 < len(parts) else ""
        return following not in _NO_AGE_WORDS and not (part in ("months", "month", "weeks") and following != "old")
    return False


def _of_words(parts: Sequence[str]) -> list[int]:
    found = []
    for at, part in enumerate(parts):
        value = _value(part)
        if value is None or value > _OLDEST:
            continue
        before = parts[at - 1] if at else ""
        if _is_unit(parts, at + 1) or (before in _BIRTH_WORDS and not _is_measure(parts, at + 1)):
            # Of 17.5 years the 5 is no age.
            decimal = at > 0 and parts[at - 1].isdigit() and part.isdigit()
            found.append(int(parts[at - 1]) if decimal and int(parts[at - 1]) < OF_AGE else value)
    return found


def _of_birthdays(parts: Sequence[str]) -> list[int]:
    """Return the ages of birthdays that are counted: her seventeenth, zum siebzehnten Geburtstag."""
    following = pairwise(parts)
    return [_NTH[part] for part, after in following if part in _NTH and after in _BIRTHDAY_WORDS]


def _of_han(compact: str) -> list[int]:
    return [_han_value(number) for number in _HAN_AGE.findall(compact)]


def _han_value(text: str) -> int:
    if text.isdigit() and text.isascii():
        return int(text)
    text = text.replace("两", "二").replace("兩", "二").replace("零", "〇")
    tens, ten, ones = text.partition("十")
    if not ten:
        digits = "".join(str(_HAN.find(sign)) for sign in text)
        return int(digits) if digits.isdigit() else 0
    return 10 * (_HAN.find(tens) if tens else 1) + (_HAN.find(ones) if ones else 0)


def _is_measure(parts: Sequence[str], at: int) -> bool:
    return at < len(parts) and parts[at] in _MEASURE_WORDS


def _is_below(parts: Sequence[str]) -> bool:
    """Say whether somebody is said to be under, or not yet, eighteen."""
    for at, part in enumerate(parts):
        if _value(part) == OF_AGE and any(word in _BELOW_WORDS for word in parts[max(0, at - 2) : at]):
            return True
        younger = parts[max(0, at - 2) : at] in (["younger", "than"], ["less", "than"], ["junger", "als"])
        if younger and (value := _value(part)) is not None and value <= 20:
            return True
    return False


def _was_born_lately(parts: Sequence[str]) -> bool:
    return any(
        part.isdigit() and int(part) in _BORN_LATELY and _BORN_WORDS.intersection(parts[max(0, at - 3) : at])
        for at, part in enumerate(parts)
        if len(part) == 4
    )


def _has_bare(parts: Sequence[str]) -> bool:
    for at, part in enumerate(parts):
        value = _value(part)
        if part in _TEENS:
            return True
        if value is None or not part.isdigit() or value >= OF_AGE or _is_measure(parts, at + 1):
            continue
        before = parts[at - 1] if at else ""
        decimal = before.isdigit() or (at + 1 < len(parts) and parts[at + 1].isdigit())
        if before in _LOOK_WORDS or (value >= 10 and not decimal):
            return True
    return False

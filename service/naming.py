"""The one room that makes names: whole on every disk, share and system that a result may be copied to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import count

#: Room for our own endings and for a temporary name within the 255 bytes that file systems allow.
MAX_BYTES = 180

_REFUSED = frozenset('<>:"/\\|?*')
# Control characters, lone surrogates, unassigned characters (APFS refuses them), line separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
# SMB clients store the characters that Windows refuses as these, so such a name turns into another one on a share.
_SMB_FIRST, _SMB_LAST = "\uf000", "\uf0ff"
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE | re.DOTALL
)
_UNNAMED = "unnamed"
_NUMBER = re.compile(r"(?<=.)_[0-9]{1,9}\Z", re.DOTALL)

# Most names: nothing in them needs a closer look.
_PLAIN = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_ .,()+=@-]{0,178}[0-9A-Za-z_])?")

# What nobody sees makes a name read as another one: of "cat<U+202E>4pm.exe" people see "catexe.mp4".
_HIDDEN = re.compile(
    "["
    "\u00ad\u034f\u061c\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # width, direction
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters that fill a place
    "\ufe00-\ufe0d\U000e0000-\U000e0fff"  # variants, tags
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # of hieroglyphs, shorthand and music
    "]"
)
_JOINERS = "\u200c\u200d"
_EMOJI_OR_TEXT = "\ufe0e\ufe0f"
_BLANK = frozenset("\u2800")  # a braille cell without dots
# Joiners shape Persian words and emoji families, variation selectors colour emoji: between what they can shape they
# stay, anywhere else they only hide.
_LOOSE_VARIANT = re.compile(f"(?<![^ ._{_JOINERS}{_EMOJI_OR_TEXT}-])[{_EMOJI_OR_TEXT}]")
_LOOSE_JOINER = re.compile(f"(?<![^\0-\x7f{_JOINERS}])[{_JOINERS}]|[{_JOINERS}](?![^\0-\x7f{_JOINERS}])")
_UNSEEN = re.compile(f"[{_JOINERS}{_EMOJI_OR_TEXT}]|{_HIDDEN.pattern}")

_DOTTED = re.compile("i\u0307+")
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
#: Skin tones, the vowels of Thai and Lao that are written as letters, the voicing of narrow Katakana.
_MARKS = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff\u0e33\u0eb3\uff9e\uff9f")


def clean(name: str) -> str:
    """
    Return the name that Windows, SMB, macOS and Linux all take: NFC, 1 to 180 bytes of UTF-8, no `.` or `-` in front.

    What they refuse and bytes that are no UTF-8 become `_`, what nobody sees is taken out; a name that is too long
    loses whole characters as people see them. Cleaning a clean name changes nothing.
    """
    kept = name if _PLAIN.fullmatch(name) else _allowed(name)
    return _cut(f"_{kept}", MAX_BYTES) if _DEVICE.fullmatch(kept) else kept


def clean_folder(folder: str) -> str:
    """Return a relative POSIX path of folders with each of its parts cleaned; empty stays empty."""
    return "/".join(map(clean, folder.split("/"))) if folder else ""


def numbered(name: str, number: int) -> str:
    """Return NAME_0001 for a clean name; NAME is shortened where 180 bytes are not enough, the number never."""
    return _ended(name, f"_{number:04d}")


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return the first of NAME, NAME_2, NAME_3 and so on that is not taken; NAME is a clean name."""
    return next(other for number in count(1) if not is_taken(other := nth(name, number)))


def nth(name: str, number: int) -> str:
    """Return NAME for 1, NAME_2, NAME_3 and so on for the numbers after it; NAME is a clean name."""
    return name if number == 1 else _ended(name, f"_{number}")


def fold(name: str) -> str:
    """
    Return what two names share when they clash on some disk, or look the same.

    Case (in full, as APFS and ext4 fold it, and letter by letter, as NTFS and SMB do), Unicode form, what nobody sees.
    """
    if name.isascii():
        return name.lower()
    seen = unicodedata.normalize("NFD", _UNSEEN.sub("", name))
    # The dotless i has a capital I; the dotted capital I has, letter by letter, a plain small i.
    folded = unicodedata.normalize("NFD", seen.casefold().upper().casefold())
    return unicodedata.normalize("NFC", _DOTTED.sub("i", folded))


def fit(name: str, ending: str, most: int = 255) -> str:
    """Return name and ending as one file name of at most `most` bytes: exact, unless the name must lose its end."""
    return _shorten(name, most - _size(ending)) + ending


def _allowed(name: str) -> str:
    taken = "".join(map(_taken_everywhere, unicodedata.normalize("NFC", _HIDDEN.sub("", name))))
    joined = _LOOSE_JOINER.sub("", _LOOSE_VARIANT.sub("", taken))
    kept = _cut(unicodedata.normalize("NFC", joined).lstrip(" ."), MAX_BYTES)
    # To a program, a name with a dash in front is one of its options.
    return f"_{kept[1:]}" if kept.startswith("-") else kept or _UNNAMED


def _taken_everywhere(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs" or character in _BLANK:
        return " "
    refused = character in _REFUSED or _SMB_FIRST <= character <= _SMB_LAST
    return "_" if refused or category in _REFUSED_CATEGORIES else character


def _ended(name: str, ending: str) -> str:
    if _size(name) + len(ending) > MAX_BYTES and (number := _NUMBER.search(name)):
        # NAME_2 and NAME are two names, and stay so when they are numbered.
        name, ending = name[: number.start()], number[0] + ending
    return _cut(name, MAX_BYTES - len(ending)) + ending


def _cut(name: str, most: int) -> str:
    return _shorten(name, most).rstrip(f" .{_JOINERS}")


def _shorten(name: str, most: int) -> str:
    """Return as much of a name as fits, in whole characters as people see them; one that is too big alone is cut."""
    if _size(name) <= most:
        return name
    size = end = 0
    while (size := size + _size(name[end])) <= most:
        end += 1
    at = end
    while at and _clings(name, at):
        at -= 1
    return name[: at or end]


def _size(name: str) -> int:
    return len(name.encode("utf-8", "surrogateescape"))


def _clings(name: str, at: int) -> bool:
    """Tell whether what begins at a place is drawn as one with what is before it (Unicode annex 29, a little wider)."""
    before, after = name[at - 1], name[at]
    category = unicodedata.category(after)
    if category in {"Mn", "Mc", "Me"} or after in _JOINERS or after in _MARKS or "\U000e0020" <= after <= "\U000e007f":
        return True
    # A joiner, or a sign drawn around or under the letters that follow it.
    if before == "\u200d" or (before != "\u200c" and unicodedata.category(before) == "Cf"):
        return True
    if after in _FLAG_LETTERS and before in _FLAG_LETTERS:
        head = name[:at]
        return (len(head) - len(head.rstrip(_FLAG_LETTERS))) % 2 == 1
    if "\u1160" <= after <= "\u11ff":
        return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    # A consonant after a virama is half of a letter.
    return unicodedata.combining(before) == 9 and category == "Lo"

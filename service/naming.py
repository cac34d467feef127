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
# They make a name read as another one: of "cat<U+202E>4pm.exe" people see "catexe.mp4".
_TURNS_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# SMB clients store the characters that Windows refuses as these, so such a name turns into another one on a share.
_SMB_FIRST, _SMB_LAST = "\uf000", "\uf0ff"
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE | re.DOTALL
)
_UNNAMED = "unnamed"


def clean(name: str) -> str:
    """
    Return the name that Windows, SMB, macOS and Linux all take: NFC, 1 to 180 bytes of UTF-8, no dot in front.

    What they refuse becomes `_`, what turns the direction of text is taken out; cleaning a clean name changes nothing.
    """
    straight = "".join(character for character in name if character not in _TURNS_TEXT)
    allowed = "".join(_allowed(character) for character in unicodedata.normalize("NFC", straight))
    kept = _cut(allowed.lstrip(" ."), MAX_BYTES) or _UNNAMED
    return _cut(f"_{kept}", MAX_BYTES) if _DEVICE.fullmatch(kept) else kept


def clean_folder(folder: str) -> str:
    """Return a relative POSIX path of folders with each of its parts cleaned; empty stays empty."""
    return "/".join(map(clean, folder.split("/"))) if folder else ""


def numbered(name: str, number: int) -> str:
    """Return NAME_0001 for a clean name; NAME is shortened where 180 bytes are not enough, the number never."""
    return _ended(name, f"_{number:04d}")


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return the first of NAME, NAME_2, NAME_3 and so on that is not taken; NAME is a clean name."""
    if not is_taken(name):
        return name
    return next(other for number in count(2) if not is_taken(other := _ended(name, f"_{number}")))


def fold(name: str) -> str:
    """Return what two names share when they clash on a disk that ignores case or Unicode form."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def fit(name: str, ending: str, most: int = 255) -> str:
    """Return name and ending as one file name of at most `most` bytes: exact, unless the name must lose its end."""
    room = most - len(ending.encode("utf-8", "surrogateescape"))
    data = name.encode("utf-8", "surrogateescape")
    return (name if len(data) <= room else data[:room].decode("utf-8", "ignore")) + ending


def _allowed(character: str) -> str:
    refused = character in _REFUSED or _SMB_FIRST <= character <= _SMB_LAST
    return "_" if refused or unicodedata.category(character) in _REFUSED_CATEGORIES else character


def _cut(name: str, most: int) -> str:
    return name.encode()[:most].decode("utf-8", "ignore").rstrip(" .")


def _ended(name: str, ending: str) -> str:
    return _cut(name, MAX_BYTES - len(ending)) + ending

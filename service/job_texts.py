"""The texts of a job that name something: files, results, models; each checked for what no name may hold."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from service.cron import cron_of
from service.declaration import mistake
from service.moments import moment_of

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ENDING = re.compile(r".+\.(mp4|webm|mov|gif|webp|png|jpe?g|mkv|avi)", re.IGNORECASE)
#: What file systems take as one name.
_PART_BYTES = 255
_BESIDE = "Put it beside the job file or into inbox/media and write its name only, for example cat.jpg."


def check_text(text: str) -> str:
    """Return a text as it is; raises a mistake for an empty one or one with control characters."""
    if not text.strip():
        raise mistake("empty_field", "{field} is empty.", "Write something, or take the line out.")
    if (bad := _CONTROL.search(text)) is not None:
        raise mistake("control_character", f"{{field}} holds a control character (U+{ord(bad[0]):04X}).", "Delete it.")
    return text


def _check_media_name(text: str) -> str:
    name = check_text(text)
    while name.startswith("./"):
        name = name[2:]
    parts = name.split("/")
    if "\\" in name:
        raise mistake("bad_path", "{field} can't hold a backslash.", "Write folders with /, for example cats/cat.jpg.")
    if "://" in name:
        raise mistake("bad_path", "{field} can't be an address.", "Download it and drop it beside the job file.")
    if name.startswith(("/", "~")) or re.match(r"[A-Za-z]:", name):
        raise mistake("bad_path", "{field} can't be named by an absolute path.", _BESIDE)
    if ".." in parts:
        raise mistake("bad_path", "{field} can't hold '..'.", _BESIDE)
    if any(not part or part.startswith(".") for part in parts):
        raise mistake("bad_path", "{field} can't have empty or hidden parts.", _BESIDE)
    if any(len(part.encode("utf-8", "surrogatepass")) > _PART_BYTES for part in parts):
        raise mistake("bad_path", "{field} is longer than a file's name can be.", _BESIDE)
    return name


def _check_output_name(text: str) -> str:
    name = check_text(text)
    if "/" in name or "\\" in name:
        fix = "Write a name only, for example harbour; drop the job in a folder of that name to have the result there."
        raise mistake("bad_path", "{field} can't hold folders.", fix)
    if _ENDING.fullmatch(name):
        fix = f"Write {name.rpartition('.')[0]}; the ending comes by itself."
        raise mistake("bad_value", "{field} is a name without an ending.", fix)
    return name


def _check_moment(text: str) -> str:
    try:
        moment_of(text)
    except ValueError as wrong:
        fix = "Write for example start_at: 2026-12-01 22:00"
        raise mistake("bad_value", f"{{field}} {text[:60]!r} is no moment. {wrong}", fix) from None
    return text.strip()


def _check_recurrence(text: str) -> str:
    try:
        cron_of(text)
    except ValueError as wrong:
        fix = 'Write for example every: "0 22 * * mon-fri"'
        raise mistake("bad_value", f"{{field}} {text[:60]!r} says no times. {wrong}", fix) from None
    return " ".join(text.split())


Moment = Annotated[str, AfterValidator(check_text), AfterValidator(_check_moment)]
Times = Annotated[str, AfterValidator(check_text), AfterValidator(_check_recurrence)]
Name = Annotated[str, Field(max_length=200), AfterValidator(check_text)]
OutputName = Annotated[str, Field(max_length=200), AfterValidator(_check_output_name)]
MediaName = Annotated[str, Field(max_length=1000), AfterValidator(_check_media_name)]

"""Files that a job names and doesn't own: read where they lie, and only while they are what the claim saw."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
#: The opening of a pipe would wait for its other end.
_OPEN_FILE = _OPEN | os.O_NONBLOCK


class Changed(Exception):
    """The file isn't the one that was seen at the claim."""


def copy_unchanged(inbox: Path, path: str, identity: Sequence[int] | None, target: Path) -> None:
    """
    Copy an inbox-relative file, no part of whose path may be a link, by its content.

    `identity` is size, mtime_ns and inode at the claim. Raises Changed if it is another file before or after the copy,
    FileNotFoundError if it is gone, OSError for trouble with disk or share.
    """
    opened = _open_below(inbox, path)
    with os.fdopen(opened, "rb") as source:
        _check(source.fileno(), identity)
        with target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        _check(source.fileno(), identity)


def _open_below(inbox: Path, path: str) -> int:
    *folders, name = path.split("/")
    folder = os.open(inbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _OPEN | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, _OPEN_FILE, dir_fd=folder)
    except OSError as error:
        # What Linux answers to O_NOFOLLOW for a link, with O_DIRECTORY and without.
        if _is_link_trouble(error, path, inbox):
            raise Changed(path) from error
        raise
    finally:
        os.close(folder)


def _is_link_trouble(error: OSError, path: str, inbox: Path) -> bool:
    parts = path.split("/")
    return not isinstance(error, FileNotFoundError) and any(
        (inbox / "/".join(parts[:depth])).is_symlink() for depth in range(1, len(parts) + 1)
    )


def _check(opened: int, identity: Sequence[int] | None) -> None:
    found = os.fstat(opened)
    if not stat.S_ISREG(found.st_mode) or [found.st_size, found.st_mtime_ns, found.st_ino] != list(identity or ()):
        raise Changed

"""Disk trouble: what a disk or share answers, in words for its operator; time or they must act, never the job."""

from __future__ import annotations

import errno
import os
from pathlib import PurePath

from service.errors import Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def is_full(error: OSError) -> bool:
    """Return whether an error says that a disk, or somebody's share of it, has no room left."""
    return error.errno in _FULL


def unavailable_of(error: OSError) -> Unavailable:
    """Return the hold that an error of the file system is; it names files by their last name only."""
    where = _name_of(error.filename)
    if is_full(error):
        return Unavailable("disk_full", f"No space is left for {where}.", "Free some space; the job goes on by itself.")
    if error.errno in _CLOSED:
        return Unavailable(
            "not_writable",
            f"Reeldrop may not read or write {where}.",
            "Give its user the right to read and write there; the job goes on by itself.",
        )
    # str(error) would say the whole path.
    what = error.strerror or type(error).__name__
    return Unavailable("disk_trouble", f"{what} ({where}).", "Check the disk or share; it is tried again.")


def _name_of(filename: object) -> str:
    if not isinstance(filename, str | bytes | os.PathLike):
        return "its files"
    name = PurePath(os.fsdecode(filename)).name
    return name.encode("utf-8", "replace").decode() or "its files"

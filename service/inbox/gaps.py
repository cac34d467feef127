"""Gaps: parts of a file that nobody has written yet, as far as one look can tell."""

from __future__ import annotations

import os
from pathlib import Path

#: A copy that begins with the full size leaves zeros where it hasn't been; few finished files end in so many.
_TAIL_BYTES = 64


def has_gaps(path: Path) -> bool:
    """
    Tell whether a file looks as if parts of it were still to be filled in: it has holes, or it ends in zeros.

    Either may be true of a finished file, so it is a reason to wait longer, not to refuse. False if it can't be read.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        size = os.fstat(opened).st_size
        if size and hasattr(os, "SEEK_HOLE") and os.lseek(opened, 0, os.SEEK_HOLE) < size:
            return True
        return ends_in_zeros(os.pread(opened, _TAIL_BYTES, max(0, size - _TAIL_BYTES)))
    except OSError:
        return False
    finally:
        os.close(opened)


def ends_in_zeros(tail: bytes) -> bool:
    """Tell whether the end of a file is nothing but zeros."""
    return bool(tail) and not any(tail[-_TAIL_BYTES:])

"""Renaming: the system's rename that never replaces, where it has one."""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Callable
from functools import cache

# Linux knows renameat2(…, RENAME_NOREPLACE), macOS renamex_np(…, RENAME_EXCL); both are one act of the file system.
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCL = 4


@cache
def exclusive_rename() -> Callable[[bytes, bytes], int]:
    """Return it: called with two paths it gives 0 or the error number."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            act, flag = library.renamex_np, ctypes.c_uint(_RENAME_EXCL)
            return lambda source, target: ctypes.get_errno() if act(source, target, flag) else 0
        act, flag = library.renameat2, ctypes.c_uint(_RENAME_NOREPLACE)
    except AttributeError:
        return lambda _source, _target: errno.ENOSYS
    here = ctypes.c_int(_AT_FDCWD)
    return lambda source, target: ctypes.get_errno() if act(here, source, here, target, flag) else 0

"""What the kernel watches for this process, as the kernel itself tells; libraries have been wrong about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_INODE = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)


def unwatched(root: Path, folders: Iterable[Path], own: Path = Path("/proc/self")) -> set[str]:
    """
    Return which of these trees' folders no watch of this process is on; symbolic links are not followed.

    Nothing where that can't be told: no Linux, or a file system whose inode numbers differ inside and outside (`root`,
    which is known to be watched, is then not found either).
    """
    watched = _watched_inodes(own)
    if _inode(os.path.realpath(root)) not in watched:
        return set()
    return {path for folder in folders for path in _tree(os.fspath(folder)) if _inode(path) not in watched}


def _watched_inodes(own: Path) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for descriptor in (own / "fd").iterdir():
            # Descriptors come and go while we read.
            with suppress(OSError):
                if str(descriptor.readlink()) == "anon_inode:inotify":
                    text = (own / "fdinfo" / descriptor.name).read_text("ascii")
                    found |= {int(inode, 16) for inode in _INODE.findall(text)}
    return found


def _inode(path: str) -> int | None:
    with suppress(OSError):
        return os.lstat(path).st_ino
    return None


def _tree(folder: str) -> Iterator[str]:
    pending = [folder]
    while pending:
        folder = pending.pop()
        # What vanishes or may not be listed is nothing that could be watched.
        with suppress(OSError):
            with os.scandir(folder) as entries:
                pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            yield folder

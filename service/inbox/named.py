"""Files that a job names and doesn't own: read where they lie, and only while they are what the claim saw."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

from service.inbox.record import Claim, Member

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
#: The opening of a pipe would wait for its other end.
_OPEN_FILE = _OPEN | os.O_NONBLOCK


class Changed(Exception):
    """The file isn't the one that was seen at the claim."""


@dataclass(frozen=True)
class Places:
    """Where a key leads: a relative one below the inbox, an absolute one below one of the read-only media roots."""

    inbox: Path
    media_roots: tuple[Path, ...] = ()

    def path_of(self, key: str) -> Path:
        """Return the path that a key names; nothing is looked at."""
        return self.inbox / key

    def split(self, key: str) -> tuple[Path, tuple[str, ...]]:
        """Return the folder that a key starts at and the names below it; raises Changed for any other place."""
        path = PurePosixPath(key)
        if ".." in path.parts or "\0" in key:
            raise Changed(key)
        if not path.is_absolute():
            return self.inbox, path.parts
        for root in self.media_roots:
            if path.is_relative_to(root):
                return root, path.relative_to(root).parts
        raise Changed(key)


@contextmanager
def unchanged(places: Places, key: str, identity: Sequence[int] | None) -> Iterator[BufferedReader]:
    """
    Open a named file for the length of the block; no part of its path below its root may be a link.

    `identity` is size, mtime_ns and inode at the claim. Raises Changed if it is another file before or after the block,
    a link, a pipe or a device, FileNotFoundError if it is gone, OSError for trouble with disk or share.
    """
    with os.fdopen(_open_below(*places.split(key), key), "rb") as file:
        _check(file.fileno(), identity)
        before = os.fstat(file.fileno()).st_ctime_ns
        yield file
        _check(file.fileno(), identity)
        # The time of its last change of any kind can't be set back by whoever changes it in between.
        if os.fstat(file.fileno()).st_ctime_ns != before:
            raise Changed(key)
    # What lies there now must still be what was read.
    with os.fdopen(_open_below(*places.split(key), key), "rb") as again:
        _check(again.fileno(), identity)


def copy_unchanged(places: Places, key: str, identity: Sequence[int] | None, target: Path) -> None:
    """Copy a named file by its content; raises what `unchanged` raises."""
    with unchanged(places, key, identity) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)


def sha256_unchanged(places: Places, key: str, identity: Sequence[int] | None) -> str:
    """Return a named file's SHA-256 in hexadecimal; raises what `unchanged` raises."""
    with unchanged(places, key, identity) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def found_key(claim: Claim, file: str) -> str | None:
    """Return the key of a file that the claim's job names and doesn't own, or None for one of its own."""
    found = claim.record.get("found") or {PurePosixPath(key).name: key for key in claim.record.get("named") or {}}
    key = found.get(file)
    return str(key) if key is not None else None


def member_of(claim: Claim, file: str) -> Member | None:
    """Return the claim's own media of this name (in a folder drop its path below the folder), or None."""
    folder = claim.record.get("folder") or claim.home
    exact = next((member for member in claim.members if member.path == f"{folder}/{file}"), None)
    return exact or next((member for member in claim.members if PurePosixPath(member.path).name == file), None)


def check_member(claim: Claim, member: Member) -> None:
    """Raise Changed if a file in the claim is no longer what was claimed, FileNotFoundError if it is gone."""
    found = os.lstat(claim.file_of(member.path))
    # A copy that took the place of a file with other hard links has an inode of its own.
    same_inode = member.facts.links > 1 or found.st_ino == member.facts.inode
    same = (found.st_size, found.st_mtime_ns) == (member.facts.size, member.facts.mtime_ns)
    if not (stat.S_ISREG(found.st_mode) and same and same_inode):
        raise Changed(member.path)


def _open_below(root: Path, parts: Sequence[str], key: str) -> int:
    if not parts:
        raise Changed(key)
    *folders, name = parts
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _OPEN | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        opened = os.open(name, _OPEN_FILE, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise Changed(key)
        return opened
    except OSError as error:
        # What Linux answers to O_NOFOLLOW for a link, with O_DIRECTORY and without; a socket can't be opened at all.
        if _is_in_the_way(error, root, parts):
            raise Changed(key) from error
        raise
    finally:
        os.close(folder)


def _is_in_the_way(error: OSError, root: Path, parts: Sequence[str]) -> bool:
    if isinstance(error, FileNotFoundError):
        return False
    for depth in range(1, len(parts) + 1):
        try:
            mode = root.joinpath(*parts[:depth]).lstat().st_mode
        except OSError:
            return False
        if stat.S_ISLNK(mode) or (depth == len(parts) and not stat.S_ISREG(mode)):
            return True
    return False


def _check(opened: int, identity: Sequence[int] | None) -> None:
    found = os.fstat(opened)
    if not stat.S_ISREG(found.st_mode) or [found.st_size, found.st_mtime_ns, found.st_ino] != list(identity or ()):
        raise Changed

"""One look at the inbox: what lies in its task folders now, and whether somebody is still writing."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.drops import is_junk, is_junk_folder
from service.inbox.roots import Place, kind_of
from service.settling import FileFacts, Kind


@dataclass(frozen=True)
class Trouble:
    """A folder that could not be listed; nothing is known of what lies in it. The folder is an inbox-relative path."""

    folder: str
    title: str
    fix: str


@dataclass(frozen=True)
class Look:
    """The facts of each file by its inbox-relative path, and the folders that could not be listed."""

    files: dict[str, FileFacts] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)


def look(inbox: Path, tasks: Collection[str]) -> Look:
    """
    Return everything in the task folders, at any depth, that isn't a folder or junk; symbolic links are never followed.

    A task folder that isn't there is empty; whether the inbox itself is there is for its marker to say. Files that
    vanish meanwhile are left out. A folder that can't be listed is a trouble, not an error.
    """
    found = Look()
    root = os.fspath(inbox)
    for task in sorted(tasks):
        _list(root, task, found)
    return found


def facts_of(path: Path) -> FileFacts:
    """Return the facts of one path, without following a link; raises OSError."""
    return _facts(path.lstat())


def has_writer(path: Path, place: Place | None = None) -> bool | None:
    """
    Tell whether any process of this machine has a file open for writing; None where that can't be seen.

    It can on local Linux file systems, for files of our own user, or for all files with CAP_LEASE. Who asks about many
    files of a folder gives its kind_of as `place`, for that costs more than all the rest.
    """
    if not hasattr(fcntl, "F_SETLEASE") or (place or kind_of(path.parent)) != "local":
        return None
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Whoever opens the file for writing in the instant that we hold the lease makes the kernel send us a signal:
        # SIGIO unless told otherwise, which would end the daemon. SIGURG is ignored by those who don't expect it.
        fcntl.fcntl(opened, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    else:
        return False
    finally:
        os.close(opened)


def _list(root: str, folder: str, found: Look) -> None:
    pending = [folder]
    while pending:
        folder = pending.pop()
        try:
            if not stat.S_ISDIR(os.lstat(f"{root}/{folder}").st_mode):
                found.troubles.append(_not_a_folder(folder))
                continue
            with os.scandir(f"{root}/{folder}") as entries:
                pending += _take(entries, folder, found)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.troubles.append(_trouble(folder, error))


def _take(entries: Iterator[os.DirEntry[str]], folder: str, found: Look) -> Iterator[str]:
    for entry in entries:
        name = entry.name
        if entry.is_dir(follow_symlinks=False):
            if not is_junk_folder(name):
                yield f"{folder}/{name}"
        elif not is_junk(name):
            with suppress(FileNotFoundError):
                found.files[f"{folder}/{name}"] = _facts(entry.stat(follow_symlinks=False))


def _facts(status: os.stat_result) -> FileFacts:
    return FileFacts(
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        status.st_dev,
        status.st_nlink,
        _kind(status.st_mode),
    )


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def _trouble(folder: str, error: OSError) -> Trouble:
    fix = "Check that the share is mounted and the disk is healthy; this folder is looked at again by itself."
    if isinstance(error, PermissionError):
        fix = "Let the user that runs Reeldrop read and write this folder."
    return Trouble(folder, f"inbox/{folder} can't be listed: {error.strerror}.", fix)


def _not_a_folder(folder: str) -> Trouble:
    return Trouble(
        folder, f"inbox/{folder} is not a folder.", "Symbolic links are not followed: put a real folder there."
    )

"""One look at the inbox: what lies in its task folders now, and whether somebody is still writing."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.drops import SCHEDULED, is_junk, is_junk_folder
from service.inbox.roots import Place, kind_of
from service.settling import FileFacts, Kind


@dataclass(frozen=True)
class Trouble:
    """A folder that could not be listed; nothing is known of what lies in it. The folder is an inbox-relative path."""

    folder: str
    title: str
    fix: str


@dataclass(frozen=True)
class Changes:
    """What one look found to be different from the one before; paths are inbox-relative."""

    #: New files and files with other facts.
    changed: dict[str, FileFacts] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    #: The folders in which any of these lie or lay.
    folders: set[str] = field(default_factory=set)


class Listing:
    """
    What lies in the task folders and where their jobs rest, at any depth, kept from look to look; no folders, no junk.

    Symbolic links are never followed. A task folder that isn't there is empty; whether the inbox itself is there is for
    its marker to say. Of a folder that can't be listed the last that is known stands.
    """

    def __init__(self, inbox: Path, tasks: Collection[str]) -> None:
        self._root = os.fspath(inbox)
        self._tasks = _roots(tasks)
        #: Folder → name → facts.
        self.folders: dict[str, dict[str, FileFacts]] = {}
        self._junk: dict[str, set[str]] = {}
        #: The folders that could not be listed at the newest look.
        self.troubles: list[Trouble] = []

    def follow(self, tasks: Collection[str]) -> None:
        """List these tasks' folders from the next look on."""
        self._tasks = _roots(tasks)

    def facts(self, path: str) -> FileFacts | None:
        """Return the facts of a listed file, or None."""
        folder, _, name = path.rpartition("/")
        return self.folders.get(folder, {}).get(name)

    def count(self) -> int:
        """Return how many files are listed."""
        return sum(map(len, self.folders.values()))

    def look(self) -> Changes:
        """List everything again and return what is different; files that vanish meanwhile are left out."""
        changes = Changes()
        self.troubles = []
        listed: set[str] = set()
        pending = list(self._tasks)
        while pending:
            folder = pending.pop()
            listed.add(folder)
            try:
                pending += self._list(folder, changes)
            except FileNotFoundError:
                listed.discard(folder)
            except OSError as error:
                self.troubles.append(_trouble(folder, error))
                listed |= {known for known in self.folders if known.startswith(f"{folder}/")}
        for folder in self.folders.keys() - listed:
            self._drop(folder, self.folders.pop(folder), changes)
            self._junk.pop(folder, None)
        return changes

    def _list(self, folder: str, changes: Changes) -> list[str]:
        if not stat.S_ISDIR(os.lstat(f"{self._root}/{folder}").st_mode):
            self.troubles.append(_not_a_folder(folder))
            raise FileNotFoundError(folder)
        known, junk = self.folders.get(folder, {}), self._junk.setdefault(folder, set())
        found: dict[str, FileFacts] = {}
        inner: list[str] = []
        with os.scandir(f"{self._root}/{folder}") as entries:
            for entry in entries:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    if not is_junk_folder(name):
                        inner.append(f"{folder}/{name}")
                elif name in known or (name not in junk and not _put_aside(name, junk)):
                    with suppress(FileNotFoundError):
                        found[name] = _facts_anew(entry.stat(follow_symlinks=False), known.get(name))
        new = {name: facts for name, facts in found.items() if known.get(name) is not facts}
        if new:
            changes.changed.update((f"{folder}/{name}", facts) for name, facts in new.items())
            changes.folders.add(folder)
        if new or len(found) != len(known):
            self._drop(folder, known.keys() - found.keys(), changes)
        self.folders[folder] = found
        return inner

    @staticmethod
    def _drop(folder: str, names: Collection[str], changes: Changes) -> None:
        if names:
            changes.gone.update(f"{folder}/{name}" for name in names)
            changes.folders.add(folder)


def _roots(tasks: Collection[str]) -> list[str]:
    return [*sorted(tasks), *(f"{SCHEDULED}/{task}" for task in sorted(tasks))]


def look(inbox: Path, tasks: Collection[str]) -> dict[str, FileFacts]:
    """Return the facts of everything in the task folders by its inbox-relative path, as one look of a listing."""
    return Listing(inbox, tasks).look().changed


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


def _put_aside(name: str, junk: set[str]) -> bool:
    """Tell whether a name is junk, and remember it: a share may hold thousands of them."""
    if not is_junk(name):
        return False
    junk.add(name)
    return True


def _facts_anew(status: os.stat_result, known: FileFacts | None) -> FileFacts:
    """Return the very facts that are known where nothing has changed, so that they need not be compared again."""
    if (
        known is not None
        and known.mtime_ns == status.st_mtime_ns
        and known.ctime_ns == status.st_ctime_ns
        and known.size == status.st_size
        and known.inode == status.st_ino
    ):
        return known
    return _facts(status)


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

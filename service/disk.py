"""Files that appear whole or not at all, are never replaced by accident, and stay after a power cut."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from service.renaming import exclusive_rename
from service.syncing import side_by_side

# What a file system answers that lacks an operation: NFS says EINVAL to RENAME_NOREPLACE, FAT says EPERM to links.
_NO_SUCH_RENAME = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_SUCH_LINK = frozenset({errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_SUCH_FSYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})
#: macOS allows 256 open files where nobody asks for more.
_OPEN_AT_ONCE = 64
# Whoever may write to a share could plant a link or a pipe under the name of a draft.
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Disk:
    """
    The effects on files that everything else is made of; each may be the last before a crash.

    `before` is told of each effect just before it happens (its name and path). `exclusive_rename` and `hard_links` say
    what may be tried; without both, the fallback for file systems that have neither is used.
    """

    def __init__(
        self,
        before: Callable[[str, Path], None] = lambda _effect, _path: None,
        *,
        exclusive_rename: bool = True,
        hard_links: bool = True,
    ) -> None:
        self._before = before
        self._exclusive_rename = exclusive_rename
        self._hard_links = hard_links

    def make_folders(self, folder: Path) -> None:
        """Make a folder and its missing parents, durably; one that exists is fine. Raises OSError for a file there."""
        if folder.is_dir():
            return
        self.make_folders(folder.parent)
        self._before("mkdir", folder)
        try:
            folder.mkdir()
        except FileExistsError:
            # Somebody else was quicker, or the answer to our own request was lost on the way from a server.
            if not folder.is_dir():
                raise
        self.fsync_folder(folder.parent)

    def make_folder(self, folder: Path) -> None:
        """Make one folder in one that is there; it survives a power cut once the caller has synced that one."""
        self._before("mkdir", folder)
        with suppress(FileExistsError):
            folder.mkdir()

    def write_durable(self, path: Path, data: bytes) -> None:
        """Put these bytes at a path: readers, and a crash, see the old file or the whole new one."""
        self._replace(path, data, durable=True)

    def write(self, path: Path, data: bytes) -> None:
        """Put these bytes at a path: readers see the old file or the whole new one; a power cut may lose both."""
        self._replace(path, data, durable=False)

    def write_durable_all(self, files: Sequence[tuple[Path, bytes]]) -> None:
        """
        Put many files at their paths, each as write_durable does; after an error some of them may be there.

        The folders must be there. Syncing side by side lets the file system commit many files in one go.
        """
        for first in range(0, len(files), _OPEN_AT_ONCE):
            some = [(draft_of(path), path, data) for path, data in files[first : first + _OPEN_AT_ONCE]]
            self._fill([(draft, data) for draft, _, data in some], durable=True)
            for draft, path, _ in some:
                self.rename(draft, path)
        self.fsync_all(sorted({path.parent for path, _ in files}))

    def make_folders_in(self, folders: Sequence[Path]) -> None:
        """Make many folders in one that is there; they survive a power cut once the caller has synced that one."""
        side_by_side(self.make_folder, folders)

    def fsync_all(self, paths: Sequence[Path]) -> None:
        """Make files, and what was created, renamed and removed in folders, survive a power cut."""
        side_by_side(self.fsync_folder, paths)

    def create(self, path: Path, data: bytes) -> None:
        """Put these bytes durably at a path where nothing is; raises FileExistsError and leaves what is there."""
        draft = draft_of(path)
        self._fill([(draft, data)], durable=True)
        self._place(draft, path)

    def copy(self, source: Path, path: Path, draft: Path) -> None:
        """Put a copy durably at a path where nothing is, by way of a draft in its folder; raises FileExistsError."""
        self.copy_content(source, draft)
        self._place(draft, path)

    def copy_content(self, source: Path, target: Path) -> None:
        """Write a copy of a plain file's bytes and fsync it; what was at the target is overwritten."""
        self._before("copy", target)
        try:
            with source.open("rb") as reading, _new_file(target) as writing:
                shutil.copyfileobj(reading, writing, 1 << 20)
                writing.flush()
                os.fsync(writing.fileno())
        except OSError:
            # A full disk must not stay full of our own drafts.
            target.unlink(missing_ok=True)
            raise

    def rename(self, source: Path, target: Path) -> None:
        """Rename, replacing what is at the target; an error is believed only if the file did not move."""
        moving = source.lstat()
        self._before("rename", source)
        try:
            source.rename(target)
        except OSError:
            if not _has_moved(moving, source, target):
                raise

    def rename_new(self, source: Path, target: Path) -> None:
        """
        Rename to a name where nothing is; raises FileExistsError and leaves both.

        May be repeated after a crash in its middle, in which case the file may have had both names for a while.
        """
        moving = source.lstat()
        if self._exclusive_rename and self._rename_exclusively(source, target, moving):
            return
        if stat.S_ISDIR(moving.st_mode):
            self._rename_folder(source, target)
            return
        if self._hard_links and self._link_and_unlink(source, target, moving):
            return
        self._rename_onto_placeholder(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a file; one that isn't there is fine."""
        self._before("unlink", path)
        path.unlink(missing_ok=True)

    def remove_folder(self, folder: Path) -> None:
        """Remove an empty folder; one that isn't there is fine. Raises OSError if it isn't empty."""
        self._before("rmdir", folder)
        with suppress(FileNotFoundError):
            folder.rmdir()

    def fsync_folder(self, folder: Path) -> None:
        """Make what was created, renamed and removed in a folder, or written to a file, survive a power cut."""
        self._before("fsync", folder)
        opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        except OSError as error:
            # SMB and some FUSE file systems know no fsync of folders; their servers order renames themselves.
            if error.errno not in _NO_SUCH_FSYNC:
                raise
        finally:
            os.close(opened)

    def _replace(self, path: Path, data: bytes, *, durable: bool) -> None:
        draft = draft_of(path)
        self._fill([(draft, data)], durable=durable)
        self.rename(draft, path)
        if durable:
            self.fsync_folder(path.parent)

    def _fill(self, drafts: Sequence[tuple[Path, bytes]], *, durable: bool) -> None:
        """Write all of these drafts, or none; only what waits for the disk is done side by side."""
        written: list[int] = []
        try:
            for draft, data in drafts:
                self._write_new(draft, data, written)
            if durable:
                side_by_side(os.fsync, written)
        except OSError:
            for draft, _ in drafts:
                draft.unlink(missing_ok=True)
            raise
        finally:
            for opened in written:
                os.close(opened)

    def _write_new(self, draft: Path, data: bytes, written: list[int]) -> None:
        self._before("write", draft)
        written.append(os.open(draft, _NEW_FILE, 0o666))
        left = memoryview(data)
        while left:
            left = left[os.write(written[-1], left) :]

    def _place(self, draft: Path, path: Path) -> None:
        try:
            self.rename_new(draft, path)
        except FileExistsError:
            self.unlink(draft)
            raise
        self.fsync_folder(path.parent)

    def _rename_exclusively(self, source: Path, target: Path, moving: os.stat_result) -> bool:
        self._before("rename", source)
        failed = exclusive_rename()(os.fsencode(source), os.fsencode(target))
        if not failed or _has_moved(moving, source, target):
            return True
        if failed == errno.EEXIST and _is(moving, target):
            # Both names are ours: an earlier link was not followed by its unlink.
            self.unlink(source)
            return True
        if failed not in _NO_SUCH_RENAME:
            raise OSError(failed, os.strerror(failed), str(source), None, str(target))
        return False

    def _link_and_unlink(self, source: Path, target: Path, moving: os.stat_result) -> bool:
        self._before("link", target)
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if not _is(moving, target):
                if error.errno in _NO_SUCH_LINK:
                    return False
                raise
        self.unlink(source)
        return True

    def _rename_folder(self, source: Path, target: Path) -> None:
        # A plain rename of a folder replaces nothing but an empty folder.
        try:
            self.rename(source, target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            raise

    def _rename_onto_placeholder(self, source: Path, target: Path) -> None:
        # Without exclusive renames and hard links (exFAT by way of some FUSE drivers) the name is taken by creating it
        # empty, which is exclusive everywhere, and the file is renamed onto that. A crash between the two leaves an
        # empty file and the whole one under its old name: nothing is lost, the next try counts the name as taken.
        self._before("placeholder", target)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            self.rename(source, target)
        except OSError:
            with suppress(FileNotFoundError):
                if not target.lstat().st_size:
                    target.unlink()
            raise


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def draft_of(path: Path) -> Path:
    """Return the hidden name beside a path under which its next content is written."""
    name = path.name
    if len(name) > 60 or not name.isascii():
        name = os.fsencode(name)[:240].decode("utf-8", "ignore")
    return path.with_name(f".{name}.part")


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, _NEW_FILE, 0o666), "wb")


def _has_moved(moving: os.stat_result, source: Path, target: Path) -> bool:
    # A server whose answer was lost is asked again and finds nothing: there and no longer here means that it worked.
    return not os.path.lexists(source) and _is(moving, target)


def _is(moving: os.stat_result, path: Path) -> bool:
    with suppress(OSError):
        found = path.lstat()
        # An inode number that was freed is given out again at once, so it alone proves nothing.
        same_content = (moving.st_size, moving.st_mtime_ns) == (found.st_size, found.st_mtime_ns)
        return os.path.samestat(moving, found) and same_content
    return False

"""A folder shared with a ComfyUI: files come and go by link or copy instead of HTTP.

It is the server's base folder, with input/, temp/ and output/ below it. On one file system a file is linked and no byte
of it moves; otherwise it is copied. Whoever may write to the share, or answers in the server's name, must not lead us
elsewhere: every folder below the base is opened by itself, and a symbolic link on the way is refused.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from service.comfy.fetch import check_room
from service.comfy.verdict import OutputFile
from service.disk_trouble import unavailable_of
from service.errors import Failed, Problem, Unavailable

_FOLDERS = ("input", "temp", "output")
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 20
#: What a file system answers to a link that can't be: another disk, no links there, not our file, too many of them.
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
_LOOK_GAP_S = 0.1


class SharedFolder:
    """Takes a file to the server and brings one back, as Client.upload and Client.fetch do; from any thread.

    Raises Unavailable where the folder is away or isn't a ComfyUI's. `patience_s`: a share may show a file late.
    """

    def __init__(self, path: Path, *, patience_s: float = 5.0) -> None:
        self.path = path
        self._patience_s = patience_s

    def upload(self, path: Path, name: str, subfolder: str, kind: str = "temp") -> str:
        """Put a file into the server's folder `kind` and return the reference that a loader node takes.

        What has this name there is replaced in one step. OSError: trouble with our own file.
        """
        with self._folder(kind, subfolder, make=True) as folder:
            draft = f".{uuid4().hex[:12]}.part"
            try:
                if not _link(path, draft, folder):
                    with _reading(path) as source:
                        _copy(source, os.open(draft, _NEW_FILE, 0o644, dir_fd=folder), None, None)
                os.replace(draft, _plain(name), src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                # Two names of one file are left as they are by a rename of the one to the other.
                with suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
        reference = f"{subfolder}/{name}" if subfolder else name
        return reference if kind == "input" else f"{reference} [{kind}]"

    def fetch(
        self, file: OutputFile, target: Path, *, overall_s: float = 600, stop: threading.Event | None = None
    ) -> int:
        """Bring a result to `target`, whole or not at all, and return its size in bytes; the server's stays.

        Failed (result_missing): the folder has no such file. Once `stop` is set it ends: Unavailable (stopping).
        """
        due_s = time.monotonic() + overall_s
        draft = target.with_name(f".fetch-{uuid4().hex[:12]}{target.suffix}")
        with self._found(file, stop) as (folder, source):
            try:
                if not _link_out(file.filename, folder, source, draft):
                    check_room(os.fstat(source).st_size, target.parent)
                    _copy(source, os.open(draft, _NEW_FILE, 0o644), due_s, stop)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
        return target.stat().st_size

    def forget(self, references: Collection[str], outputs: Collection[OutputFile] = ()) -> None:
        """Remove uploaded files, by their references, and results from the server's side; what is gone is fine.

        Folders that this leaves empty go too, but for input, temp and output themselves.
        """
        for reference in references:
            place, _, kind = reference.removesuffix("]").partition(" [")
            subfolder, _, name = place.rpartition("/")
            self._remove(kind or "input", subfolder, name)
        for output in outputs:
            self._remove(output.type, output.subfolder, output.filename)

    def sweep(self, kind: str, subfolder: str, beginning: str = "") -> None:
        """Remove every file of one folder of the server whose name begins so; the folder too where that empties it."""
        try:
            with self._folder(kind, subfolder) as folder:
                for name in os.listdir(folder):  # noqa: PTH208  an open folder has no path
                    if name.startswith(beginning):
                        with suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                            os.unlink(name, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as trouble:
            raise unavailable_of(trouble) from trouble
        self._remove_empty(kind, subfolder)

    def _remove(self, kind: str, subfolder: str, name: str) -> None:
        try:
            with self._folder(kind, subfolder) as folder, suppress(FileNotFoundError):
                os.unlink(_plain(name), dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as trouble:
            raise unavailable_of(trouble) from trouble
        self._remove_empty(kind, subfolder)

    def _remove_empty(self, kind: str, subfolder: str) -> None:
        parts = subfolder.split("/") if subfolder else []
        # One that isn't empty ends it, and so does one that is gone.
        with suppress(OSError):
            while parts:
                with self._folder(kind, "/".join(parts[:-1])) as folder:
                    os.rmdir(parts.pop(), dir_fd=folder)

    @contextmanager
    def _found(self, file: OutputFile, stop: threading.Event | None) -> Iterator[tuple[int, int]]:
        """Give the folder and the open file of a result; a share may show it a moment after the server says so."""
        until_s = time.monotonic() + self._patience_s
        with ExitStack() as closing:
            while True:
                try:
                    folder = closing.enter_context(self._folder(file.type, file.subfolder))
                    source = os.open(_plain(file.filename), _OPEN_FILE, dir_fd=folder)
                    break
                except FileNotFoundError:
                    closing.close()
                    if time.monotonic() >= until_s:
                        raise _missing(file, "it isn't in the shared folder") from None
                    _pause(stop)
                except OSError as trouble:
                    if trouble.errno == errno.ELOOP:
                        raise _missing(file, "a symbolic link lies there") from None
                    raise unavailable_of(trouble) from trouble
            closing.callback(os.close, source)
            if not stat.S_ISREG(os.fstat(source).st_mode):
                raise _missing(file, "what lies there is no plain file")
            yield folder, source

    @contextmanager
    def _folder(self, kind: str, subfolder: str, *, make: bool = False) -> Iterator[int]:
        """Open one folder of the server, step by step and never through a link; FileNotFoundError where it is not."""
        if kind not in _FOLDERS:
            raise FileNotFoundError(errno.ENOENT, "no folder of ComfyUI", kind)
        with ExitStack() as closing:
            current = self._base(closing)
            for part in [kind, *(subfolder.split("/") if subfolder else [])]:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(_plain(part), 0o755, dir_fd=current)
                try:
                    current = os.open(_plain(part), _OPEN_FOLDER, dir_fd=current)
                except OSError as trouble:
                    if trouble.errno in {errno.ELOOP, errno.ENOTDIR}:
                        raise _linked(part) from trouble
                    raise
                closing.callback(os.close, current)
            yield current

    def _base(self, closing: ExitStack) -> int:
        try:
            base = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as trouble:
            title = f"The shared folder {self.path.name} is not there."
            fix = "Mount it, or correct shared_folder of the backend in config.yaml."
            raise Unavailable("shared_folder_missing", title, fix) from trouble
        except OSError as trouble:
            raise unavailable_of(trouble) from trouble
        closing.callback(os.close, base)
        # A mount point whose share is away is a folder like any other, but an empty one.
        if not any(_is_there(name, base) for name in ("input", "output")):
            title = f"The shared folder {self.path.name} has neither input/ nor output/: it is not ComfyUI's."
            fix = "Mount it, or name ComfyUI's base folder as shared_folder of the backend in config.yaml."
            raise Unavailable("shared_folder_wrong", title, fix)
        return base


def _is_there(name: str, folder: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _plain(part: str) -> str:
    """Return one name as it is; whatever could lead out of its folder is no name of a file."""
    if part in {"", ".", ".."} or "/" in part or "\\" in part or "\0" in part:
        raise FileNotFoundError(errno.ENOENT, "no name of a file", part)
    return part


def _link(path: Path, name: str, folder: int) -> bool:
    """Give a file of ours a second name there; False where that can't be, or where the server couldn't read it."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & stat.S_IROTH:
        return False
    try:
        os.link(path, name, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as trouble:
        if trouble.errno not in _NO_LINK:
            raise
        return False
    return True


def _link_out(name: str, folder: int, source: int, target: Path) -> bool:
    """Give the very file that was opened a second name on our side; False where that can't be."""
    try:
        os.link(name, target, src_dir_fd=folder, follow_symlinks=False)
    except OSError as trouble:
        if trouble.errno not in _NO_LINK | {errno.ENOENT}:
            raise
        return False
    linked, opened = target.lstat(), os.fstat(source)
    if (linked.st_dev, linked.st_ino) == (opened.st_dev, opened.st_ino):
        return True
    # Replaced between our two looks: what was opened was looked at, so that is what we take.
    target.unlink()
    return False


@contextmanager
def _reading(path: Path) -> Iterator[int]:
    opened = os.open(path, _OPEN_FILE)
    try:
        yield opened
    finally:
        os.close(opened)


def _copy(source: int, target: int, due_s: float | None, stop: threading.Event | None) -> None:
    """Copy an open file's bytes into another one and close that."""
    with open(target, "wb", buffering=0) as writing:
        while chunk := os.read(source, _CHUNK_BYTES):
            if stop is not None and stop.is_set():
                raise _stopping()
            if due_s is not None and time.monotonic() > due_s:
                title = "Copying a result out of the shared folder takes too long."
                raise Unavailable("timeout", title, "Look into the share; it is tried again by itself.")
            writing.write(chunk)


def _pause(stop: threading.Event | None) -> None:
    if (stop or threading.Event()).wait(_LOOK_GAP_S):
        raise _stopping()


def _stopping() -> Unavailable:
    return Unavailable("stopping", "The service is stopping.", "It goes on after the next start.")


def _linked(part: str) -> Unavailable:
    return Unavailable(
        "shared_folder_linked",
        f"{part} in the shared folder is no folder but a link or a file, and Reeldrop follows none there.",
        "Mount the true folder in its place, or leave shared_folder out: files go over HTTP then.",
    )


def _missing(file: OutputFile, why: str) -> Failed:
    title = f"The server no longer has the result {file.filename}."
    return Failed(Problem("result_missing", title, "Retry the job; it is rendered again.", why))

"""Files held open by their descriptor, so that their names may go or be given to others meanwhile."""

from __future__ import annotations

import os
import weakref
from pathlib import Path


def write_at(number: int, data: memoryview, offset: int) -> None:
    """Write all bytes at an offset of a file descriptor; raises OSError when the disk is full."""
    data = data.cast("B")
    while data:
        written = os.pwrite(number, data, offset)
        data = data[written:]
        offset += written


class HeldFile:
    """A file held open by its descriptor until nobody refers to it, so that its name may be replaced meanwhile."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name
        weakref.finalize(self, os.close, number)

    @classmethod
    def open(cls, path: Path) -> HeldFile:
        """Open a file for reading; raises OSError."""
        return cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC), str(path))

    @classmethod
    def scratch(cls, folder: Path) -> HeldFile:
        """Make an empty file without a name in a folder: it goes when it is let go, whatever happens to the process."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"spool-{os.getpid()}-{os.urandom(6).hex()}"
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        path.unlink()
        return cls(number, str(path))

    def reader(self) -> Reading:
        """Return a file object over the held file, with its own position."""
        return Reading(self)


class Reading:
    """A read-only file object that shares a held file's descriptor but not its position."""

    def __init__(self, held: HeldFile) -> None:
        self._held = held
        self._position = 0
        self.name = held.name

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, or the rest of the file."""
        if size < 0:
            size = max(0, os.fstat(self._held.number).st_size - self._position)
        data = os.pread(self._held.number, size, self._position)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        if base is None:
            base = os.fstat(self._held.number).st_size
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

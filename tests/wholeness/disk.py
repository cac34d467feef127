"""A simulated disk with a clock of its own: files with size, times, inode, holes, and who has them open for writing."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.drops import is_junk
from service.settling import FileFacts

#: A disk leaves out what was never written in blocks; the simulated ones are as small as the files.
BLOCK_BYTES = 256


@dataclass(eq=False)
class File:
    """One inode."""

    inode: int
    data: bytearray = field(default_factory=bytearray)
    blocks: set[int] = field(default_factory=set)
    mtime_ns: int = 0
    ctime_ns: int = 0
    writers: int = 0
    links: int = 1
    #: When it last changed, on the disk's clock.
    changed_s: float = 0.0

    def has_holes(self) -> bool:
        """Tell whether a whole block was never written."""
        return len(self.blocks) < -(-len(self.data) // BLOCK_BYTES)

    def facts(self) -> FileFacts:
        """Return what a look finds."""
        return FileFacts(len(self.data), self.mtime_ns, self.ctime_ns, self.inode, 1, self.links, "file")


class SimulatedDisk:
    """Files by path, changed by what programs ask of a kernel; `now_s` is set by whoever runs it."""

    def __init__(self, tick_ns: int) -> None:
        self.now_s = 0.0
        self.files: dict[str, File] = {}
        self.elsewhere: dict[str, File] = {}
        self._tick_ns = tick_ns
        self._inode = 0

    def listing(self) -> dict[str, FileFacts]:
        """Return what a look lists."""
        return {path: file.facts() for path, file in self.files.items() if not is_junk(path.rpartition("/")[2])}

    def create(self, path: str, *, outside: bool = False) -> File:
        """Make an empty file, closed; one outside stays open. What was at its path is replaced."""
        self._inode += 1
        file = File(self._inode, writers=int(outside))
        self._touch(file)
        (self.elsewhere if outside else self.files)[path] = file
        return file

    def open(self, path: str) -> File:
        """Open for writing, without emptying."""
        file = self.files.get(path) or self.create(path)
        file.writers += 1
        return file

    def close(self, file: File) -> None:
        """End one opening."""
        file.writers -= 1

    def write(self, file: File, offset: int, data: bytes) -> None:
        """Write at a place, growing the file where needed."""
        end = offset + len(data)
        if end > len(file.data):
            file.data.extend(bytes(end - len(file.data)))
        file.data[offset:end] = data
        file.blocks.update(range(offset // BLOCK_BYTES, -(-end // BLOCK_BYTES)))
        self._touch(file)

    def resize(self, file: File, size: int) -> None:
        """Cut a file, or grow it without writing."""
        del file.data[size:]
        file.data.extend(bytes(size - len(file.data)))
        file.blocks = {block for block in file.blocks if block * BLOCK_BYTES < size}
        self._touch(file)

    def date(self, file: File, mtime_ns: int) -> None:
        """Set the time of last change, as copies do that keep it."""
        file.mtime_ns = mtime_ns
        self._change(file)

    def rename(self, path: str, new: str) -> None:
        """Move within the disk, over what is there."""
        self.files[new] = self.files.pop(path)
        self._change(self.files[new])

    def link(self, path: str, new: str) -> None:
        """Give a file from elsewhere a name in the inbox."""
        file = self.files[new] = self.elsewhere[path]
        file.links += 1
        self._change(file)

    def _touch(self, file: File) -> None:
        file.mtime_ns = self._stamp()
        self._change(file)

    def _change(self, file: File) -> None:
        file.ctime_ns = self._stamp()
        file.changed_s = self.now_s

    def _stamp(self) -> int:
        return 1_700_000_000_000_000_000 + int(self.now_s * 1e9) // self._tick_ns * self._tick_ns

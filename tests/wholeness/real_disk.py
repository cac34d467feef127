"""The same writers on a real disk, each in a process of its own that goes on when it is told to.

    python -m tests.wholeness.real_disk FOLDER     reads "writer path suffix seed settle_s" from standard input

After each step it prints how long the writer would pause, and waits for a line; after the last it prints "done".
"""

from __future__ import annotations

import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.wholeness.samples import sample
from tests.wholeness.writers import WRITERS, Plan

_TICK_DEADLINE_S = 5.0


@dataclass(eq=False)
class OpenFile:
    """A file that is open for writing."""

    descriptor: int


class RealDisk:
    """What SimulatedDisk offers to writers, done to real files; paths are relative to the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, path: str, *, outside: bool = False) -> OpenFile:
        """Make an empty file, closed; one outside stays open, for the writer goes on with it."""
        place = self._folder.parent / path if outside else self._folder / path
        file = OpenFile(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666))
        if not outside:
            self.close(file)
        return file

    def open(self, path: str) -> OpenFile:
        """Open for writing, without emptying."""
        return OpenFile(os.open(self._folder / path, os.O_WRONLY | os.O_CREAT, 0o666))

    def close(self, file: OpenFile) -> None:
        """End one opening."""
        os.close(file.descriptor)

    def write(self, file: OpenFile, offset: int, data: bytes) -> None:
        """Write, again if need be, until the kernel's clock for files has ticked: the pauses here take no time."""
        before, until_s = os.fstat(file.descriptor).st_mtime_ns, time.monotonic() + _TICK_DEADLINE_S
        while True:
            os.pwrite(file.descriptor, data, offset)
            if os.fstat(file.descriptor).st_mtime_ns != before or time.monotonic() > until_s:
                return

    def resize(self, file: OpenFile, size: int) -> None:
        """Cut a file, or grow it without writing."""
        os.ftruncate(file.descriptor, size)

    def date(self, file: OpenFile, mtime_ns: int) -> None:
        """Set the time of last change; a closed file is found by its number no more, so only an open one is dated."""
        try:
            os.utime(file.descriptor, ns=(mtime_ns, mtime_ns))
        except OSError:
            return

    def rename(self, path: str, new: str) -> None:
        """Move within the folder, over what is there."""
        (self._folder / path).rename(self._folder / new)

    def link(self, path: str, new: str) -> None:
        """Give a file from elsewhere a name in the folder."""
        os.link(self._folder.parent / path, self._folder / new)


def main() -> None:
    """Write what each line of standard input asks for."""
    disk = RealDisk(Path(sys.argv[1]))
    for line in sys.stdin:
        writer, path, suffix, seed, settle_s = line.rstrip("\n").split("\t")
        plan = Plan(disk, path, sample(suffix), random.Random(f"{writer}/{suffix}/{seed}"), float(settle_s))
        if os.getuid() == 0:
            # Root may read its library where the user who is logged on may not.
            os.seteuid(65534 if writer == "samba" else 0)
        for pause_s in WRITERS[writer](plan):
            print(pause_s, flush=True)
            sys.stdin.readline()
        if os.getuid() == 0:
            os.seteuid(0)
        print("done", flush=True)


if __name__ == "__main__":
    main()

"""The machine that the figures are from, in one line; without its name."""

from __future__ import annotations

import os
import platform
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil


def describe() -> str:
    """Return cores, processor, memory, Python, system, kind of the temporary disk, and the load at the start."""
    memory_gb = psutil.virtual_memory().total / 2**30
    parts = [
        f"{psutil.cpu_count()} cores of {_processor()}",
        f"{memory_gb:.0f} GB of memory",
        f"Python {platform.python_version()}",
        _system(),
        f"temporary files on {_file_system(Path(tempfile.gettempdir()))}",
        f"load average {os.getloadavg()[0]:.1f} at the start",
    ]
    return ", ".join(parts)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    name = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    with suppress(OSError):
        name = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {name}"
    return name


def _file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on: that of the longest mount point above it."""
    folder = folder.resolve()
    above = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    return max(above, key=lambda part: len(part.mountpoint)).fstype if above else "an unknown file system"

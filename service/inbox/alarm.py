"""What listens to the library: an exception in here would end its thread while everything looks well, so none is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

# What changes here is our own doing, or of no consequence until it is moved to a task folder. They may hold any number
# of folders, so they aren't watched at all.
SILENT = frozenset({".reeldrop", "done", "rejected"})
FOLDER_EVENTS = (DirCreatedEvent, DirDeletedEvent, DirMovedEvent)


class Alarm(FileSystemEventHandler):
    """Wakes for what happens outside our own folders; nothing here can raise."""

    def __init__(self, inbox: Path, wake: Callable[[], None]) -> None:
        self._inbox = os.fspath(inbox)
        self._wake = wake
        self.folders_changed = False

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Wake the owner."""
        if any(self._matters(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path):
            self.folders_changed |= isinstance(event, FOLDER_EVENTS)
            self._wake()

    def _matters(self, path: str) -> bool:
        return path[len(self._inbox) :].lstrip("/").partition("/")[0] not in SILENT


class Pulse(FileSystemEventHandler):
    """Remembers that an event was heard."""

    heard = False

    def on_any_event(self, _event: FileSystemEvent) -> None:
        """Remember it."""
        self.heard = True


class Losses(logging.Handler):
    """Hears what the library tells of lost events: in its log, and nowhere else."""

    def __init__(self, note: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._note = note

    def emit(self, _record: logging.LogRecord) -> None:
        """Pass it on, whatever it says: any warning of the library's reader is a reason to look."""
        self._note()

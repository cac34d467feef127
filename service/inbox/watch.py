"""File events as an alarm clock: they only shorten the wait for the next look, and nothing is ever read from them."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from service.errors import Problem

# Our own looks open files and folders; an alarm for that would never let us sleep.
_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
# What changes here is our own doing, or of no consequence until it is moved to a task folder.
_SILENT = frozenset({".reeldrop", "done", "rejected"})
#: The kernel drops events when they come too fast, and the library tells nobody but this logger.
_LOSSES = logging.getLogger("watchdog.observers.inotify_c")


class Watch:
    """
    Wakes its owner when something changes below the roots; the owner must also look by the clock.

    Events may be lost, and a watch may go deaf without a word where a share is mounted or unmounted.
    """

    def __init__(self, roots: Sequence[Path], wake: Callable[[], None]) -> None:
        self._roots = [os.fspath(root) for root in roots]
        self._alarm = _Alarm(self._roots, wake)
        self._losses = _Losses(wake)
        self._observer: BaseObserver | None = None
        #: Why there are no events, if there are none; the owner then looks by the clock alone.
        self.trouble: Problem | None = None

    def start(self) -> bool:
        """Begin to watch; False, with `trouble`, if the system doesn't let us."""
        observer = Observer()
        try:
            for root in self._roots:
                observer.schedule(self._alarm, root, recursive=True, event_filter=_EVENTS)
            observer.start()
        except OSError as error:
            self.trouble = _problem(error)
            return False
        self.trouble = None
        self._observer = observer
        _LOSSES.addHandler(self._losses)
        return True

    def stop(self) -> None:
        """End watching; may be repeated, and without a start."""
        _LOSSES.removeHandler(self._losses)
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=2)
            self._observer = None

    def alive(self) -> bool:
        """Tell whether every thread of the watch lives; one whose root is gone has ended and must be started anew."""
        observer = self._observer
        if observer is None or not observer.is_alive():
            return False
        return len(observer.emitters) == len(self._roots) and all(emitter.is_alive() for emitter in observer.emitters)


class _Alarm(FileSystemEventHandler):
    """An exception in here would end the library's thread while everything looks well, so nothing here can raise."""

    def __init__(self, roots: Sequence[str], wake: Callable[[], None]) -> None:
        self._roots = roots
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if any(self._matters(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path):
            self._wake()

    def _matters(self, path: str) -> bool:
        for root in self._roots:
            if path.startswith(root):
                return path[len(root) :].lstrip("/").partition("/")[0] not in _SILENT
        return True


class _Losses(logging.Handler):
    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._wake = wake

    def emit(self, _record: logging.LogRecord) -> None:
        self._wake()


def _problem(error: OSError) -> Problem:
    # What inotify answers when fs.inotify.max_user_watches or max_user_instances is used up.
    if error.errno in (errno.ENOSPC, errno.EMFILE):
        fix = (
            "Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances; the inbox is looked at by the clock."
        )
        return Problem("watch_limit", "The system's limit for watched folders is reached, so no file events come.", fix)
    fix = "Check that the folder is there; until then the inbox is looked at by the clock."
    return Problem("watch_failed", f"File events can't be had here: {error.strerror}.", fix)

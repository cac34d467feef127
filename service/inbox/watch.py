"""File events as an alarm clock: they only shorten the wait for the next look, and nothing is ever read from them."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileOpenedEvent,
    FileSystemEvent,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from service.errors import Problem
from service.inbox.alarm import SILENT, Alarm, Losses, Pulse
from service.inbox.roots import Place, kind_of
from service.inbox.watched import unwatched

LOG = logging.getLogger(__name__)
# Our own looks open files and folders; an alarm for that would never let us sleep.
_EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]
#: The kernel drops events when they come too fast, and the library tells nobody but this logger.
_LOSSES = logging.getLogger("watchdog.observers.inotify_c")
#: What fails is tried again, and what seems well is asked whether it still hears, this often.
_AGAIN_S = 60.0
#: An event that hasn't come after this time doesn't come.
_ANSWER_S = 5.0
#: Whether the task folders are still those that are watched is asked this often.
_PLACES_S = 5.0
#: Folders that come and go are looked at at most this often.
_FOLDERS_S = 1.0
#: What was found and mended is told for so long.
_TOLD_S = 600.0


@dataclass(frozen=True)
class Mode:
    """How drops are noticed, "events" or "polling" (looks by the clock alone), and why, as half a sentence."""

    name: Literal["events", "polling"]
    reason: str


def mode_of(place: Place, setting: str) -> Mode:
    """Return how drops are noticed on such a file system (kind_of) with such a setting (watch.mode)."""
    if setting == "polling":
        return Mode("polling", "watch.mode is polling")
    if setting == "auto" and place == "share":
        return Mode("polling", "the inbox is on a network share, where others write without this machine being told")
    return Mode("events", "watch.mode is events" if setting == "events" else "the inbox is on a disk of this machine")


class Watch:
    """
    Wakes its owner when something changes below the inbox; the owner must also look by the clock, and call `supervise`.

    Events may be lost, and a watch may go deaf without a word where a share is mounted or unmounted. `supervise` finds
    that, begins anew and wakes the owner, for something may have been missed.
    """

    def __init__(
        self,
        inbox: Path,
        wake: Callable[[], None],
        setting: str = "auto",
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inbox = inbox
        self._wake = wake
        self._monotonic = monotonic
        self._intended = mode_of(kind_of(inbox), setting)
        # On a share that hangs, asking after the watch would hang too, and its events add little to looks by the clock.
        self._wanted = self._intended.name == "events"
        self._alarm = Alarm(inbox, wake)
        self._pulse = Pulse()
        self._losses = Losses(self._note_loss)
        self._observer: BaseObserver | None = None
        self._lost = False
        self._armed: dict[Path, tuple[int, int] | None] = {}
        self._again_s = 0.0
        self._asked_s: float | None = None
        self._places_due_s = 0.0
        self._folders_due_s: float | None = None
        self._missing: set[str] = set()
        #: Why there are no events, or not from everywhere, if so; the owner then looks by the clock alone.
        self.trouble: Problem | None = None
        self._told: dict[str, tuple[float, Problem]] = {}

    @property
    def mode(self) -> Mode:
        """How drops are noticed now."""
        if self._intended.name == "events" and self.trouble:
            return Mode("polling", self.trouble.title.rstrip("."))
        return self._intended

    def notices(self) -> dict[str, Problem | None]:
        """Return what the operator should know of the watch, by code; None where there is nothing (any more)."""
        until_s = self._monotonic() - _TOLD_S
        self._told = {code: told for code, told in self._told.items() if told[0] > until_s}
        codes = dict.fromkeys(("watch_limit", "watch_failed", "events_lost", "watch_renewed"))
        found: dict[str, Problem | None] = {**codes, **{code: problem for code, (_, problem) in self._told.items()}}
        return {**found, self.trouble.code: self.trouble} if self.trouble else found

    def start(self) -> bool:
        """Begin to watch; False if events aren't wanted here, or, with `trouble`, if the system doesn't let us."""
        if not self._wanted:
            return False
        now = self._monotonic()
        self._again_s, self._folders_due_s, self._asked_s = now + _AGAIN_S, now, None
        self._places_due_s = now + _PLACES_S
        observer = None
        try:
            observer = Observer()
            self._schedule(observer)
            observer.start()
        except OSError as error:
            self.trouble = _problem(error)
            if observer is not None:
                with suppress(RuntimeError):
                    observer.stop()
            return False
        if self.trouble and self.trouble.code == "watch_failed":
            self.trouble = None
        self._observer = observer
        _LOSSES.addHandler(self._losses)
        # Not to be silenced by how much of our own log is wanted.
        _LOSSES.setLevel(logging.WARNING)
        return True

    def stop(self) -> None:
        """End watching; may be repeated, and without a start."""
        _LOSSES.removeHandler(self._losses)
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=2)
            self._observer = None

    def alive(self) -> bool:
        """Tell whether every thread of the watch lives; one whose folder is gone has ended and must be started anew."""
        observer = self._observer
        if observer is None or not observer.is_alive():
            return False
        return len(observer.emitters) == len(self._armed) and all(emitter.is_alive() for emitter in observer.emitters)

    def supervise(self) -> None:
        """See that events still come, from everywhere; begin anew where they don't. Cheap, so to be called often."""
        if not self._wanted:
            return
        now = self._monotonic()
        if self._lost:
            self._lost = False
            self._folders_due_s = now
            self._tell("events_lost", "File events came faster than the system could keep them, and some were lost.")
        if self._armed.get(self._inbox) != _identity(self._inbox, follow=True):
            if self._observer is not None:
                self._tell("watch_renewed", "The inbox folder was replaced, so the watch for file events began anew.")
            self._begin_anew()
        elif (now >= self._places_due_s or not self.alive()) and self._armed != self._folders():
            self._begin_anew()
        elif fault := self._fault(now):
            self._tell("watch_renewed", f"The watch for file events {fault}, so it began anew.")
            self._begin_anew()
        elif now >= self._again_s and (self.trouble or self._observer is None):
            self._begin_anew()
        else:
            self._follow_folders(now)

    def _fault(self, now: float) -> str | None:
        """Return what has become of a watch that was well, or None."""
        if self._observer is None:
            return None
        if not self.alive():
            return "had lost a thread"
        if self._pulse.heard:
            self._asked_s = None
        if self._asked_s is None:
            if now >= self._again_s and not self.trouble:
                self._again_s = now + _AGAIN_S
                self._asked_s = now if self._ask() else None
        elif now - self._asked_s > _ANSWER_S:
            return "had gone deaf"
        return None

    def _ask(self) -> bool:
        """Open our own marker: that must be heard. It is no write, so that a sleeping disk may sleep on."""
        self._pulse.heard = False
        with suppress(OSError):
            os.close(os.open(self._inbox / ".reeldrop" / "marker.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
            return sys.platform == "linux"
        return False

    def _begin_anew(self) -> None:
        self.stop()
        if not self.start() and self.trouble:
            LOG.warning("%s", self.trouble.sentence())
        self._wake()

    def _follow_folders(self, now: float) -> None:
        if now >= self._places_due_s:
            self._places_due_s = now + _PLACES_S
        if self._alarm.folders_changed:
            self._alarm.folders_changed = False
            self._folders_due_s = now + _FOLDERS_S if self._folders_due_s is None else self._folders_due_s
        if self._observer is not None and self._folders_due_s is not None and now >= self._folders_due_s:
            self._count_folders(now)

    def _count_folders(self, now: float) -> None:
        """Find folders that the library failed to watch: at the system's limit it says nothing."""
        began = self._monotonic()
        missing = unwatched(self._inbox, [folder for folder in self._armed if folder != self._inbox])
        took_s = self._monotonic() - began
        # The library comes to a new folder a moment later; only what is missing twice is missing.
        lasting = missing & self._missing
        self._missing = missing
        self._folders_due_s = now + max(_FOLDERS_S, 100 * took_s) if missing and not lasting else None
        if lasting and self.trouble is None:
            self.trouble = _problem(OSError(errno.ENOSPC, ""))
            LOG.warning("%s", self.trouble.sentence())
        elif not missing and self.trouble:
            self.trouble = None

    def _schedule(self, observer: BaseObserver) -> None:
        self._armed = self._folders()
        for folder in self._armed:
            if folder.name == ".reeldrop":
                observer.schedule(self._pulse, os.fspath(folder), event_filter=[FileOpenedEvent])
            else:
                whole = folder != self._inbox
                observer.schedule(self._alarm, os.fspath(folder), recursive=whole, event_filter=_EVENTS)

    def _folders(self) -> dict[Path, tuple[int, int] | None]:
        """Return what is to be watched, the inbox first, each with what tells it from another of its name."""
        found = {self._inbox: _identity(self._inbox, follow=True)}
        with suppress(OSError), os.scandir(self._inbox) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and (entry.name not in SILENT or entry.name == ".reeldrop"):
                    found[self._inbox / entry.name] = _identity(self._inbox / entry.name)
        return found

    def _note_loss(self) -> None:
        self._lost = True
        self._wake()

    def _tell(self, code: str, title: str) -> None:
        LOG.warning("%s", title)
        fix = "Nothing needs to be done: the whole inbox is looked through again."
        self._told[code] = (self._monotonic(), Problem(code, title, fix))


def _identity(folder: Path, *, follow: bool = False) -> tuple[int, int] | None:
    with suppress(OSError):
        status = folder.stat(follow_symlinks=follow)
        return status.st_dev, status.st_ino
    return None


def _problem(error: OSError) -> Problem:
    # What inotify answers when fs.inotify.max_user_watches or max_user_instances is used up.
    if error.errno in (errno.ENOSPC, errno.EMFILE):
        fix = (
            "Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances; the inbox is looked at by the clock."
        )
        title = "The system's limit for watched folders is reached, so file events don't come, or not from everywhere."
        return Problem("watch_limit", title, fix)
    fix = "Check that the folder is there; until then the inbox is looked at by the clock."
    return Problem("watch_failed", f"File events can't be had here: {error.strerror}.", fix)

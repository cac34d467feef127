"""Readiness: whether the media of a drop can be taken, and what keeps it where it can't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from service.config_keys import Watch
from service.inbox.structure import structural_end
from service.job import Hold
from service.settling import FileFacts
from service.stillness import Stillness
from service.store import utc_now


class Readiness:
    """Judges files by their keys; moments are seconds of the caller's monotonic clock."""

    def __init__(
        self, inbox: Path, watch: Watch, stillness: Stillness, facts: Callable[[str], FileFacts | None]
    ) -> None:
        self._inbox = inbox
        self._watch = watch
        self._stillness = stillness
        self._facts = facts

    def obstacle(self, media: Sequence[str], since_s: float, now_s: float) -> Hold | float | None:
        """Return None if all is whole, the seconds to wait for what is only just settling, or what must be said."""
        for path in media:
            facts = self._facts(path)
            if facts is None:
                return self._watch.quiet_seconds_local
            if facts.kind != "file":
                return not_a_file(path, "Put the file itself in its place.")
        if busy := [path for path in media if not self._stillness.is_whole(path)]:
            patience_s = max(self._watch.sidecar_wait_seconds, 2 * max(map(self._stillness.quiet_s, busy)))
            remaining_s = patience_s - self.still_s(busy, since_s, now_s)
            if remaining_s > 0:
                return remaining_s
            return _incomplete(busy, "some program still has it open for writing", "Close it there.")
        if unended := [path for path in media if not structural_end(self._inbox / path)]:
            return _incomplete(unended, "its end is missing", "Copy it again if the copy broke off.")
        return None

    def still_s(self, paths: Sequence[str], since_s: float, now_s: float) -> float:
        """Return for how long none of these files has changed, counted from `since_s` at the earliest."""
        stills = (self._stillness.still_s(path, now_s) for path in paths)
        return min([now_s - since_s, *(still for still in stills if still is not None)])


def not_a_file(path: str, fix: str) -> Hold:
    """Return what is said of a link, a pipe or a device."""
    title = f"{PurePosixPath(path).name} is no plain file, but a link, pipe or device."
    return Hold("not_a_file", title, fix, utc_now())


def _incomplete(paths: Sequence[str], why: str, fix: str) -> Hold:
    names = ", ".join(PurePosixPath(path).name for path in paths)
    return Hold("incomplete", f"{names} isn't whole: {why}.", fix, utc_now())

"""Openings: whether a backend may take something new now, by its time windows and by what somebody asked of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from difflib import get_close_matches

import tzlocal

from service.backend_keys import Backend
from service.errors import Problem, Rejected
from service.job import Hold
from service.store import Store, utc_now
from service.windows import next_change, next_opening, window_of

DRAINING = "draining"
OUTSIDE_WINDOW = "outside_window"
TAGS_MISSING = "tags_missing"


def local_now() -> datetime:
    """Return now in this machine's time zone, with that zone's rules: an offset alone knows of no change of clocks."""
    return datetime.now(tzlocal.get_localzone())


class Openings:
    """Says why a backend is to take nothing new; what it has goes on. May be asked from any thread."""

    def __init__(
        self, backends: Collection[Backend], state: Callable[[str], str], now: Callable[[], datetime] = local_now
    ) -> None:
        """`state` returns "draining" for a backend that somebody paused (`store.backend_state`)."""
        self._windows = {each.name: tuple(map(window_of, each.windows)) for each in backends}
        self._tags = {each.name: frozenset(each.tags) for each in backends}
        self._state = state
        self._now = now

    def hold_of(self, name: str) -> Hold | None:
        """Return why a backend takes nothing new now, or None where it may."""
        if self._state(name) == DRAINING:
            fix = f"Run `reeldrop resume backend {name}`."
            return Hold(DRAINING, f"The backend {name} is paused.", fix, utc_now())
        opening = next_opening(self._windows.get(name, ()), self._now())
        if opening is None:
            return None
        title = f"The backend {name} is outside its time window until {opening:%Y-%m-%d %H:%M}."
        return Hold(OUTSIDE_WINDOW, title, "It goes on by itself then; config.yaml has its windows.", utc_now())

    def next_change(self, name: str) -> datetime | None:
        """Return when its window opens or closes next; None where it always is open."""
        return next_change(self._windows.get(name, ()), self._now())

    def has_tags(self, name: str, needed: Collection[str]) -> bool:
        """Return whether a backend has every tag that a workflow needs."""
        return self._tags.get(name, frozenset()).issuperset(needed)

    def unserved(self, needed: Mapping[str, Collection[str]]) -> dict[str, Hold]:
        """Given the tags that each workflow needs, return what jobs of those say whose tags no backend has."""
        holds = {}
        for workflow, tags in needed.items():
            if tags and not any(self.has_tags(name, tags) for name in self._tags):
                title = f"No backend has the tags that {workflow} needs: {', '.join(tags)}."
                fix = "Write them under tags of a backend in config.yaml, or take needs.tags out of its manifest."
                holds[workflow] = Hold(TAGS_MISSING, title, fix, utc_now())
        return holds


def drain(store: Store, names: Collection[str], name: str, *, draining: bool) -> str:
    """
    Let a backend take nothing new, or take jobs again, and return what was done.

    What runs there ends there, what was only queued there comes back. Raises Rejected for one that isn't configured.
    """
    if name not in names:
        near = get_close_matches(name, names, n=1)
        fix = f"Did you mean {near[0]}?" if near else f"The backends are: {', '.join(sorted(names)) or 'none'}."
        raise Rejected(Problem("unknown_backend", f"There is no backend {name}.", fix))
    changed = store.drain_backend(name, draining=draining)
    if draining:
        what = "takes nothing new; what runs there ends" if changed else "was paused already"
        return f"The backend {name} {what}. `reeldrop resume backend {name}` lets it go on."
    return f"The backend {name} {'goes on' if changed else 'was not paused'}."

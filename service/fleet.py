"""The fleet: what is known of every backend now, so that lanes can choose and people are told why nothing moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from service import guard
from service.fit import fits
from service.job import Hold
from service.register import Register
from service.schedule import Bay, Turn
from service.store import utc_now

#: So many answers to "can this backend run that job" are remembered.
_REMEMBERED = 5000

_BACKEND_AWAY = "backend_away"


@dataclass(frozen=True)
class Berth:
    """One backend as the fleet knows it."""

    name: str
    weight: float = 1.0
    #: What it has, in the operator's words; workflows may ask for it.
    tags: frozenset[str] = frozenset()
    #: Newest /object_info, and how often it was asked: what was concluded from an older one no longer counts.
    info: Mapping[str, Any] | None = None
    version: int = 0
    #: Why it takes nothing now, or None.
    away: Hold | None = None
    #: The models that its last prompt has loaded.
    warm: frozenset[str] = frozenset()
    #: How many prompts of ours it has.
    ours: int = 0


class Fleet:
    """Every backend's berth; may be asked from any thread."""

    def __init__(
        self, register: Register, backends: Iterable[Berth], tags_for: Callable[[str], Collection[str]]
    ) -> None:
        """`tags_for` returns the tags that a workflow asks for."""
        self._register = register
        self._lock = threading.RLock()
        start = Hold("connecting", "No backend has answered yet.", "It goes on by itself once one answers.", utc_now())
        self._berths = {berth.name: replace(berth, away=start) for berth in backends}
        self._tags_for = tags_for
        self._able: dict[tuple[str, int, str], bool] = {}
        self._told: Hold | None = None

    # told by the lanes -----------------------------------------------------------------------------------------------

    def answers(self, name: str, info: Mapping[str, Any]) -> None:
        """Note that a backend answers, and what it has."""
        with self._lock:
            berth = self._berths[name]
            version = berth.version + (info is not berth.info)
            self._berths[name] = replace(berth, info=info, version=version, away=None)
            self._tell()
        if berth.away is not None:
            for job_id, _ in self._register.store.held_for(_BACKEND_AWAY):
                self._register.hold(job_id, None)

    def is_away(self, name: str, hold: Hold) -> None:
        """Note why a backend takes nothing now."""
        with self._lock:
            self._berths[name] = replace(self._berths[name], away=hold, ours=0, warm=frozenset())
            self._tell()

    def rests(self, name: str, hold: Hold) -> None:
        """Note that a backend answers, but is to take nothing now: it is drained, or outside its window."""
        with self._lock:
            self._berths[name] = replace(self._berths[name], away=hold)
            self._tell()

    def works(self, name: str, ours: int, warm: Collection[str] | None = None) -> None:
        """Note how many prompts of ours a backend has, and which models it holds from now on."""
        with self._lock:
            berth = self._berths[name]
            kept = berth.warm if warm is None else frozenset(warm)
            self._berths[name] = replace(berth, ours=ours, warm=kept)

    def _tell(self) -> None:
        """Say on queued jobs what keeps all backends from taking any, or that one takes them again."""
        away = [berth.away for berth in self._berths.values()]
        holds = [hold for hold in away if hold is not None]
        if len(holds) < len(away):
            hold = None
        elif len(holds) == 1:
            hold = holds[0] if holds[0].code != "connecting" else None
        else:
            hold = _none_takes(self._berths.values())
        # What was queued since it was last said is told too.
        if hold is not None or self._told is not None:
            self._told = hold
            self._register.hold_queued(hold)

    # asked -----------------------------------------------------------------------------------------------------------

    def object_infos(self) -> dict[str, Mapping[str, Any]]:
        """Return the newest /object_info of each backend that has ever answered."""
        with self._lock:
            return {name: berth.info for name, berth in self._berths.items() if berth.info is not None}

    def bay(self, name: str) -> Bay:
        """Return one backend as the order needs it."""
        with self._lock:
            berth = self._berths[name]
            return Bay(name, berth.weight, berth.warm, free=berth.away is None and berth.ours == 0)

    def others(self, name: str) -> list[Bay]:
        """Return the other backends that take jobs now."""
        with self._lock:
            return [self.bay(each) for each, berth in self._berths.items() if each != name and berth.away is None]

    def can_run(self, name: str, turn: Turn) -> bool:
        """Return whether a backend has the nodes and models that a job needs, as far as it ever said."""
        return self._has(name, turn.id) and name not in self._register.store.barred(turn.id)

    def may_have(self, name: str, workflow: str) -> bool:
        """Return whether a backend has every tag that a workflow asks for, whatever else it lacks."""
        return self._berths[name].tags.issuperset(self._tags_for(workflow))

    def fits_nowhere(self, job_id: str) -> bool:
        """Return whether every backend is known, and none has what a job needs."""
        with self._lock:
            known = all(berth.info is not None for berth in self._berths.values())
        return known and not any(self._has(name, job_id) for name in self._berths)

    def another_can_run(self, name: str, job_id: str) -> bool:
        """Return whether another backend that answers now has what a job needs and may have it."""
        barred = self._register.store.barred(job_id)
        return any(self._has(bay.name, job_id) and bay.name not in barred for bay in self.others(name))

    def tell_unserved(self, turns: Iterable[Turn]) -> None:
        """Say on queued jobs that no backend that answers now can run them, and which one that is away could."""
        with self._lock:
            here = [name for name, berth in self._berths.items() if berth.away is None]
            away = [name for name, berth in self._berths.items() if berth.away is not None]
        for turn in turns if here and away else ():
            able = [name for name in away if self.can_run(name, turn)]
            if able and not any(self.can_run(name, turn) for name in here):
                title = f"Only {' or '.join(able)} can run it, and that backend takes nothing now."
                fix = "It goes on by itself once that backend does; `reeldrop status` says what keeps it."
                self._register.hold(turn.id, Hold(_BACKEND_AWAY, title, fix, utc_now()))

    def _has(self, name: str, job_id: str) -> bool:
        with self._lock:
            berth = self._berths[name]
        if berth.info is None:
            return False
        key = (name, berth.version, job_id)
        able = self._able.get(key)
        if able is None:
            able = self._fits(name, berth.info, job_id)
            if len(self._able) >= _REMEMBERED:
                self._able.clear()
            self._able[key] = able
        return able

    def _fits(self, name: str, info: Mapping[str, Any], job_id: str) -> bool:
        job, render = self._register.store.get(job_id), self._register.store.render(job_id)
        if job is None or render is None:
            return False
        references = {each["reference"] for each in render.uploads}
        problems = guard.check_graph(render.graph, references, guard.outputs_of(info), consent=job.consent is not None)
        if not self.may_have(name, job.workflow or ""):
            return False
        return not problems and fits(render.graph, info, references)

    def forget(self, job_id: str) -> None:
        """Judge a job anew: what it is to render has changed."""
        with self._lock:
            self._able = {key: able for key, able in self._able.items() if key[2] != job_id}


def _none_takes(berths: Collection[Berth]) -> Hold | None:
    holds = [(berth.name, berth.away) for berth in berths if berth.away is not None]
    if all(hold.code == "connecting" for _, hold in holds):
        return None
    title = "None of the backends takes jobs now: " + " ".join(f"{name}: {hold.title}" for name, hold in holds)
    codes = {hold.code for _, hold in holds}
    code = codes.pop() if len(codes) == 1 else "no_backend"
    return Hold(code, title, holds[0][1].fix, utc_now())

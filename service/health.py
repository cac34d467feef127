"""Health: what is said of a running daemon, from facts that somebody else has gathered; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.job import WANTED_HOLDS
from service.liveness import STALE_S, Pulse, late


class Verdict(StrEnum):
    """How something is: as it should be, worth a look, or broken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, in one sentence, and what to do where it isn't well."""

    name: str
    verdict: Verdict
    title: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as commands print it with --json."""
        return {"name": self.name, "verdict": str(self.verdict), "title": self.title, "fix": self.fix}


_START = "Start it with `reeldrop run`, or let `reeldrop service install` see to it."
_RESTART = "Restart it: what it was doing goes on at the next start. The log says what it did last."


def of_daemon(*, locked: bool, age_s: float | None, pulses: Mapping[str, Pulse]) -> Iterator[Finding]:
    """
    Yield whether the daemon lives and its threads move.

    `locked` says whether a process holds the lock of the state folder, `age_s` how old its newest heartbeat is (None:
    it has said nothing yet in this boot).
    """
    if not locked:
        yield Finding("daemon", Verdict.FAIL, "No daemon is running.", _START)
        return
    if age_s is None:
        yield Finding("daemon", Verdict.WARN, "The daemon has just begun.", "Ask again in a moment.")
        return
    if age_s > STALE_S:
        title = f"The daemon has said nothing for {age_s:.0f} seconds: it hangs, or its database can't be written."
        yield Finding("daemon", Verdict.FAIL, title, _RESTART)
        return
    yield Finding("daemon", Verdict.OK, "The daemon runs.")
    for name in late(pulses):
        title = f"{name} has not come round for {pulses[name].silent_s:.0f} seconds."
        yield Finding(f"thread {name}", Verdict.FAIL, title, _RESTART)


def of_notices(notices: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    """Yield what troubles the daemon itself: roots, file events, workflows."""
    for notice in notices:
        yield Finding("notice", Verdict.WARN, f"Since {notice['since']}: {notice['title']}", notice["fix"])


def of_backends(backends: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield how each backend is; one of several that is away is a warning, all of them are a failure."""
    away = [each for each in backends if each["answers"] is False]
    for each in backends:
        name = f"backend {each['name']}"
        if each["draining"]:
            fix = f"`reeldrop resume backend {each['name']}` ends it."
            yield Finding(name, Verdict.WARN, "It is paused: it takes nothing new.", fix)
        elif each["answers"] is False:
            verdict = Verdict.FAIL if len(away) == len(backends) else Verdict.WARN
            yield Finding(name, verdict, str(each["why"] or "It doesn't answer."), "Start ComfyUI there.")
        elif each["answers"]:
            yield Finding(name, Verdict.OK, f"{each['engine'] or 'It'} answers.")
        else:
            yield Finding(name, Verdict.WARN, "Nobody has asked it yet.", "Ask again in a moment.")


def of_holds(holds: Mapping[tuple[str, str, str], int]) -> Iterator[Finding]:
    """Yield why jobs don't go on, by (code, title, fix) of their hold with how many have it; ok if it is wanted so."""
    for (code, title, fix), jobs in sorted(holds.items(), key=lambda each: -each[1]):
        verdict = Verdict.OK if code in WANTED_HOLDS else Verdict.WARN
        yield Finding("held", verdict, f"{jobs} {'job' if jobs == 1 else 'jobs'}: {title}", fix)


def worst(findings: Sequence[Finding]) -> Verdict:
    """Return the worst verdict of all, ok where there is none."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.OK)

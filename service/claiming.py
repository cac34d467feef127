"""Claiming: drops that are ready are taken, many in one step of the disk and of the store, and handed on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from service.consideration import Ready
from service.drops import Candidate
from service.ending import Ending
from service.inbox.claim import ClaimLost, Claims, MembersChanged, Wanted
from service.inbox.record import Claim, Member
from service.named_media import NamedMedia
from service.reading import Reading
from service.settling import FileFacts
from service.sightings import Seen, Sightings
from service.store import Store
from service.syncing import Relay
from service.texts import word_of

LOG = logging.getLogger(__name__)
#: From so many on, what was claimed is handed on beside the next claims.
_MANY = 32


class Admitting(Protocol):
    """What takes claims over."""

    def admit_all(self, claims: Sequence[Claim]) -> None:
        """Make queued jobs of claims, or refuse them."""

    def foresee(self, task: str, grouping: str, name: str, readings: Sequence[Reading], job_id: str) -> dict[str, Any]:
        """Return what a claim must remember of the jobs that it will become."""


class Claiming:
    """Takes what is ready; `facts` gives what a look found of a file."""

    def __init__(
        self,
        claims: Claims,
        store: Store,
        sightings: Sightings,
        named: NamedMedia,
        ending: Ending,
        admission: Admitting,
        facts: Callable[[str], FileFacts | None],
    ) -> None:
        self._claims = claims
        self._store = store
        self._sightings = sightings
        self._named = named
        self._ending = ending
        self._admission = admission
        self._facts = facts
        self._relay: Relay | None = None

    def take(self, ready: Sequence[Ready], now: float) -> dict[str, OSError | None]:
        """
        Claim what is ready and hand it on; return the deciding files of what could not be taken now, with the trouble.

        What changed or went in the meantime is in it without one: it is to be looked at again.
        """
        seen = self._sightings.see_all([each.candidate for each in ready], now, show=False)
        failed: dict[str, OSError | None] = {each.candidate.members[0]: None for each in ready}
        drops = [each for each in ready if each.candidate.members[0] in seen]
        wanted = [self.wanted(each, seen[each.candidate.members[0]]) for each in drops]
        taken: list[tuple[Ready, Claim]] = []
        for each, answer in zip(drops, self._claims.make_all(wanted), strict=True):
            path = each.candidate.members[0]
            if isinstance(answer, Claim):
                taken.append((each, answer))
                del failed[path]
            elif isinstance(answer, OSError):
                failed[path] = answer
            elif isinstance(answer, ClaimLost | MembersChanged):
                LOG.info("%s: %s; it is looked at again", path, answer)
            else:
                raise answer
        self._remember(taken)
        for each, claim in taken:
            claim.known = (each.text, tuple(each.readings)) if each.readings else None
        self._hand_on([claim for _, claim in taken])
        return failed

    def finish(self) -> None:
        """Return when all that was claimed has been taken over."""
        if self._relay is not None:
            self._relay.finish()

    def _hand_on(self, claims: Sequence[Claim]) -> None:
        if len(claims) < _MANY:
            self.finish()
            self._admission.admit_all(claims)
            return
        # Half of the time of either is waiting for the disk: while these are queued the next ones are claimed.
        self._relay = self._relay or Relay()
        self._relay.hand_over(partial(self._admission.admit_all, claims))

    def wanted(self, ready: Ready, seen: Seen, name: str | None = None) -> Wanted:
        """Return what is to be claimed of a drop, and what its claim is to remember; `name` is what its jobs go by."""
        candidate = ready.candidate
        named = {key: _identity(self._facts(key)) for key in sorted(set(ready.found.values()))}
        record: dict[str, Any] = {
            "task": candidate.task,
            "grouping": candidate.grouping,
            "name": candidate.name,
            "kind": word_of(candidate),
            "job": seen.job,
            "found": dict(ready.found),
            "named": named,
            "animated": sorted(ready.animated),
            "problem": ready.problem.as_json() if ready.problem else None,
        }
        if ready.readings:
            called = name or candidate.name
            record |= self._admission.foresee(candidate.task, candidate.grouping, called, ready.readings, seen.job)
        return Wanted(seen.drop, self._members(candidate), record, candidate.folder)

    def _members(self, candidate: Candidate) -> list[Member]:
        found = [(path, self._facts(path)) for path in candidate.members]
        return [Member(path, facts) for path, facts in found if facts is not None and facts.kind == "file"]

    def _remember(self, taken: Sequence[tuple[Ready, Claim]]) -> None:
        with self._store.transaction():
            for each, claim in taken:
                kind = claim.record["kind"] if claim.record["kind"] != "again" else "job_file"
                members = list(each.candidate.members)
                self._store.mark_drop(claim.drop_id, claimed=True, members=members, kind=kind)
                if keys := set(each.found.values()):
                    self._store.name_by(claim.drop_id, keys)
        for each, claim in taken:
            for key in set(each.found.values()):
                if (facts := self._facts(key)) is not None:
                    self._named.remember(key, facts)
            self._named.forget(each.candidate.members[0])
            self._sightings.forget(each.candidate.members[0])
            self._ending.keep(claim)


def _identity(facts: FileFacts | None) -> Sequence[int]:
    """Return what tells a named file from another one later."""
    return [facts.size, facts.mtime_ns, facts.inode] if facts else [0, 0, 0]

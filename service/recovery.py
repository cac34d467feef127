"""Recovery: what an earlier life of the daemon left in claim folders and rows is taken up again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from service.ending import Ending
from service.errors import Problem, error_of
from service.inbox.claim import Claims
from service.inbox.record import Claim
from service.inbox.trust import check_drop
from service.job import LIVE, Drop, Hold, Job, State
from service.naming import clean, clean_folder
from service.register import Register
from service.store import Store, utc_now

LOG = logging.getLogger(__name__)
_CLAIM_GONE = Problem(
    "claim_gone",
    "The files of this job are gone from inbox/.reeldrop/claims/, so it can't go on.",
    "Drop them again, and leave inbox/.reeldrop/ to Reeldrop.",
)


def recover(
    store: Store,
    register: Register,
    claims: Claims,
    ending: Ending,
    admit: Callable[[Claim], None],
    backends: Collection[str],
) -> None:
    """Bring files, rows and claims together again; what was on its way goes on, nothing starts anew."""
    resumed = _usable(claims, claims.resume())
    in_folders = {claim.drop_id for claim in resumed} | {path.name.rpartition(".")[0] for path in claims.unresumed}
    for drop in store.claimed_drops():
        if drop.id not in in_folders:
            _close_without_claim(drop, store, register)
    for folder in claims.unresumed:
        _hold_unresumed(folder.name.rpartition(".")[0], store, register)
    for claim in resumed:
        _take_up(claim, store, register, ending, admit)
    for drop in store.waiting_drops():
        register.recall(drop.id)
    for job in store.in_states(State.RUNNING):
        if backends and job.backend not in backends:
            # The configuration has lost the backend that had it. Perhaps only its name: so it is looked for first.
            register.change(job.id, backend=min(backends))
    register.sweep()
    ending.close_all()
    ending.tidy()


def _usable(claims: Claims, resumed: list[Claim]) -> list[Claim]:
    """Return the claims that say enough of their drops; the others stay as they are, and are named."""
    usable: list[Claim] = []
    for claim in resumed:
        try:
            check_drop(claim.record)
        except ValueError as trouble:
            LOG.warning("claim %s can't be taken up: %s", claim.folder, trouble)
            claims.unresumed[claim.folder] = str(trouble)
        else:
            usable.append(claim)
    return usable


def _hold_unresumed(drop_id: str, store: Store, register: Register) -> None:
    title = "The record of this drop's claim in inbox/.reeldrop/claims/ can't be read or isn't as Reeldrop wrote it."
    fix = "Take its files out of the folder there and drop them again; the log names the folder and the reason."
    for job in store.of_drop(drop_id):
        if job.state is State.WAITING:
            register.hold(job.id, Hold("claim_odd", title, fix, utc_now()))


def _close_without_claim(drop: Drop, store: Store, register: Register) -> None:
    """Judge a drop that is claimed by its row alone: its files are back, or somebody has taken them away."""
    jobs = store.of_drop(drop.id)
    if any(job.state is State.WAITING for job in jobs):
        # The claim was undone: where its files lie again, the next look takes them for what they are.
        store.mark_drop(drop.id, claimed=False)
        return
    for job in jobs:
        if job.kind == "job" and job.state in LIVE:
            LOG.warning("%s: its claim folder is gone", job.name)
            register.move(job.id, State.FAILED, eta_seconds=None, error=error_of([_CLAIM_GONE]))
    # The files of what had ended were on their way back when we stopped; resuming the claims has brought them there.
    register.recall(drop.id)
    store.mark_drop(drop.id, returned_to="resumed")


def _take_up(claim: Claim, store: Store, register: Register, ending: Ending, admit: Callable[[Claim], None]) -> None:
    if store.drop(claim.drop_id) is None:
        # The database is younger than the claim: the folder alone tells what was dropped.
        register.see(_drop_of(claim), _waiting(claim))
    store.mark_drop(claim.drop_id, claimed=True)
    for path, (size, mtime_ns, _) in claim.record["named"].items():
        store.name_media(path, size, mtime_ns)
    register.recall(claim.drop_id)
    ending.keep(claim)
    if store.of_drop(claim.drop_id)[0].state is State.WAITING:
        admit(claim)


def _drop_of(claim: Claim) -> Drop:
    record = claim.record
    members = tuple(member.path for member in claim.members)
    return Drop(
        claim.drop_id, record["task"], clean_folder(record["grouping"]), clean(record["name"]), record["kind"], members
    )


def _waiting(claim: Claim) -> Job:
    at = utc_now()
    record = claim.record
    return Job(
        id=record["job"],
        drop=claim.drop_id,
        kind="job",
        batch=None,
        task=record["task"],
        grouping=clean_folder(record["grouping"]),
        name=record.get("outbox_name") or clean(record["name"]),
        state=State.WAITING,
        seen_at=at,
        updated_at=at,
    )

"""Recovery: what an earlier life of the daemon left in claim folders and rows is taken up again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

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
#: So many drops are shown, or admitted, in one step.
_TOGETHER = 100
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
    admit_all: Callable[[Sequence[Claim]], None],
    retried: Callable[[Claim], bool],
    backends: Collection[str],
) -> None:
    """
    Bring files, rows and claims together again; what was on its way goes on, nothing starts anew.

    `retried` goes on with a retry that a claim speaks of, and returns whether there was one.
    """
    resumed = _usable(claims, claims.resume())
    in_folders = {claim.drop_id for claim in resumed} | {path.name.rpartition(".")[0] for path in claims.unresumed}
    for drop in store.claimed_drops():
        if drop.id not in in_folders:
            _close_without_claim(drop, claims.returned.get(drop.id) or drop.record, store, register, ending)
    for folder in claims.unresumed:
        _hold_unresumed(folder.name.rpartition(".")[0], store, register)
    for claim in resumed:
        _keep(claim, store, register, ending)
    _recall([claim.drop_id for claim in resumed] + [drop.id for drop in store.waiting_drops()], register)
    _go_on(resumed, store, ending, admit_all, retried)
    for job in store.in_states(State.RUNNING):
        if backends and job.backend not in backends:
            # The configuration has lost the backend that had it. Perhaps only its name: so it is looked for first.
            register.change(job.id, backend=min(backends))
    register.sweep()
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


def _close_without_claim(
    drop: Drop, record: Mapping[str, Any] | None, store: Store, register: Register, ending: Ending
) -> None:
    """Judge a drop that is claimed by its row alone: its files are back, or somebody has taken them away."""
    jobs = store.of_drop(drop.id)
    if any(job.state is State.WAITING for job in jobs):
        # The claim was undone: where its files lie again, the next look takes them for what they are.
        with store.transaction():
            store.mark_drop(drop.id, claimed=False)
            store.unname(drop.id)
        return
    for job in jobs:
        if job.kind == "job" and job.state in LIVE:
            LOG.warning("%s: its claim folder is gone", job.name)
            register.move(job.id, State.FAILED, eta_seconds=None, error=error_of([_CLAIM_GONE]))
    # The files of what had ended were on their way back when we stopped; resuming the claims has brought them there.
    register.recall([drop.id])
    folder = (record or {}).get("returning", {}).get("folder")
    ending.settle(drop.id, folder or "resumed", record if folder else None)


def _keep(claim: Claim, store: Store, register: Register, ending: Ending) -> None:
    if store.drop(claim.drop_id) is None:
        # The database is younger than the claim: the folder alone tells what was dropped.
        drop = _drop_of(claim)
        name = claim.record.get("outbox_name") or register.free_name(drop, 1)
        register.see(drop, _waiting(claim, name))
    with store.transaction():
        # Its files are here, whatever was said of them before: a retry may just have brought them back.
        store.mark_drop(claim.drop_id, claimed=True, returned_to=None)
        store.name_by(claim.drop_id, list(claim.record["named"]))
        for path, (size, mtime_ns, _) in claim.record["named"].items():
            store.name_media(path, size, mtime_ns)
    ending.keep(claim)


def _recall(drop_ids: Sequence[str], register: Register) -> None:
    for start in range(0, len(drop_ids), _TOGETHER):
        register.recall(drop_ids[start : start + _TOGETHER])


def _go_on(
    claims: Sequence[Claim],
    store: Store,
    ending: Ending,
    admit_all: Callable[[Sequence[Claim]], None],
    retried: Callable[[Claim], bool],
) -> None:
    """Admit what waits, go on with what was being retried, close what is over."""
    waiting: list[Claim] = []
    for claim in claims:
        if store.of_drop(claim.drop_id)[0].state is State.WAITING:
            waiting.append(claim)
        elif not retried(claim):
            ending.close(claim.drop_id)
    for start in range(0, len(waiting), _TOGETHER):
        admit_all(waiting[start : start + _TOGETHER])


def _drop_of(claim: Claim) -> Drop:
    record = claim.record
    members = tuple(member.path for member in claim.members)
    # A drop that says "again" is written as what it was dropped as: a file that names the job.
    kind = "job_file" if record["kind"] == "again" else record["kind"]
    name = record.get("copied") or clean(record["name"])
    return Drop(claim.drop_id, record["task"], clean_folder(record["grouping"]), name, kind, members)


def _waiting(claim: Claim, name: str) -> Job:
    at = utc_now()
    record = claim.record
    return Job(
        id=record["job"],
        drop=claim.drop_id,
        kind="job",
        batch=None,
        task=record["task"],
        grouping=clean_folder(record["grouping"]),
        name=name,
        state=State.WAITING,
        seen_at=at,
        updated_at=at,
    )

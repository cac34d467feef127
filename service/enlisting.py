"""Enlisting: bound cells become rows with names of their own, many drops in one step of the store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.binding import BoundCell
from service.cells import base_of, names_at
from service.comfy.folders import models_of
from service.inbox.record import Claim
from service.job import Job, Render, State
from service.naming import clean
from service.register import Register
from service.sameness import Sameness
from service.store import ForbiddenMove, utc_now

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a claim is to become: its waiting row, and the jobs in its place."""

    claim: Claim
    job: Job
    cells: tuple[BoundCell, ...]


class Enlisting:
    """Gives names, finds results that are there already, writes rows and plans, and shows them."""

    def __init__(self, register: Register, sameness: Sameness) -> None:
        self._register = register
        self._store = register.store
        self._sameness = sameness

    def enlist(self, plans: Sequence[Plan]) -> tuple[list[Plan], list[Plan]]:
        """
        Queue what several claims are to become, all of it or nothing.

        Returns the plans that were left out, for their rows wait no more or are to be cancelled, and those that have
        nothing to render, for the same results lie in the outbox.
        """
        same = [self._same(plan) for plan in plans]
        left: list[Plan] = []
        names: list[tuple[Plan, str]] = []

        def act() -> list[Job]:
            listings: dict[str, frozenset[str]] = {}
            shown: list[Job] = []
            for plan, results in zip(plans, same, strict=True):
                try:
                    jobs = self._queue(plan, results, listings)
                except ForbiddenMove as moved:
                    LOG.info("%s; left as it is", moved)
                    left.append(plan)
                else:
                    shown += jobs
                    names.append((plan, jobs[0].name))
            return shown

        self._register.record(act)
        for plan, name in names:
            _remember(plan, name)
        over = [plan for plan, results in zip(plans, same, strict=True) if all(results) and plan not in left]
        return left, over

    def _same(self, plan: Plan) -> list[str | None]:
        return [
            self._sameness.result_of(bound.fingerprint)
            if bound.cell.is_seed_given and not bound.cell.settings.rerun
            else None
            for bound in plan.cells
        ]

    def _queue(self, plan: Plan, results: Sequence[str | None], listings: dict[str, frozenset[str]]) -> list[Job]:
        names = self._names(plan, listings)
        identities = plan.claim.record["jobs"]
        own = names[1:] or names
        at = utc_now()
        rows = [
            _row(plan, bound, identity["id"], name, same_as, at)
            for bound, identity, name, same_as in zip(plan.cells, identities, own, results, strict=True)
        ]
        if len(rows) > 1:
            rows = [_batch_row(plan, rows, names[0], at), *rows]
        first = self._store.queue(plan.job, rows)
        for bound, identity, same_as in zip(plan.cells, identities, results, strict=True):
            if same_as is None:
                self._store.plan(_render(bound, identity))
        return [first, *rows[1:]]

    def _names(self, plan: Plan, listings: dict[str, frozenset[str]]) -> list[str]:
        bases = [base_of(bound.cell.settings) for bound in plan.cells]
        if len(bases) == 1 and bases[0] is None:
            # Its row holds this name since it was first seen.
            return [plan.job.name]
        drop = self._store.drop(plan.claim.drop_id)
        assert drop is not None
        return self._register.free_names(drop, names_at(clean(drop.name), bases), listings)


def _row(plan: Plan, bound: BoundCell, identity: str, name: str, same_as: str | None, at: str) -> Job:
    reading = bound.cell.reading
    row = replace(
        plan.job,
        id=identity,
        batch=plan.job.id if len(plan.cells) > 1 else None,
        name=name,
        hold=None,
        workflow=reading.workflow.name,
        chosen=bound.chosen,
        consent=bound.consent,
        priority=bound.cell.settings.priority or 0,
        seed=bound.cell.seed,
        settings=dict(bound.settings),
        adjusted=list(bound.adjusted),
        inputs=[{"role": each.role, "file": each.file, "sha256": each.sha256} for each in bound.inputs],
        graph_hash=reading.workflow.graph_hash,
        models=models_of(bound.bound.graph),
        fingerprint=bound.fingerprint,
        updated_at=at,
    )
    if same_as is None:
        return replace(row, state=State.QUEUED, queued_at=at)
    stage = "the same result is there already"
    return replace(row, state=State.DONE, same_as=same_as, progress=1.0, stage=stage, finished_at=at)


def _batch_row(plan: Plan, rows: Sequence[Job], name: str, at: str) -> Job:
    ended = sum(row.state is State.DONE for row in rows)
    alike = {(row.workflow, row.chosen, row.graph_hash) for row in rows}
    workflow, chosen, graph_hash = alike.pop() if len(alike) == 1 else (None, None, None)
    inputs = {tuple(each.items()): each for row in rows for each in row.inputs}
    batch = replace(
        plan.job,
        kind="batch",
        name=name,
        state=State.QUEUED,
        workflow=workflow,
        chosen=chosen,
        graph_hash=graph_hash,
        inputs=list(inputs.values()),
        seed=rows[0].seed,
        progress=ended / len(rows),
        stage=f"{ended} of {len(rows)} ended",
        queued_at=at,
        updated_at=at,
    )
    return replace(batch, state=State.DONE, finished_at=at) if ended == len(rows) else batch


def _render(bound: BoundCell, identity: dict[str, str]) -> Render:
    uploads = [
        {"role": each.role, "where": each.where, "file": each.prepared, "reference": each.reference}
        for each in bound.inputs
    ]
    made = bound.bound
    return Render(
        identity["id"],
        identity["prompt_id"],
        dict(made.graph),
        made.output_node,
        made.expected,
        dict(made.weights),
        uploads,
        made.interpolation,
        made.parts,
    )


def _remember(plan: Plan, name: str) -> None:
    """Let the claim know the name too where it isn't the one that it foresaw: the database may be lost."""
    if plan.claim.record.get("outbox_name", plan.job.name) != name:
        try:
            plan.claim.save(outbox_name=name)
        except OSError as trouble:
            LOG.warning("%s: its claim can't be written now: %s", name, trouble)

"""Admission: a claimed drop becomes queued jobs, or goes back with every reason why not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from service import guard
from service.comfy import preflight
from service.crew import Crew
from service.disk_trouble import unavailable_of
from service.ending import Ending
from service.errors import Problem, Rejected, Unavailable, error_of, internal_problem
from service.examination import Examination, Input
from service.inbox.record import Claim
from service.job import Hold, Job, Render, State
from service.jobfile import JobSettings, expand
from service.naming import numbered
from service.reading import Dropped, Library, Missing, Reading, read
from service.register import Register
from service.store import utc_now
from service.workflow import Bound, bind

LOG = logging.getLogger(__name__)
_READ_BYTES = (1 << 20) + 1


class Admission:
    """Examines, binds, guards and queues; what has no media is done at once, the rest beside the intake thread."""

    def __init__(
        self,
        library: Library,
        register: Register,
        ending: Ending,
        examination: Examination,
        pool: Crew,
        *,
        object_info: Callable[[], Mapping[str, Any] | None],
        queued: Callable[[], None],
        new_id: Callable[[], str],
        new_prompt_id: Callable[[], str],
        draw_seed: Callable[[], int],
    ) -> None:
        self._library = library
        self._register = register
        self._store = register.store
        self._ending = ending
        self._examination = examination
        self._pool = pool
        self._object_info = object_info
        self._queued = queued
        self._new_id = new_id
        self._new_prompt_id = new_prompt_id
        self._draw_seed = draw_seed
        self._lock = threading.Lock()
        self._held: list[Claim] = []

    def admit(self, claim: Claim) -> None:
        """Admit a claim: drops without media on this thread, others in the pool, so that none waits for a decoder."""
        if claim.record["kind"] == "job_file" and len(claim.members) == 1 and not claim.record["shared"]:
            self._admit(claim)
        else:
            self._pool.submit(self._admit, claim)

    def retry_held(self) -> None:
        """Try again what could not be examined or screened for want of something of ours."""
        with self._lock:
            held, self._held = self._held, []
        for claim in held:
            self.admit(claim)

    @property
    def held(self) -> int:
        """Return how many claims wait for something of ours before they can be examined."""
        with self._lock:
            return len(self._held)

    def _admit(self, claim: Claim) -> None:
        job = self._store.of_drop(claim.drop_id)[0]
        if job.state is not State.WAITING:
            # An earlier life queued or ended it; only its return may be left to do.
            self._ending.close(claim.drop_id)
            return
        try:
            self._queue(claim, job)
        except Rejected as rejected:
            self._reject(job, rejected.problems)
        except Unavailable as away:
            self._hold(claim, job, away)
        except OSError as trouble:
            LOG.warning("%s: can't be admitted now: %s", job.name, trouble)
            self._hold(claim, job, unavailable_of(trouble))
        except Exception:  # a fault of ours fails the job, never the daemon
            LOG.exception("%s: a fault in Reeldrop while admitting it", job.name)
            self._reject(job, (internal_problem("taking it in"),))

    def _hold(self, claim: Claim, job: Job, away: Unavailable) -> None:
        self._register.hold(job.id, Hold(away.code, away.title, away.fix, utc_now()))
        with self._lock:
            self._held.append(claim)

    def _reject(self, job: Job, problems: tuple[Problem, ...]) -> None:
        self._ending.end(job.id, State.REJECTED, error=error_of(problems))

    def _queue(self, claim: Claim, job: Job) -> None:
        if claim.record["problem"]:
            raise Rejected(Problem(**claim.record["problem"]))
        reading = self._read(claim)
        roles = reading.workflow.roles
        inputs = [
            self._examination.examine(claim, role, file, roles[role], label=role)
            for role, file in reading.roles.items()
        ]
        drop = self._store.drop(claim.drop_id)
        assert drop is not None
        seed, cells = self._expand(claim, reading)
        identities = self._ids(claim, job, len(cells))
        bounds = [
            self._bind(reading, cell, inputs, identity["id"]) for cell, identity in zip(cells, identities, strict=True)
        ]
        name = claim.record.get("outbox_name") or self._register.free_name(drop, len(cells))
        # Saved before any of it is used: after a crash the same seed, ids and name are taken up again.
        claim.save(seed=seed, jobs=identities, outbox_name=name)
        self._save(claim, job, name, seed, reading, inputs, cells, bounds)
        self._queued()

    # what the drop asks for ------------------------------------------------------------------------------------------

    def _read(self, claim: Claim) -> Reading:
        record = claim.record
        names = [PurePosixPath(member.path).name for member in claim.members]
        text = None
        media = tuple(names)
        if record["kind"] != "media":
            with claim.file_of(claim.members[0].path).open("rb") as file:
                text = file.read(_READ_BYTES)
            media = tuple(names[1:])
        shared = {PurePosixPath(path).name: path for path in record["shared"].values()}
        dropped = Dropped(record["task"], record["grouping"], record["name"], record["kind"], text, media, shared)
        try:
            reading, *others = read(dropped, self._library)
        except Missing as missing:
            raise Rejected(Problem("media_missing", missing.title, missing.fix)) from None
        if others:
            raise Rejected(
                Problem("not_built_yet", "Several jobs in one file are not built yet.", "Drop several files.")
            )
        return reading

    def _expand(self, claim: Claim, reading: Reading) -> tuple[int, tuple[JobSettings, ...]]:
        settings = reading.settings
        seed = settings.seed if settings.seed is not None else claim.record.get("seed")
        if seed is None:
            seed = self._draw_seed()
        return seed, expand(settings.model_copy(update={"seed": seed}))

    def _ids(self, claim: Claim, job: Job, jobs: int) -> list[dict[str, str]]:
        """Return each job's id and prompt id: those that an earlier life saved in the claim, or new ones."""
        saved = claim.record.get("jobs")
        if saved and len(saved) == jobs:
            return list(saved)
        ids = [job.id] if jobs == 1 else [self._new_id() for _ in range(jobs)]
        return [{"id": identity, "prompt_id": self._new_prompt_id()} for identity in ids]

    # the graph -------------------------------------------------------------------------------------------------------

    def _bind(self, reading: Reading, cell: JobSettings, inputs: list[Input], job_id: str) -> Bound:
        assert cell.seed is not None
        references = {each.role: each.reference for each in inputs}
        bound = bind(
            reading.workflow,
            cell,
            cell.seed,
            references,
            f"reeldrop/{job_id}",
            self._library.defaults,
            {each.role: each.facts for each in inputs},
        )
        known = self._object_info()
        outputs_of = {name: entry.get("output", ()) for name, entry in known.items()} if known else None
        problems = guard.check_graph(bound.graph, list(references.values()), outputs_of)
        if not problems and known is not None:
            problems = preflight.check(bound.graph, known, uploads=set(references.values()))
        if problems:
            raise Rejected(*problems)
        return bound

    def _save(
        self,
        claim: Claim,
        job: Job,
        name: str,
        seed: int,
        reading: Reading,
        inputs: list[Input],
        cells: tuple[JobSettings, ...],
        bounds: list[Bound],
    ) -> None:
        shown = [{"role": each.role, "file": each.file, "sha256": each.sha256} for each in inputs]
        uploads = [
            {"role": each.role, "where": each.where, "file": each.prepared, "reference": each.reference}
            for each in inputs
        ]
        job = self._register.rename(job, name)
        job = replace(
            job,
            workflow=reading.workflow.name,
            chosen=reading.why,
            inputs=shown,
            graph_hash=reading.workflow.graph_hash,
            seed=seed,
        )
        identities = claim.record["jobs"]
        several = len(cells) > 1
        rows = [
            replace(
                job,
                id=identity["id"],
                batch=job.id if several else None,
                name=numbered(name, number) if several else name,
                state=State.QUEUED,
                queued_at=utc_now(),
                seed=cell.seed,
                settings=bound.settings,
                adjusted=[*reading.left_out, *bound.adjusted, *(line for each in inputs for line in each.adjusted)],
            )
            for number, (cell, bound, identity) in enumerate(zip(cells, bounds, identities, strict=True), start=1)
        ]
        with self._store.transaction():
            self._store.queue(job, rows)
            for bound, identity in zip(bounds, identities, strict=True):
                self._store.plan(_render(identity, bound, uploads))
        for queued in self._store.of_drop(claim.drop_id):
            self._register.show(queued)


def _render(identity: Mapping[str, str], bound: Bound, uploads: list[dict[str, str]]) -> Render:
    return Render(
        identity["id"],
        identity["prompt_id"],
        dict(bound.graph),
        bound.output_node,
        bound.expected,
        dict(bound.weights),
        uploads,
    )

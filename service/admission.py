"""Admission: a claimed drop becomes queued jobs, or goes back with every reason why not."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from service import guard
from service.comfy import preflight
from service.config import Config
from service.ending import Ending
from service.errors import Problem, Rejected, Unavailable, error_of, internal_problem
from service.examiner import Examiner
from service.inbox.claim import Claim
from service.job import Drop, Hold, Job, MediaFacts, MediaKind, Render, State
from service.jobfile import JobSettings, expand
from service.naming import numbered
from service.reading import Dropped, Library, Missing, Reading, read
from service.register import Register
from service.store import utc_now
from service.workflow import Bound, bind

LOG = logging.getLogger(__name__)
_READ_BYTES = (1 << 20) + 1


@dataclass(frozen=True)
class Input:
    """One examined picture or video: what it is and what will be uploaded in its place."""

    role: str
    file: str
    sha256: str
    facts: MediaFacts
    #: Where the bytes to upload lie: "work" (a base name in the drop's work folder) or "claim" (a member's path).
    where: str
    prepared: str
    #: What the server calls it once it is uploaded.
    reference: str


class Admission:
    """Examines, binds, guards and queues; what has no media is done at once, the rest beside the intake thread."""

    def __init__(
        self,
        config: Config,
        library: Library,
        register: Register,
        ending: Ending,
        examiner: Examiner,
        work: Path,
        pool: Executor,
        *,
        object_info: Callable[[], Mapping[str, Any] | None],
        queued: Callable[[], None],
        new_id: Callable[[], str],
        new_prompt_id: Callable[[], str],
        draw_seed: Callable[[], int],
    ) -> None:
        self._config = config
        self._library = library
        self._register = register
        self._store = register.store
        self._ending = ending
        self._examiner = examiner
        self._work = work
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
            self._register.hold(job.id, Hold(away.code, away.title, away.fix, utc_now()))
            with self._lock:
                self._held.append(claim)
        except Exception:  # a fault of ours fails the job, never the daemon
            LOG.exception("%s: a fault in Reeldrop while admitting it", job.name)
            self._reject(job, (internal_problem("taking it in"),))

    def _reject(self, job: Job, problems: tuple[Problem, ...]) -> None:
        self._ending.end(job.id, State.REJECTED, error=error_of(problems))

    def _queue(self, claim: Claim, job: Job) -> None:
        if claim.record["problem"]:
            raise Rejected(Problem(**claim.record["problem"]))
        reading = self._read(claim)
        inputs = [self._examine(claim, role, file, reading) for role, file in reading.roles.items()]
        drop = self._store.drop(claim.drop_id)
        assert drop is not None
        seed, cells = self._expand(claim, reading)
        bounds = [
            self._bind(reading, cell, inputs, identity["id"])
            for cell, identity in zip(cells, self._ids(claim, job, len(cells)), strict=True)
        ]
        name = claim.record.get("outbox_name") or self._register.free_name(drop, len(cells))
        claim.save(outbox_name=name)
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
        shared = {PurePosixPath(path).name for path in record["shared"].values()}
        dropped = Dropped(record["task"], record["name"], record["kind"], text, media, frozenset({*names, *shared}))
        try:
            return read(dropped, self._library)
        except Missing as missing:
            raise Rejected(Problem("media_missing", missing.title, missing.fix)) from None

    def _expand(self, claim: Claim, reading: Reading) -> tuple[int, tuple[JobSettings, ...]]:
        settings = reading.job.settings
        seed = settings.seed if settings.seed is not None else claim.record.get("seed")
        if seed is None:
            seed = self._draw_seed()
        claim.save(seed=seed)
        return seed, expand(settings.model_copy(update={"seed": seed}))

    def _ids(self, claim: Claim, job: Job, jobs: int) -> list[dict[str, str]]:
        """Return each job's id and prompt id; saved in the claim before anything uses them: a crash repeats the same."""
        saved = claim.record.get("jobs")
        if saved and len(saved) == jobs:
            return list(saved)
        ids = [job.id] if jobs == 1 else [self._new_id() for _ in range(jobs)]
        identities = [{"id": identity, "prompt_id": self._new_prompt_id()} for identity in ids]
        claim.save(jobs=identities)
        return identities

    # its media -------------------------------------------------------------------------------------------------------

    def _examine(self, claim: Claim, role: str, file: str, reading: Reading) -> Input:
        source = self._source(claim, role, file)
        facts = self._examiner.probe(source)
        wanted = reading.workflow.roles[role]
        if facts.kind is not wanted:
            title = f"{file} is a {facts.kind}, and {role} must be a {wanted}."
            raise Rejected(Problem("media_kind", title, f"Drop a {wanted} in its place."))
        screening = self._examiner.screen(source, facts)
        if screening.hit:
            raise Rejected(
                Problem(
                    "nudity_found",
                    f"{file} was screened as showing nudity (score {screening.score:.2f}, the limit is 0.50).",
                    "Use another picture; this task takes none with nudity.",
                )
            )
        where, prepared = "work", source.name
        if facts.kind is MediaKind.PICTURE:
            prepared = f"{role}.png"
            facts = self._examiner.prepare(source, self._folder(claim.drop_id) / prepared)
        elif role not in claim.record["shared"]:
            where, prepared = (
                "claim",
                next(member.path for member in claim.members if claim.file_of(member.path) == source),
            )
        reference = f"reeldrop/{claim.drop_id}/{role}{PurePosixPath(prepared).suffix.lower()} [temp]"
        with source.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        return Input(role, file, sha256, facts, where, prepared, reference)

    def _source(self, claim: Claim, role: str, file: str) -> Path:
        shared = claim.record["shared"].get(role)
        if shared is None:
            return next(
                claim.file_of(member.path) for member in claim.members if PurePosixPath(member.path).name == file
            )
        copy = self._folder(claim.drop_id) / f"shared-{role}{PurePosixPath(file).suffix}"
        if not copy.exists():
            part = copy.with_name(f".{copy.name}.part")
            try:
                shutil.copyfile(claim.inbox / shared, part)
            except FileNotFoundError:
                raise Rejected(
                    Problem("media_missing", f"{file} is gone.", "Drop it again, then the job file.")
                ) from None
            part.replace(copy)
        return copy

    def _folder(self, drop_id: str) -> Path:
        folder = self._work / drop_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

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
            self._config.workflow_defaults(),
            {each.role: each.facts for each in inputs},
        )
        known = self._object_info()
        outputs_of = {name: entry.get("output", ()) for name, entry in known.items()} if known else None
        problems = guard.check_graph(bound.graph, list(references.values()), outputs_of)
        if not problems and known is not None:
            problems = preflight.check(bound.graph, known)
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
        common = {
            "workflow": reading.workflow.name,
            "chosen": reading.why,
            "inputs": shown,
            "graph_hash": reading.workflow.graph_hash,
        }
        several = len(cells) > 1
        added: list[Job] = []
        job = self._register.rename(job, name)
        with self._store.transaction():
            if several:
                job = self._store.move(job.id, State.QUEUED, kind="batch", seed=seed, **common)
            for number, (cell, bound, identity) in enumerate(
                zip(cells, bounds, claim.record["jobs"], strict=True), start=1
            ):
                values = {**common, "seed": cell.seed, "settings": bound.settings, "adjusted": list(bound.adjusted)}
                if several:
                    row = replace(
                        job, id=identity["id"], kind="job", batch=job.id, name=numbered(name, number), **values
                    )
                    self._store.add(row)
                    added.append(row)
                render = Render(
                    identity["id"],
                    identity["prompt_id"],
                    dict(bound.graph),
                    bound.output_node,
                    bound.expected,
                    dict(bound.weights),
                    uploads,
                )
                self._store.plan(render)
                if not several:
                    job = self._store.move(job.id, State.QUEUED, **values)
        self._register.show(job)
        for row in added:
            self._register.show(row)


def drop_of_record(claim: Claim) -> Drop:
    """Return the drop that a claim folder describes, for a database that never saw it."""
    record = claim.record
    members = tuple(member.path for member in claim.members)
    return Drop(claim.drop_id, record["task"], record["grouping"], record["name"], record["kind"], members)

"""Responsibility: what the adult rules say of a job that is queued already, by the very graph that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service import adult
from service.adult_workflow import ADULT_WORKFLOW
from service.catalogue import Library
from service.errors import Problem
from service.guard import identity_nodes
from service.job import Job, Render
from service.judgement import tell
from service.store import Store


class Responsibility:
    """Asks the rules again where something is about to happen: the library and config.yaml may be others by now."""

    def __init__(self, library: Library, store: Store) -> None:
        self._library = library
        self._store = store

    def refusals(self, job: Job, render: Render) -> tuple[Problem, ...]:
        """Return why a job may not be sent now, whatever was found when it was queued."""
        problems, findings = adult.check_job(self._work(job, render), self._library.adult)
        tell(job.name, findings)
        return problems

    def is_screened(self, job: Job, render: Render | None = None) -> bool:
        """Say whether a job's previews and result are screened: all are, but for those of the adult workflow."""
        policy = self._library.adult
        if policy.screened or not adult.is_named_so(job.workflow, job.task):
            return True
        render = render or self._store.render(job.id)
        return render is None or not adult.is_adult(self._work(job, render), policy)

    def must_be_deleted(self, job: Job, render: Render) -> bool:
        """Say whether a result with nudity in it is no case for the quarantine: somebody real or young may be in it."""
        if job.inputs or render.uploads or identity_nodes(render.graph):
            return True
        return adult.may_show_somebody_young(self._work(job, render), self._age_files())

    def is_adult_media(self, tags: Mapping[str, str], sha256: str) -> bool:
        """Say whether a file is a result of the adult workflow, by its own words or because it was made here."""
        return adult.is_told_by(tags) or self._store.is_result_of(ADULT_WORKFLOW, sha256)

    def _work(self, job: Job, render: Render) -> adult.Work:
        flow = self._library.now().workflows.get(job.workflow or "")
        fields = flow.targets.items() if flow is not None else ()
        return adult.Work(
            workflow=job.workflow or "",
            task=job.task,
            template=flow.graph if flow is not None else {},
            template_hash=flow.graph_hash if flow is not None else "",
            graph=render.graph,
            fields={place: name for name, places in fields for place in places},
            settings=job.settings,
            references=frozenset(each["reference"] for each in render.uploads),
            names={"the job's name": job.name},
        )

    def _age_files(self) -> frozenset[str]:
        """Return the LoRAs that some workflow moves ages with, as `adult.key_of` makes them."""
        sliders = (getattr(flow.manifest, "sliders", None) for flow in self._library.now().workflows.values())
        return frozenset(adult.key_of(file) for each in sliders if (file := _file_of(each)) is not None)


def _file_of(sliders: Any) -> str | None:
    age = sliders.get("age") if isinstance(sliders, Mapping) else getattr(sliders, "age", None)
    return getattr(age, "file", None)

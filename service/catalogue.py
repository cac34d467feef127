"""The catalogue: every workflow and preset that is there, and which workflows each task tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from threading import Lock
from typing import Any

from service.adult import Policy
from service.errors import Problem
from service.families import FactsOf, nothing_known
from service.job import MediaKind
from service.jobs_in_file import MAX_JOBS
from service.presets import Preset
from service.workflow import Workflow


@dataclass
class Library:
    """
    The workflows and presets that are there, and each task's workflows in the order in which they are tried.

    Rooms that share one see it become another when workflows/ changes: `become` and `now` make that one step.
    """

    workflows: Mapping[str, Workflow]
    tasks: Mapping[str, Sequence[str]]
    #: What config.yaml says where a manifest is silent.
    defaults: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    #: The wordings of each wildcard.
    wildcards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: How many jobs one drop may ask for.
    max_cells: int = MAX_JOBS
    #: What the operator and the list of models say about adult content.
    adult: Policy = field(default_factory=Policy)
    #: Where to get model files, by "folder/name".
    sources: Mapping[str, str] = field(default_factory=dict)
    #: What is known of a model file, by its folder and name.
    facts_of: FactsOf = field(default=nothing_known, compare=False)
    #: Which workflows need a model file that `reeldrop models pull` can fetch, by "folder/name".
    pulls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Files that could not be taken, by name, and why; a workflow among them is as it was before.
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    #: Manifests that were drafted just now, by workflow: their files aren't written yet.
    drafts: Mapping[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def become(self, other: Library) -> None:
        """Hold from now on what another library holds."""
        with self._lock:
            for each in fields(self):
                if each.init:
                    setattr(self, each.name, getattr(other, each.name))
            self.__dict__.pop("prompted", None)

    def now(self) -> Library:
        """Return what it holds at this moment, which never changes any more."""
        with self._lock:
            return replace(self)

    def whereabouts(self, workflow: str) -> dict[str, str]:
        """Return where model files can be had, a sentence each by "folder/name", for who wants to run a workflow."""
        return {place: self._whereabouts(place, page, workflow) for place, page in self.sources.items()}

    def _whereabouts(self, place: str, page: str, workflow: str) -> str:
        if place not in self.pulls:
            return f"It is at {page}"
        what = workflow if workflow in self.pulls[place] else f"--file {place}"
        return f"It is at {page} and fetched by `reeldrop models pull {what}`."

    def of(self, task: str) -> list[Workflow]:
        """Return the task's workflows in order; those that its list names but nobody dropped are left out."""
        return [self.workflows[name] for name in self.tasks.get(task, ()) if name in self.workflows]

    @cached_property
    def prompted(self) -> frozenset[str]:
        """The tasks in which a text file is a prompt; nothing is known of those whose workflows aren't there."""
        return frozenset(
            task for task in self.tasks if not self.of(task) or any("prompt" in flow.fields for flow in self.of(task))
        )

    def tasks_for(self, kind: MediaKind) -> list[str]:
        """Return the tasks whose workflows take media of this kind."""
        return [task for task in self.tasks if any(kind in flow.roles.values() for flow in self.of(task))]

"""The catalogue: every workflow and preset that is there, and which workflows each task tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from service.job import MediaKind
from service.presets import Preset
from service.workflow import Workflow


@dataclass(frozen=True)
class Library:
    """The workflows and presets that are there, and each task's workflows in the order in which they are tried."""

    workflows: Mapping[str, Workflow]
    tasks: Mapping[str, Sequence[str]]
    #: What config.yaml says where a manifest is silent.
    defaults: Mapping[str, Any] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    #: Where to get model files, by "folder/name".
    sources: Mapping[str, str] = field(default_factory=dict)

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

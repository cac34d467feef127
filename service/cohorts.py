"""Cohorts: jobs of one workflow or on one model; where three in a row fail alike, only that group is held."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

#: So many same failures in a row hold a group.
FAILURES = 3
#: Failures that say nothing of a workflow or a model: the job's own files, somebody's wish, or a fault of ours.
OWN_FAULT = frozenset({
    "cancelled", "interrupted", "media_changed", "input_gone", "files_gone", "claim_gone", "internal",
    "server_disk_full", "nudity_found", "media_unreadable", "media_missing", "media_too_large", "media_kind",
    "media_empty", "not_built_yet",
})  # fmt: skip

Kind = Literal["workflow", "model"]
Name = tuple[Kind, str]


@dataclass(frozen=True)
class Cohort:
    """What is known of one group: how often in a row its jobs failed alike, how, and whether it is held for that."""

    kind: Kind
    name: str
    signature: str = ""
    failures: int = 0
    #: The workflow of all these failures, or None where there were several.
    workflow: str | None = None
    #: The newest failure in words.
    title: str = ""
    held: bool = False

    @property
    def key(self) -> Name:
        """By what it is found."""
        return self.kind, self.name


def names_of(workflow: str, models: Collection[str]) -> list[Name]:
    """Return the groups that a job belongs to."""
    return [("workflow", workflow), *(("model", name) for name in sorted(models))]


def after_success(known: Sequence[Cohort]) -> list[Cohort]:
    """Return what is known of a job's groups once it is done: whatever failed before, it can be done."""
    return [replace(each, signature="", failures=0, workflow=None, title="") for each in known]


def after_failure(known: Sequence[Cohort], workflow: str, signature: str, title: str) -> list[Cohort]:
    """
    Return what is known of a job's groups once it has failed.

    A third same failure in a row holds the workflow; a model only where its failures are not all of one workflow that
    is held for them: others may use it well.
    """
    counted = [_counted(each, workflow, signature, title) for each in known]
    full = {each.key for each in counted if each.failures >= FAILURES}
    guilty = ("workflow", workflow) in full

    def is_held(each: Cohort) -> bool:
        blamed = each.kind == "workflow" or each.workflow is None or not guilty
        return each.held or (each.key in full and blamed)

    return [replace(each, held=is_held(each)) for each in counted]


def _counted(cohort: Cohort, workflow: str, signature: str, title: str) -> Cohort:
    if cohort.signature != signature:
        return replace(cohort, signature=signature, failures=1, workflow=workflow, title=title)
    same = workflow if cohort.workflow == workflow else None
    return replace(cohort, failures=cohort.failures + 1, workflow=same, title=title)


def signature_of(code: str, node_class: str = "") -> str:
    """Return what two failures share when they are the same."""
    return f"{code} {node_class}".strip() if code == "node_failed" else code


def node_class_of(error: Mapping[str, Any]) -> str:
    """Return the class of the node that a status file's error names, or nothing."""
    found = re.search(r" at node \S+ \(([^()\s]+)\)", str(error.get("title", "")))
    return found[1] if found else ""


def held_words(cohort: Cohort) -> tuple[str, str]:
    """Return what jobs of a held group say: one sentence what, one sentence cure."""
    what = f"the workflow {cohort.name}" if cohort.kind == "workflow" else f"the model {cohort.name}"
    # The last failure's own words end with their full stop.
    title = f"{FAILURES} jobs in a row with {what} failed alike: {cohort.title}"
    return title, f"Mend that, then run `reeldrop resume {cohort.kind} {cohort.name}`."

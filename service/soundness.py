"""Soundness: which of a job's values the rules and a server look at, so that jobs alike in these are judged once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.comfy.options import spec_of
from service.errors import Problem
from service.jobfile import SEED_MAX
from service.workflow import Bound, Workflow

#: So many different sets of values are remembered for one workflow.
MAX_KEPT = 10_000


@dataclass
class Soundness:
    """What was found of one workflow on servers that say one thing of themselves."""

    workflow: Workflow
    known: Mapping[str, Any]
    #: The parameters whose values can be anything that a job may set: prompts where the node takes any text, seeds.
    free: frozenset[str]
    #: Whether the output's file name, which is another one in each job, is looked at by nobody.
    can_be_told: bool
    #: What was found of graphs with certain values of all others.
    verdicts: dict[Hashable, tuple[Problem, ...]] = field(default_factory=dict)

    def key(self, bound: Bound) -> Hashable:
        """Return what makes the verdict over a graph of this workflow: every value that anybody looks at."""
        values = tuple((name, repr(value)) for name, value in bound.settings.items() if name not in self.free)
        return (tuple(bound.graph), values)


def soundness_of(workflow: Workflow, known: Mapping[str, Any]) -> Soundness:
    """Return what there is to be found of a workflow on servers that answered `known` to object_info."""
    free = {
        name
        for name, targets in workflow.targets.items()
        if all(_is_free(workflow, known, node, key, whole=name == "seed") for node, key in targets)
        and (name == "seed" or workflow.manifest.parameters.declared()[name].type == "text")
    }
    output = workflow.manifest.output
    told = _is_free(workflow, known, output.node, output.prefix, whole=False)
    return Soundness(workflow, known, frozenset(free), told)


def _is_free(workflow: Workflow, known: Mapping[str, Any], node: str, key: str, *, whole: bool) -> bool:
    """Tell whether an input takes any text, or (whole) any seed; the guard looks at no value of a node it lets pass."""
    class_type = workflow.graph[node]["class_type"]
    entry = known.get(class_type)
    inputs = entry.get("input") if isinstance(entry, Mapping) else None
    sections = inputs.values() if isinstance(inputs, Mapping) else ()
    raws = [section[key] for section in sections if isinstance(section, Mapping) and key in section]
    spec = spec_of(class_type, key, raws[0]) if len(raws) == 1 else None
    if spec is None or spec.options is not None:
        return False
    if not whole:
        return spec.kind == "STRING"
    low = spec.minimum is None or spec.minimum <= 0
    return spec.kind == "INT" and low and (spec.maximum is None or spec.maximum >= SEED_MAX)

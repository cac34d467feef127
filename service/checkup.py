"""Checkup: would a job run with a workflow as it lies there? By the rules, and on each server that was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service import guard
from service.backend_keys import EMBEDDED
from service.comfy import preflight
from service.declaration import in_order
from service.errors import Problem, Rejected
from service.jobfile import JobSettings
from service.workflow import Workflow, bind


@dataclass(frozen=True)
class Finding:
    """What came of looking at one workflow: what the rules refuse, and by backend what is missing there."""

    refused: tuple[Problem, ...]
    lacking: Mapping[str, tuple[Problem, ...]]

    @property
    def able(self) -> list[str]:
        """The backends that can run it."""
        return [name for name, problems in self.lacking.items() if not problems and not self.refused]

    @property
    def sound(self) -> bool:
        """Whether it may run, and somebody can run it or nobody could be asked."""
        return not self.refused and (not self.lacking or bool(self.able))


def examine(
    flow: Workflow,
    infos: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Any],
    sources: Mapping[str, str],
) -> Finding:
    """Look at a workflow as a job would run it that has consent and sets only what it must."""
    references = {role: f"reeldrop/{role}" for role in flow.roles}
    try:
        graph = bind(flow, _least(flow), 1, references, "reeldrop/x", defaults).graph
    except Rejected as refusal:
        return Finding(tuple(in_order(refusal.problems)), {})
    files = set(references.values())
    # What unknown classes give out only servers know; each of them counts, for any may get the job.
    told = [guard.outputs_of(info) for info in infos.values()]
    refused = [guard.check_graph(graph, files, each, consent=True, unseen=True) for each in told or [{}]]
    lacking = {
        name: preflight.check(graph, info, uploads=files, sources=sources, embedded=name == EMBEDDED)
        for name, info in infos.items()
    }
    return Finding(tuple(dict.fromkeys(problem for each in refused for problem in each)), lacking)


def _least(flow: Workflow) -> JobSettings:
    """Return the settings of a job that sets no more than it must."""
    asked: dict[str, Any] = {}
    for name, parameter in flow.manifest.parameters.declared().items():
        if parameter.required:
            node, key = flow.targets[name][0]
            asked[name] = parameter.default if parameter.default is not None else flow.graph[node]["inputs"][key]
            if name == "prompt":
                asked[name] = asked[name] or "a harbour"
    return JobSettings.model_construct(_fields_set=set(asked), **{**dict.fromkeys(JobSettings.model_fields), **asked})

"""Binding: each cell of a drop gets its graph, and the rules judge every one; a single refusal refuses the drop."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service import guard
from service.cells import Cell, fingerprint_of, told_of
from service.comfy import preflight
from service.comfy.folders import models_of
from service.errors import Problem, Rejected
from service.examination import Input
from service.job import MediaKind
from service.reading import Library, Reading
from service.soundness import MAX_PASSED, Soundness, soundness_of
from service.workflow import Bound, Workflow, bind


@dataclass(frozen=True)
class BoundCell:
    """One job with the graph that it runs and everything that its row says of it."""

    cell: Cell
    bound: Bound
    inputs: tuple[Input, ...]
    settings: Mapping[str, Any]
    adjusted: tuple[str, ...]
    fingerprint: str


class Binding:
    """Makes graphs from cells; what servers can do is asked once for as long as they say the same."""

    def __init__(
        self, library: Library, object_info: Callable[[], Mapping[str, Any] | None], *, embedded: bool
    ) -> None:
        self._library = library
        self._object_info = object_info
        self._engine = "embedded" if embedded else "comfyui"
        self._sound: dict[str, Soundness] = {}
        self._told: tuple[Mapping[str, Any], Mapping[str, Sequence[str]]] | None = None

    def bind(
        self, cells: Sequence[Cell], examined: Mapping[tuple[str, MediaKind], Input], ids: Sequence[str]
    ) -> list[BoundCell]:
        """Return each cell with its graph; `ids` are the jobs' ids. Raises Rejected with the reasons of all cells."""
        problems: list[tuple[Cell, Problem]] = []
        made: list[BoundCell] = []
        for cell, identity in zip(cells, ids, strict=True):
            try:
                made.append(self._bind(cell, examined, identity))
            except Rejected as refused:
                problems += [(cell, problem) for problem in refused.problems]
        if problems:
            raise Rejected(*told_of(problems, several=cells[-1].reading.number > 0))
        return made

    def _bind(self, cell: Cell, examined: Mapping[tuple[str, MediaKind], Input], identity: str) -> BoundCell:
        reading = cell.reading
        kinds = reading.workflow.roles
        inputs = tuple(replace(examined[file, kinds[role]], role=role) for role, file in reading.roles.items())
        references = {each.role: each.reference for each in inputs}
        facts = {each.role: each.facts for each in inputs}
        prefix = f"reeldrop/{identity}"
        defaults = self._library.defaults
        bound = bind(reading.workflow, cell.settings, cell.seed, references, prefix, defaults, facts)
        self._judge(reading, bound, references)
        settings = {**bound.settings, **_unresolved(cell)}
        return BoundCell(
            cell,
            bound,
            inputs,
            settings,
            (*reading.left_out, *bound.adjusted, *(line for each in inputs for line in each.adjusted)),
            fingerprint_of(
                reading.workflow.graph_hash,
                settings,
                {each.role: each.sha256 for each in inputs},
                models_of(bound.graph),
                self._engine,
            ),
        )

    def _judge(self, reading: Reading, bound: Bound, references: Mapping[str, str]) -> None:
        """Raise Rejected unless the graph may run; what differs only in what no rule looks at isn't judged again."""
        known = self._object_info()
        sound = self._soundness_of(reading.workflow, known) if known is not None and not references else None
        key = sound.key(bound) if sound else None
        if sound is not None and key in sound.passed:
            return
        problems = guard.check_graph(bound.graph, list(references.values()), self._outputs_of(known))
        if not problems and known is not None:
            problems = preflight.check(bound.graph, known, uploads=set(references.values()))
        if problems:
            raise Rejected(*(_in_the_jobs_words(problem, reading) for problem in problems))
        if sound is not None and key is not None and len(sound.passed) < MAX_PASSED:
            sound.passed.add(key)

    def _soundness_of(self, workflow: Workflow, known: Mapping[str, Any]) -> Soundness | None:
        found = self._sound.get(workflow.name)
        if found is None or found.workflow is not workflow or found.known is not known:
            found = soundness_of(workflow, known)
            self._sound[workflow.name] = found
        return found if found.can_be_told else None

    def _outputs_of(self, known: Mapping[str, Any] | None) -> Mapping[str, Sequence[str]] | None:
        if known is None:
            return None
        if self._told is None or self._told[0] is not known:
            self._told = (known, guard.outputs_of(known))
        return self._told[1]


def _unresolved(cell: Cell) -> dict[str, Any]:
    """Return what a job asks for beside what goes into its graph."""
    asked: dict[str, Any] = {}
    if cell.reading.preset is not None:
        asked["preset"] = cell.reading.preset
    output = cell.settings.output
    if output is not None and output.metadata != "full":
        asked["output"] = {"metadata": output.metadata}
    return asked


def _in_the_jobs_words(problem: Problem, reading: Reading) -> Problem:
    """A value that the job gave is named by its field and its place, not by the node that would have got it."""
    asked = reading.settings.asked()
    for name, parameter in reading.workflow.manifest.parameters.declared().items():
        if name in asked and any(problem.field == f"{to.node}.{to.input}" for to in parameter.to):
            title = re.sub(r"^At node \S+ \([^)]*\) \S+", name, problem.title)
            title = re.sub(r", which node .* needs\.$", f", which {name} names.", title)
            return reading.job.placed([replace(problem, title=title, field=name)], reading.number)[0]
    return problem

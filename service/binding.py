"""Binding: each cell of a drop gets its graph, and the rules judge every one; a single refusal refuses the drop."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.cells import Cell, base_of, fingerprint_of, told_of
from service.comfy.folders import models_of
from service.errors import Problem, Rejected
from service.examination import Input
from service.job import MediaKind
from service.judgement import Graph, Infos, Judgement, why_chosen
from service.loras import node_of
from service.media import encodings
from service.reading import Library, Reading
from service.workflow import Bound, bind


@dataclass(frozen=True)
class BoundCell:
    """One job with the graph that it runs and everything that its row says of it."""

    cell: Cell
    bound: Bound
    inputs: tuple[Input, ...]
    settings: Mapping[str, Any]
    adjusted: tuple[str, ...]
    fingerprint: str
    #: Which workflow and why, with the backends that can run it.
    chosen: str
    consent: dict[str, Any] | None = None


@dataclass(frozen=True)
class Dropping:
    """Where a drop was put down: its task folder, and its name."""

    task: str
    name: str


#: Tells the record of a cell's consent, or None; it is given with the media that the cell shows.
ConsentOf = Callable[[Cell, Sequence[Input]], dict[str, Any] | None]


def _nobodys(_cell: Cell, _inputs: Sequence[Input]) -> None:
    return None


class Binding:
    """Makes graphs from cells, each judged by the rules and by what the servers have."""

    def __init__(self, library: Library, infos: Infos, *, embedded: bool) -> None:
        self._library = library
        self._engine = "embedded" if embedded else "comfyui"
        self._judgement = Judgement(library, infos)

    def preferred(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return each job read by the first of its task's workflows that takes it and that a backend can run."""
        return [self._judgement.preferred(reading) for reading in readings]

    def bind(
        self,
        cells: Sequence[Cell],
        examined: Mapping[tuple[str, MediaKind], Input],
        ids: Sequence[str],
        consent: ConsentOf = _nobodys,
        drop: Dropping | None = None,
    ) -> list[BoundCell]:
        """
        Return each cell with its graph; `ids` are the jobs' ids, `consent` tells the record of a cell's consent.

        `drop` says where it was dropped; without it each cell counts as dropped in its workflow's own folder.

        Raises Rejected with the reasons of all cells.
        """
        problems: list[tuple[Cell, Problem]] = []
        made: list[BoundCell] = []
        for cell, identity in zip(cells, ids, strict=True):
            try:
                made.append(self._bind(cell, examined, identity, consent, drop))
            except Rejected as refused:
                problems += [(cell, problem) for problem in refused.problems]
        if problems:
            raise Rejected(*told_of(problems, several=_several(cells)))
        return made

    def _bind(
        self,
        cell: Cell,
        examined: Mapping[tuple[str, MediaKind], Input],
        identity: str,
        consent: ConsentOf,
        drop: Dropping | None,
    ) -> BoundCell:
        reading = cell.reading
        kinds = reading.workflow.roles
        inputs = tuple(replace(examined[file, kinds[role]], role=role) for role, file in reading.roles.items())
        references = {each.role: each.reference for each in inputs}
        facts = {each.role: each.facts for each in inputs}
        prefix = f"reeldrop/{identity}"
        defaults = self._library.defaults
        facts_of = self._library.facts_of
        bound = bind(reading.workflow, cell.settings, cell.seed, references, prefix, defaults, facts, facts_of)
        agreed = consent(cell, inputs)
        graph = Graph(
            reading.workflow,
            bound,
            frozenset(references.values()),
            agreed is not None,
            drop.task if drop is not None else None,
            cell.settings.model_dump(exclude_none=True),
            _names(cell, drop),
        )
        try:
            able = self._judgement.able(graph)
        except Rejected as refused:
            raise Rejected(*(_in_the_jobs_words(problem, reading) for problem in refused.problems)) from None
        settings = {**bound.settings, **_unresolved(cell, defaults)}
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
            why_chosen(reading.why, able),
            agreed,
        )


def _names(cell: Cell, drop: Dropping | None) -> dict[str, str]:
    names = {"the job's name": drop.name if drop is not None else None, "output.name": base_of(cell.settings)}
    return {field: name for field, name in names.items() if name is not None}


def _several(cells: Sequence[Cell]) -> bool:
    """Whether the file holds more than one job as it is written."""
    reading = cells[-1].reading
    return reading.job.written_as(reading.number) > 0


def _unresolved(cell: Cell, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a job asks for beside what goes into its graph."""
    asked: dict[str, Any] = {}
    if cell.reading.preset is not None:
        asked["preset"] = cell.reading.preset
    if wish := _delivery(cell, defaults):
        asked["output"] = wish
    if cell.settings.shrink is False:
        asked["shrink"] = False
    return asked


#: What needn't be said of a result's file.
_USUAL = (("metadata", "full"), ("audio", "keep"))


def _delivery(cell: Cell, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a job's result is delivered, where that differs from an MP4 in H.264 with everything in it."""
    output = cell.settings.output
    said = output.model_dump(exclude_none=True, exclude={"name"}) if output is not None else {}
    said = {
        name: value for name, value in said.items() if (name, value) not in (("metadata", "full"), ("audio", "keep"))
    }
    kind = said.pop("format", None) or defaults.get("video_format", "mp4")
    codec = said.pop("codec", None) or defaults.get("video_codec", "libx264")
    if encodings.codec_of(codec) not in encodings.CODECS[kind]:
        # What config.yaml names is for the formats that take it; a job's own words were checked together.
        codec = encodings.CODECS[kind][0] if encodings.CODECS[kind] else None
    usual = kind == "mp4" and codec in ("libx264", "h264")
    return said if usual else {**said, "format": kind, **({"codec": codec} if codec else {})}


def _in_the_jobs_words(problem: Problem, reading: Reading) -> Problem:
    """A value that the job gave is named by its field and its place, not by the node that would have got it."""
    asked = reading.settings.asked()
    if problem.code == "consent_missing" and reading.job.again:
        fix = "Drop its job file with consent: true: a status file or a result can't give it."
        return replace(problem, fix=fix)
    if problem.field in asked:
        return reading.job.placed([problem], reading.number)[0]
    for name, inputs in _inputs_of(asked, reading).items():
        if problem.field in inputs:
            title = re.sub(r"^At node \S+ \([^)]*\) \S+", name, problem.title)
            title = re.sub(r", which node .* needs\.$", f", which {name} names.", title)
            return reading.job.placed([replace(problem, title=title, field=name)], reading.number)[0]
    return problem


def _inputs_of(asked: Mapping[str, Any], reading: Reading) -> dict[str, set[str]]:
    """Return which inputs of the graph each field of the job goes to, as node.input."""
    parameters = reading.workflow.manifest.parameters.declared()
    found = {name: {f"{to.node}.{to.input}" for to in parameters[name].to} for name in parameters if name in asked}
    inputs = ("lora_name", "strength_model", "strength_clip")
    for name in vars(asked["sliders"]) if "sliders" in asked else ():
        found[f"sliders.{name}"] = {f"{node_of(name)}.{key}" for key in inputs}
    if "loras" in asked:
        numbers = range(1, len(asked["loras"]) + 1)
        found["loras"] = {f"{node_of(str(number))}.{key}" for number in numbers for key in inputs}
    return found

"""Judgement: may a graph run by the rules, and which backends have what it needs? A single refusal refuses the drop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from service import adult, guard
from service.backend_keys import EMBEDDED
from service.comfy import preflight
from service.errors import Problem, Rejected
from service.prompt_rules import Finding
from service.reading import Library, Reading
from service.soundness import MAX_KEPT, Soundness, soundness_of
from service.workflow import Bound, Workflow, bind

LOG = logging.getLogger(__name__)
#: Backend name → its newest object_info; empty while none was seen.
Infos = Callable[[], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Graph:
    """One graph to be judged: whose it is, the references of its own files, whether the job has consent."""

    workflow: Workflow
    bound: Bound
    references: frozenset[str]
    consent: bool
    #: The folder that the job was dropped in; its workflow's own unless given.
    task: str | None = None
    #: What the job sets, and what its result is to be called.
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Judgement:
    """Judges graphs; what differs only in what no rule looks at is judged once, as long as servers say the same."""

    def __init__(self, library: Library, infos: Infos) -> None:
        self._library = library
        self._infos = infos
        self._sound: dict[tuple[str, str], Soundness] = {}
        self._told: dict[str, tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]] = {}

    def able(self, graph: Graph) -> list[str]:
        """
        Return the backends that can run a graph, none where none was seen yet.

        Raises Rejected where it may not run, or no backend that was seen can: with what all of them lack, or, where
        each lacks something else, with everything and where.
        """
        refused = self._refused(graph)
        try:
            able = self._able(graph)
        except Rejected as others:
            raise Rejected(*refused, *others.problems) from None
        if refused:
            raise Rejected(*refused)
        return able

    def _refused(self, graph: Graph) -> tuple[Problem, ...]:
        """Return what the adult rules and those about words have against a job, and log the words."""
        problems, findings = adult.check_job(work_of(graph), self._library.adult)
        tell(next(iter(graph.names.values()), graph.workflow.name), findings)
        return problems

    def _able(self, graph: Graph) -> list[str]:
        known = self._infos()
        verdicts = {name: self._verdict(graph, name, info) for name, info in known.items()}
        if not verdicts:
            # Before anything is sent it is judged once more, by what the server says then.
            nodes, references = graph.bound.graph, graph.references
            verdicts = {"": guard.check_graph(nodes, references, None, consent=graph.consent, unseen=True)}
        able = [name for name, problems in verdicts.items() if not problems]
        if not able:
            raise Rejected(*_in_one_answer(verdicts))
        return able if known else []

    def preferred(self, reading: Reading) -> Reading:
        """Return the first reading of a job, among its own and those by later workflows, that a backend can run."""
        known = self._infos() if reading.others else {}
        for each in (reading, *reading.others) if known else ():
            graph = self._trial(each)
            if graph and any(not self._verdict(graph, name, info) for name, info in known.items()):
                return each
        return reading

    def _trial(self, reading: Reading) -> Graph | None:
        """Return a graph like the one that the job will run, before its media were looked at."""
        references = {role: f"reeldrop/{role}" for role in reading.roles}
        settings = reading.settings.model_copy(update={"count": None})
        seed = settings.seed or 0
        try:
            made = bind(reading.workflow, settings, seed, references, "reeldrop/x", self._library.defaults)
        except Rejected:
            return None
        # Only what servers have is asked here: whether it may run is asked of the graph that will.
        return Graph(reading.workflow, made, frozenset(references.values()), consent=True)

    def _verdict(self, graph: Graph, name: str, known: Mapping[str, Any]) -> tuple[Problem, ...]:
        sound = self._soundness_of(graph.workflow, name, known) if not graph.references else None
        key = (graph.consent, sound.key(graph.bound)) if sound else None
        if sound is not None and key in sound.verdicts:
            return sound.verdicts[key]
        nodes = graph.bound.graph
        told = self._outputs_of(name, known)
        # A class that this server lacks is missing, which is told; nobody knows what it would give out.
        problems = guard.check_graph(nodes, graph.references, told, consent=graph.consent, unseen=True)
        where, embedded = self._library.whereabouts(graph.workflow.name), name == EMBEDDED
        lacking = preflight.check(nodes, known, uploads=graph.references, sources=where, embedded=embedded)
        verdict = tuple(dict.fromkeys((*problems, *lacking)))
        if sound is not None and key is not None and len(sound.verdicts) < MAX_KEPT:
            sound.verdicts[key] = verdict
        return verdict

    def _soundness_of(self, workflow: Workflow, name: str, known: Mapping[str, Any]) -> Soundness | None:
        found = self._sound.get((workflow.name, name))
        if found is None or found.workflow is not workflow or found.known is not known:
            found = soundness_of(workflow, known)
            self._sound[workflow.name, name] = found
        return found if found.can_be_told else None

    def _outputs_of(self, name: str, known: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        told = self._told.get(name)
        if told is None or told[0] is not known:
            told = self._told[name] = (known, guard.outputs_of(known))
        return told[1]


def work_of(graph: Graph) -> adult.Work:
    """Return a graph with what the adult rules ask of its job."""
    flow = graph.workflow
    return adult.Work(
        workflow=flow.name,
        task=flow.task if graph.task is None else graph.task,
        template=flow.graph,
        template_hash=flow.graph_hash,
        graph=graph.bound.graph,
        fields={place: name for name, places in flow.targets.items() for place in places},
        settings=graph.settings,
        references=graph.references,
        names=graph.names,
    )


def tell(job: str, findings: Sequence[Finding]) -> None:
    """Tell the operator, and nobody else, which word of a job broke which rule."""
    for each in findings:
        LOG.warning("%s: refused for %s in %s: %r", job, each.category, each.field, each.term[:80])


def why_chosen(why: str, able: Sequence[str]) -> str:
    """Return why a workflow was chosen, with the backends that can run it."""
    if not able:
        return why
    names = f"{', '.join(able[:-1])} and {able[-1]}" if len(able) > 1 else able[0]
    if why.startswith("first of"):
        return f"{why}{' and' if ' that ' in why else ''} that {names} can run"
    return f"{why}; {names} can run it"


def _in_one_answer(verdicts: Mapping[str, Sequence[Problem]]) -> tuple[Problem, ...]:
    """Return what all backends have against a graph, or, if they agree in nothing, what each has."""
    first, *others = verdicts.values()
    shared = tuple(problem for problem in first if all(problem in each for each in others))
    if shared or len(verdicts) == 1:
        return shared
    return tuple(
        replace(problem, title=f"{name}: {problem.title}") for name, each in verdicts.items() for problem in each
    )

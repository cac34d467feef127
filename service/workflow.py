"""A workflow is a graph and its manifest: which one a job gets, what is wrong with the job for it, the graph to run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service import expectation, guard, switching
from service import graph as graphs
from service.adult_workflow import ADULT_TASK, ADULT_WORKFLOW, GRAPH_HASH, guarded
from service.declaration import did_you_mean, in_order
from service.errors import Problem, Rejected
from service.families import FactsOf, nothing_known, unfit
from service.job import Expected, MediaFacts, MediaKind, Parts
from service.jobfile import JobSettings, Sliders
from service.loras import Wanted, chain, wanted
from service.manifest import Manifest, read_manifest
from service.manifest_fit import Fit
from service.manifest_loras import FOLDER
from service.resolving import Question, Resolved, resolve

#: Job fields that every workflow takes, because they never reach the graph.
OUTSIDE = frozenset({
    "workflow", "count", "matrix", "preset", "priority", "output", "rerun", "consent", "shrink", "start_at", "every",
})  # fmt: skip


@dataclass(frozen=True)
class Workflow:
    """One workflow; the graph is its file's and never changed."""

    name: str
    title: str
    task: str
    graph: graphs.Graph
    manifest: Manifest
    graph_hash: str
    roles: Mapping[str, MediaKind]
    required_roles: frozenset[str]
    needs_prompt: bool
    #: Whether its graph as it lies there transfers an identity; the graph that runs is judged by itself.
    needs_consent: bool
    #: Every job field that it takes, media roles included.
    fields: frozenset[str]
    #: Where each parameter goes, as (node, input).
    targets: Mapping[str, tuple[tuple[str, str], ...]]
    #: The input, as (node, input), that says how many frames of the video are passed over, where it can be in parts.
    skip: tuple[str, str] | None = None


@dataclass(frozen=True)
class Bound:
    """A graph to run, and what is to come out of it."""

    graph: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    adjusted: list[str]
    expected: Expected
    output_node: str
    #: Each node's share of the time; they add up to 1. Empty where the manifest doesn't say.
    weights: Mapping[str, float] = field(default_factory=dict)
    #: How many times more frames a second are to be made of the result.
    interpolation: int = 1
    #: Where it is too long for one prompt; the graph is the first part's.
    parts: Parts | None = None


def parse(name: str, graph: bytes, manifest: bytes) -> Workflow:
    """Read a workflow's two files; raise Rejected with everything that is wrong with them or between them."""
    nodes = graphs.parse(graph)
    described, document = read_manifest(manifest)
    fit = Fit(nodes, document)
    targets, skip = fit.targets(described), fit.skip(described)
    fit.check(described)
    if fit.problems:
        raise Rejected(*in_order(fit.problems))
    made = _workflow(name, nodes, described, targets, skip)
    _check_adult(made)
    return made


def check(workflow: Workflow, settings: JobSettings, defaults: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
    """Return every problem that a job's settings have with a workflow: fields it lacks, limits, a missing prompt."""
    resolved = _resolve(workflow, settings.asked(), defaults or {}, None)
    loras = _loras(workflow, settings, defaults or {}, nothing_known)
    return (*_unfit(workflow, settings.parts()), *resolved.problems, *loras.problems)


def bind(
    workflow: Workflow,
    settings: JobSettings,
    seed: int,
    media: Mapping[str, str],
    prefix: str,
    defaults: Mapping[str, Any],
    media_facts: Mapping[str, MediaFacts] | None = None,
    facts_of: FactsOf = nothing_known,
) -> Bound:
    """
    Return the graph that a job runs, a copy with everything in its place.

    `media` maps each role to the server's reference of its file, `prefix` is the output's file name, unique for the
    job; `defaults` are what config.yaml says where the manifest is silent; `media_facts` lets sizes follow a picture,
    and what is expected of the result follow a video; `facts_of` tells of model files what family they are.
    Raises Rejected with every problem that check would name; that every job has a seed is none, even where the workflow
    takes no seed.
    """
    asked, names = settings.asked(), settings.parts()
    if "seed" not in workflow.fields:
        asked.pop("seed", None)
        names.discard("seed")
    resolved = _resolve(workflow, {**asked, "seed": seed}, defaults, media_facts)
    loras = _loras(workflow, settings, defaults, facts_of)
    problems = [*_unfit(workflow, names), *resolved.problems, *loras.problems]
    problems += unfit(workflow.name, workflow.manifest.family, _models(resolved.values, loras), facts_of)
    missing = sorted(workflow.required_roles - set(media))
    if problems or missing:
        raise Rejected(*problems, *(media_missing(workflow, role) for role in missing))
    # As deep as anything is put into it: what links and values hold themselves is never changed.
    graph = {name: {**node, "inputs": dict(node["inputs"])} for name, node in workflow.graph.items()}
    for name, value in resolved.values.items():
        for node, key in workflow.targets[name]:
            graph[node]["inputs"][key] = guarded(workflow.name, name, value)
    for role, declared in workflow.manifest.media.declared().items():
        if role in media:
            graph[declared.node]["inputs"][declared.input] = media[role]
    silent = {role for role, each in (media_facts or {}).items() if not each.audio}
    loaders = {declared.node for role, declared in workflow.manifest.media.declared().items() if role in silent}
    switching.leave_out_sound(graph, loaders)
    switches = switching.states_of(workflow.manifest, asked.get("switches", {}), media)
    switching.configure(graph, workflow.manifest, defaults)
    switching.leave_out(graph, workflow.manifest, switches)
    output = workflow.manifest.output
    graph[output.node]["inputs"][output.prefix] = prefix
    switching.leave_out_idle(graph, workflow.manifest)
    if workflow.manifest.loras is not None and any(lora.weight for lora in loras.loras):
        graph = chain(graph, workflow.manifest.loras, loras.loras)
    graphs.lead_to(graph, output.node)
    shape = {**({"switches": switches} if switches else {}), **loras.settings}
    values, manifest = resolved.values, workflow.manifest
    expected = expectation.expected(manifest, values, media_facts or {}, switching.enlargement(manifest, switches))
    sound = manifest.output.follow if expected.audio else None
    parts, told = expectation.parted(manifest, workflow.targets, workflow.skip, values, graph, sound)
    return Bound(
        graph,
        {"seed": seed, **values, **expectation.seconds(values), **shape},
        [*resolved.adjusted, *told],
        expected,
        output.node,
        expectation.weights(manifest, graph),
        switching.interpolation(manifest, switches),
        parts,
    )


def _loras(workflow: Workflow, settings: JobSettings, defaults: Mapping[str, Any], facts_of: FactsOf) -> Wanted:
    """Return what a job's sliders and LoRAs come to."""
    sliders = {name: value for name, value in vars(settings.sliders or Sliders()).items() if value is not None}
    asked = [(lora.name, lora.weight) for lora in settings.loras or ()]
    return wanted(workflow.manifest, sliders, asked, defaults, facts_of)


def _models(values: Mapping[str, Any], loras: Wanted) -> Iterator[tuple[str, str, str]]:
    """Yield the model files of a job whose family must be the workflow's: (field, folder, name)."""
    if values.get("checkpoint"):
        yield "checkpoint", "checkpoints", values["checkpoint"]
    for lora in loras.loras:
        if lora.weight:
            yield ("loras" if lora.label.isdigit() else f"sliders.{lora.label}"), FOLDER, lora.file


def _unfit(workflow: Workflow, asked: Collection[str]) -> list[Problem]:
    """Return what is wrong with which fields a job sets, whatever their values are."""
    problems = lacking(workflow, asked)
    for name, parameter in workflow.manifest.parameters.declared().items():
        if parameter.required and name not in asked:
            title = f"{name} is missing: {workflow.name} needs one."
            problems.append(Problem("missing_field", title, f"Add a line that begins with {name}:", field=name))
    return problems


def _workflow(
    name: str,
    graph: graphs.Graph,
    manifest: Manifest,
    targets: Mapping[str, tuple[tuple[str, str], ...]],
    skip: tuple[str, str] | None,
) -> Workflow:
    roles = manifest.media.declared()
    parameters = manifest.parameters.declared()
    derived = {"seconds"} if {"frames", "fps"} <= set(parameters) else set()
    free = [f"switches.{name}" for name, switch in manifest.switches.items() if switch.role is None]
    derived |= {"switches", *free} if free else set()
    return Workflow(
        name=name,
        title=manifest.title,
        task=manifest.task or name.replace("_", "-"),
        graph=graph,
        manifest=manifest,
        graph_hash=graphs.hash_of(graph),
        roles={role: MediaKind(declared.kind) for role, declared in roles.items()},
        required_roles=frozenset(role for role, declared in roles.items() if declared.required),
        needs_prompt="prompt" in parameters and parameters["prompt"].required,
        needs_consent=bool(guard.identity_nodes(_leading(graph, manifest.output.node))),
        fields=frozenset({*parameters, *roles, *derived, *_lora_fields(manifest), *OUTSIDE}),
        targets=targets,
        skip=skip,
    )


def _check_adult(workflow: Workflow) -> None:
    """Raise Rejected where a workflow takes the name or the folder of the adult one and isn't it, node by node."""
    if workflow.name != ADULT_WORKFLOW and workflow.task != ADULT_TASK:
        return
    if workflow.name != ADULT_WORKFLOW or workflow.task != ADULT_TASK:
        title = f"{ADULT_WORKFLOW} runs in the folder {ADULT_TASK} and nowhere else, and nothing else runs there."
        raise Rejected(Problem("adult_workflow", title, "Give the workflow another name and task."))
    if workflow.graph_hash != GRAPH_HASH:
        title = f"The graph of {ADULT_WORKFLOW} isn't the one that comes with Reeldrop."
        raise Rejected(Problem("adult_workflow", title, "Put the original back; give yours another name."))


def _lora_fields(manifest: Manifest) -> Iterator[str]:
    if manifest.loras is not None:
        yield "loras"
    if sliders := manifest.sliders.declared():
        yield from ("sliders", *(f"sliders.{name}" for name in sliders))


def _leading(graph: graphs.Graph, output: str) -> graphs.Graph:
    """Return what of a graph a job runs at most: what leads to its result."""
    found = {name: {**node, "inputs": dict(node["inputs"])} for name, node in graph.items()}
    graphs.lead_to(found, output)
    return found


def lacking(workflow: Workflow, asked: Collection[str]) -> list[Problem]:
    """Return the refusals of what a job sets and a workflow doesn't have; parts are named by dots: sliders.age."""
    return [
        not_taken(workflow, name)
        for name in sorted(asked)
        if name not in workflow.fields and (name.partition(".")[0] in workflow.fields or "." not in name)
    ]


def not_taken(workflow: Workflow, name: str) -> Problem:
    """Return the refusal of a field, or of a part of one, that a workflow doesn't have."""
    head, _, part = name.partition(".")
    if head == "switches" and part:
        return next(switching.problems_of(workflow.name, workflow.manifest, [part]))
    if part:
        parts = sorted(field.partition(".")[2] for field in workflow.fields if field.startswith(f"{head}."))
        fix = did_you_mean(part, parts, f"Take {part} out. Of {head} {workflow.name} has: {', '.join(parts)}.")
        return Problem("field_not_taken", f"{workflow.name} takes no {name}.", fix, field=name)
    takes = ", ".join(sorted(field for field in workflow.fields - OUTSIDE if "." not in field))
    fix = f"Take {name} out. {workflow.name} takes: {takes}."
    return Problem("field_not_taken", f"{workflow.name} takes no {name}.", fix, field=name)


def media_missing(workflow: Workflow, role: str) -> Problem:
    """Return the refusal of a job that doesn't bring a role; more may still come."""
    title = f"{workflow.name} needs a {workflow.roles[role]} as {role}."
    return Problem("media_missing", title, "Drop it beside the job file, under the same name.")


def _resolve(
    workflow: Workflow,
    asked: Mapping[str, Any],
    defaults: Mapping[str, Any],
    media_facts: Mapping[str, MediaFacts] | None,
) -> Resolved:
    graph_values = {
        name: workflow.graph[targets[0][0]]["inputs"][targets[0][1]] for name, targets in workflow.targets.items()
    }
    sizes = workflow.manifest.sizes
    facts = (media_facts or {}).get(sizes.follow) if sizes is not None else None
    picture = (facts.width, facts.height) if facts is not None else None
    lasting = expectation.lasting(workflow.manifest, media_facts or {})
    if workflow.name == ADULT_WORKFLOW:
        defaults = {**defaults, "checkpoint": defaults.get("adult_checkpoint")}
    return resolve(Question(workflow.name, workflow.manifest, asked, defaults, graph_values, picture, lasting))

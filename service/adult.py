"""The adult rules: what one workflow alone may make, as it comes with Reeldrop and where the operator lets it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from service.adult_workflow import (
    ADULT_TAG,
    ADULT_TASK,
    ADULT_WORKFLOW,
    CFG,
    CHECKPOINT,
    GRAPH_HASH,
    GUARD,
    LEAST_CFG,
    LORA_NODES,
    NEGATIVE,
    VARIABLE,
)
from service.errors import Problem
from service.graph import is_link
from service.graph_texts import Graph, Place, asked_of, texts_in
from service.prompt_rules import Asked, Finding, findings_of, loras_in, may_show_a_minor, problem_of
from service.prompt_text import fold

_ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".onnx", ".gguf", ".pkl")
#: A LoRA called so moves somebody's age, whoever listed it.
_AGE_WORDS = frozenset({"age", "ages", "aging", "ageing", "younger", "older", "deage", "ageslider"})


@dataclass(frozen=True)
class Policy:
    """What the operator and the list of models say about adult content; names are as `key_of` makes them."""

    enabled: bool = False
    #: The checkpoint of the adult workflow, as it is written.
    checkpoint: str = ""
    #: The LoRAs that the adult workflow may take.
    loras: frozenset[str] = frozenset()
    #: Checkpoints, LoRAs and embeddings that models.yaml marks as adult.
    models: frozenset[str] = frozenset()
    #: Whether adult jobs are screened like all others.
    screened: bool = False


@dataclass(frozen=True)
class Work:
    """One job's graph as it will run, and what is known of the job."""

    workflow: str
    task: str
    #: The workflow's own graph and its hash, before anything was put in.
    template: Graph
    template_hash: str
    graph: Graph
    #: The job's field at each (node, input).
    fields: Mapping[Place, str]
    #: What the job sets.
    settings: Mapping[str, Any]
    #: Server references of its own media.
    references: Collection[str] = ()
    #: What its result is to be called, by the field that says it.
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def check_job(work: Work, policy: Policy) -> tuple[tuple[Problem, ...], tuple[Finding, ...]]:
    """
    Return every reason why a job may not run by the adult rules and the rules about words, and what the latter found.

    Findings are for the operator's log: they hold the words, which the problems never do. Everything is decided from
    the graph; a name, a folder or a manifest opens nothing by itself.
    """
    adult = work.workflow == ADULT_WORKFLOW or work.task == ADULT_TASK
    problems = tuple(_of_adult(work, policy) if adult else _of_others(work, policy))
    findings = findings_of(_asked(work, adult=adult), adult=adult)
    return (*problems, *map(problem_of, findings)), findings


def is_adult(work: Work, policy: Policy) -> bool:
    """Say whether a job is one that may make adult content: ours, unchanged, enabled, in its folder."""
    return (work.workflow == ADULT_WORKFLOW or work.task == ADULT_TASK) and not any(_of_adult(work, policy))


def is_told_by(tags: Mapping[str, str]) -> bool:
    """Say whether a file's own words tell that the adult workflow has made it."""
    told = {name.lower(): text for name, text in tags.items()}
    try:
        recipe = json.loads(told.get("reeldrop", "null"))
    except (ValueError, RecursionError):
        recipe = None
    return ADULT_TAG in told or (isinstance(recipe, Mapping) and recipe.get("workflow") == ADULT_WORKFLOW)


def is_named_so(workflow: str | None, task: str) -> bool:
    """Say whether a job goes by the name of the adult workflow in its folder; `is_adult` tells whether it is one."""
    return workflow == ADULT_WORKFLOW and task == ADULT_TASK


def may_show_somebody_young(work: Work, age_files: Collection[str]) -> bool:
    """
    Say whether a job may show somebody young: by its words, or by what moves ages to the younger side.

    `age_files` are LoRAs known to move ages; one whose name says so counts too. A workflow's own slider that a job
    turns to the older side is none.
    """
    asked = _asked(work, adult=False)
    if may_show_a_minor([*asked.wanted.values()]):
        return True
    age = (work.settings.get("sliders") or {}).get("age") or 0
    if age < 0:
        return True
    for place, text in texts_in(work.graph, work.references):
        moves = key_of(text) in age_files or _words(text) & _AGE_WORDS
        if moves and _is_file(text) and _moves(work.graph[place[0]]) and not (age > 0 and key_of(text) in age_files):
            return True
    return False


def _is_file(text: str) -> bool:
    return text.strip().lower().endswith(_ENDINGS)


def _words(text: str) -> set[str]:
    return set("".join(letter if letter.isalnum() else " " for letter in fold(text)).split())


def _moves(node: Mapping[str, Any]) -> bool:
    """Say whether a node has any strength other than 0; where it has none at all, it may."""
    inputs = node.get("inputs") or {}
    numbers = [value for value in inputs.values() if isinstance(value, int | float) and not isinstance(value, bool)]
    return not numbers or any(number != 0 for number in numbers)


@lru_cache(maxsize=1024)
def key_of(name: str) -> str:
    """Return what two ways to write a model's name share: no folder, no ending, no case, no look-alike letters."""
    base = fold(name).replace("\\", "/").strip().rpartition("/")[2].strip()
    ending = next((ending for ending in _ENDINGS if base.endswith(fold(ending))), "")
    return "".join(base.removesuffix(fold(ending)).split())


def _asked(work: Work, *, adult: bool) -> Asked:
    asked = asked_of(work.graph, work.fields, work.references)
    own = {name: work.settings[name] for name in ("prompt", "negative_prompt") if work.settings.get(name)}
    wanted, unwanted = dict(asked.wanted), dict(asked.unwanted)
    if "prompt" in own:
        wanted.setdefault("prompt", str(own["prompt"]))
    if "negative_prompt" in own and "negative_prompt" not in wanted:
        unwanted.setdefault("negative_prompt", str(own["negative_prompt"]))
    names = dict(asked.names)
    if adult:
        names |= work.names
    return Asked(wanted, unwanted, names)


# everything else -----------------------------------------------------------------------------------------------------


def _of_others(work: Work, policy: Policy) -> Iterator[Problem]:
    adult = {*policy.models, *({key_of(policy.checkpoint)} if policy.checkpoint else ())}
    for place, name in _named(work):
        if key_of(name) in adult:
            field = work.fields.get(place, "workflow")
            title = f"{field} names a model that only the adult task may use."
            yield Problem("adult_model", title, "Name another one.", field=field)


def _named(work: Work) -> Iterator[tuple[Place, str]]:
    for place, text in texts_in(work.graph, work.references):
        yield place, text
        yield from ((place, name) for name in loras_in(text))


# the adult workflow --------------------------------------------------------------------------------------------------


def _of_adult(work: Work, policy: Policy) -> Iterator[Problem]:
    if not policy.enabled:
        title = "Adult content is switched off here."
        yield Problem("adult_disabled", title, "Only the operator can change that, in config.yaml: nsfw_enabled.")
        return
    if work.workflow != ADULT_WORKFLOW or work.task != ADULT_TASK:
        title = f"Only {ADULT_WORKFLOW} runs in inbox/{ADULT_TASK}/, and it runs nowhere else."
        yield Problem("adult_workflow", title, "Drop the job into the folder of its workflow.", field="workflow")
        return
    if work.template_hash != GRAPH_HASH:
        title = f"workflows/{ADULT_WORKFLOW}.json isn't the one that comes with Reeldrop."
        yield Problem("adult_workflow", title, "Put the original file back.", field="workflow")
        return
    yield from _settings(work)
    yield from _values(work, policy)
    graph, loras = _without_loras(work.graph)
    yield from _loras(loras, policy)
    if (odd := _difference(work.template, graph)) is not None:
        title = f"The graph differs from the one that comes with Reeldrop at node {odd[:40]!r}."
        yield Problem("adult_workflow", title, f"Put the original {ADULT_WORKFLOW}.yaml back.", field="workflow")


def _settings(work: Work) -> Iterator[Problem]:
    if work.references:
        yield _refused("media", "The adult task takes no pictures and no videos.", "Drop the job without media.")
    if any((work.settings.get("sliders") or {}).values()):
        yield _refused("sliders", "The adult task takes no sliders.", "Take sliders out.")
    if work.settings.get("switches"):
        yield _refused("switches", "The adult task takes no switches.", "Take switches out.")


def _values(work: Work, policy: Policy) -> Iterator[Problem]:
    cfg = _value(work.graph, CFG)
    if isinstance(cfg, bool) or not isinstance(cfg, int | float) or not cfg >= LEAST_CFG:
        title = f"cfg must be at least {LEAST_CFG} in the adult task: below, what must not be shown loses its weight."
        yield _refused("cfg", title, f"Write cfg: {LEAST_CFG} or more.")
    if _value(work.graph, CHECKPOINT) != policy.checkpoint:
        title = "The adult task runs on the checkpoint that config.yaml names as nsfw_checkpoint, and on no other."
        yield _refused("checkpoint", title, "Take checkpoint out.")
    negative = _value(work.graph, NEGATIVE)
    if not (isinstance(negative, str) and (negative == GUARD or negative.startswith(f"{GUARD}, "))):
        title = "The fixed words of the adult task's negative prompt are missing."
        yield _refused("negative_prompt", title, f"Put the original {ADULT_WORKFLOW}.yaml back.")


def _refused(field: str, title: str, fix: str) -> Problem:
    return Problem("adult_refused", title, fix, field=field)


def _value(graph: Graph, place: Place) -> Any:
    return (graph.get(place[0], {}).get("inputs") or {}).get(place[1])


def _loras(loras: Mapping[str, Mapping[str, Any]], policy: Policy) -> Iterator[Problem]:
    for content in loras.values():
        name = content["inputs"].get("lora_name")
        listed = isinstance(name, str) and key_of(name) in policy.loras
        if not listed or _words(str(name)) & _AGE_WORDS:
            title = "loras names a file that the operator has not listed for the adult task."
            if listed:
                title = "loras names a file that moves somebody's age, which the adult task never takes."
            yield _refused("loras", title, "Name one of adult_loras in config.yaml, or take loras out.")


def _without_loras(graph: Graph) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return a graph with its LoRA nodes left out and linked around, and these nodes."""
    nodes = {name: {**node, "inputs": dict(node.get("inputs") or {})} for name, node in graph.items()}
    loras = {name: node for name, node in nodes.items() if node.get("class_type") in LORA_NODES}
    for _ in range(len(loras) + 1):
        for node in nodes.values():
            for key, value in node["inputs"].items():
                if is_link(value) and value[0] in loras:
                    passes = LORA_NODES[loras[value[0]]["class_type"]]
                    slot = passes[value[1]] if 0 <= value[1] < len(passes) else ""
                    node["inputs"][key] = loras[value[0]]["inputs"].get(slot)
    return {name: node for name, node in nodes.items() if name not in loras}, loras


def _difference(template: Graph, graph: Graph) -> str | None:
    """Return the first node that isn't as it is in the template, but for what may differ; None where there is none."""
    for name in (*template, *graph):
        if name not in graph or name not in template:
            return name
        ours, theirs = template[name], graph[name]
        if ours["class_type"] != theirs.get("class_type"):
            return name
        inputs = theirs.get("inputs") or {}
        for key in {*ours["inputs"], *inputs}:
            if (name, key) in VARIABLE and key in inputs and not is_link(inputs[key]) and key in ours["inputs"]:
                continue
            if key not in inputs or key not in ours["inputs"] or inputs[key] != ours["inputs"][key]:
                return name
    return None

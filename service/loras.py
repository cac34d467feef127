"""LoRAs in a graph: a chain of nodes behind the model, one for each that has any strength, before all that takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.errors import Problem
from service.families import FactsOf, nothing_known
from service.graph import Graph, is_link
from service.manifest import Manifest
from service.manifest_loras import FOLDER, LoraPlace, SliderFile
from service.naming import fold

MODEL_ONLY = "LoraLoaderModelOnly"
MODEL_AND_CLIP = "LoraLoader"


@dataclass(frozen=True)
class Lora:
    """One LoRA as it goes into a graph; `label` is what its node is called, unique in its chain."""

    file: str
    weight: float
    clip: bool = False
    label: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a job's sliders and LoRAs come to with a workflow."""

    #: In the order in which they are chained; of those without strength none gets a node.
    loras: tuple[Lora, ...] = ()
    #: What the status shows of them.
    settings: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def wanted(
    manifest: Manifest,
    sliders: Mapping[str, float],
    loras: Sequence[tuple[str, float]],
    defaults: Mapping[str, Any],
    facts_of: FactsOf = nothing_known,
) -> Wanted:
    """
    Return what a job's sliders (name → -1 to 1) and LoRAs (name, weight) come to, and what is wrong with them.

    `defaults` may hold what config.yaml says of each slider: "age_slider_default" and "age_slider_range". Fields that
    the workflow lacks are told elsewhere.
    """
    made: list[Lora] = []
    values: dict[str, float] = {}
    problems: list[Problem] = []
    files = manifest.sliders.declared()
    for name, slider in files.items():
        low, high = defaults.get(f"{name}_slider_range", (-1.0, 1.0))
        value = sliders.get(name)
        if value is not None and not low <= value <= high:
            problems.append(_beyond(name, value, low, high))
            continue
        values[name] = min(max(defaults.get(f"{name}_slider_default", 0.0), low), high) if value is None else value
        clip = facts_of(FOLDER, slider.file).clip
        made.append(Lora(slider.file, strength(slider, values[name]), slider.clip if clip is None else clip, name))
    behind = {fold(slider.file): name for name, slider in files.items()}
    for number, (file, weight) in enumerate(loras, start=1):
        if (slider_name := behind.get(fold(file))) is not None:
            problems.append(_is_slider(file, slider_name))
        made.append(Lora(file, weight, facts_of(FOLDER, file).clip or False, str(number)))
    settings = {
        **({"sliders": values} if values else {}),
        **({"loras": [{"name": file, "weight": weight} for file, weight in loras]} if loras else {}),
    }
    return Wanted(tuple(made), settings, tuple(problems))


def _beyond(name: str, value: float, low: float, high: float) -> Problem:
    kept = low if value < low else high
    most = "at least" if value < low else "at most"
    title = f"sliders.{name} must be {most} {kept:g}, not {value:g}."
    fix = f"Write {name}: {kept:g}. The limit is {name}_slider_range in config.yaml."
    return Problem("out_of_range", title, fix, field=f"sliders.{name}")


def _is_slider(file: str, name: str) -> Problem:
    """Whoever could name it as any LoRA would be past what is asked of the slider."""
    fix = f"Write sliders: {{{name}: …}} with a value from -1.0 to 1.0."
    return Problem("bad_value", f"{file} is the {name} slider's.", fix, field="loras")


def strength(slider: SliderFile, value: float) -> float:
    """Return the strength of a slider's LoRA for a value in [-1, 1]: 0 is 0, 1 its maximum, -1 its minimum."""
    turned = value * slider.sign
    made = turned * (slider.maximum if turned >= 0 else -slider.minimum)
    return round(made, 4) + 0.0


def chain(graph: Graph, place: LoraPlace, loras: Sequence[Lora]) -> dict[str, dict[str, Any]]:
    """
    Return a graph with a node for each LoRA behind the place's outputs, in the order given; the graph stays as it is.

    Whatever took these outputs takes the chain's end. Strength 0 leaves no node. A LoRA that changes the text encoder
    gets a node for both where the place has an output for that, otherwise one for the model alone.
    """
    made: dict[str, dict[str, Any]] = {name: {**node, "inputs": dict(node["inputs"])} for name, node in graph.items()}
    ends: dict[str, list[Any]] = {"model": [place.model.node, place.model.output]}
    if place.clip is not None:
        ends["clip"] = [place.clip.node, place.clip.output]
    before = {name: list(end) for name, end in ends.items()}
    links: dict[str, dict[str, Any]] = {}
    for number, lora in enumerate((each for each in loras if each.weight), start=1):
        name = _free(node_of(lora.label or str(number)), made, links)
        both = lora.clip and "clip" in ends
        inputs: dict[str, Any] = {"model": ends["model"], "lora_name": lora.file, "strength_model": lora.weight}
        ends["model"] = [name, 0]
        if both:
            inputs |= {"clip": ends["clip"], "strength_clip": lora.weight}
            ends["clip"] = [name, 1]
        title = f"LoRA: {lora.label or lora.file}"
        kind = MODEL_AND_CLIP if both else MODEL_ONLY
        links[name] = {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}
    for node in made.values():
        for key, value in node["inputs"].items():
            for what, end in before.items():
                if is_link(value) and value == end:
                    node["inputs"][key] = list(ends[what])
    return {**made, **links}


def node_of(label: str) -> str:
    """Return the id of a LoRA's node."""
    return f"lora-{label}"


def _free(name: str, *taken: Mapping[str, Any]) -> str:
    number, free = 1, name
    while any(free in each for each in taken):
        number += 1
        free = f"{name}-{number}"
    return free

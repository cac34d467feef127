"""Workflows made up for tests, each of a few words: which task, which roles, which fields."""

import json

from service.catalogue import Library
from service.workflow import Workflow, parse

TYPES = {"prompt": "text", "negative_prompt": "text", "sampler": "text", "cfg": "number", "fps": "number"}


def flow(name: str, task: str, fields: str = "", prompt: bool = False, **roles: str) -> Workflow:
    """Return a workflow that takes some fields (steps up to 50, frames up to 64) and the roles with their kinds."""
    parameters, inputs = {}, {}
    for field in [*fields.split(), "seed"]:
        kind = TYPES.get(field, "whole")
        inputs[field] = "" if kind == "text" else 1
        parameters[field] = {"type": kind, "to": {"node": "1", "input": field}}
        if field in ("steps", "frames"):
            parameters[field] |= {"minimum": 1, "maximum": 50 if field == "steps" else 64}
    if prompt:
        parameters["prompt"]["required"] = True
    graph = {
        "1": {"class_type": "KSampler", "inputs": inputs},
        "2": {"class_type": "SaveVideo", "inputs": {"prefix": "x"}},
    }
    media = {}
    for number, (role, kind) in enumerate(roles.items(), start=3):
        graph[str(number)] = {"class_type": "LoadImage", "inputs": {"file": "x"}}
        media[role] = {"kind": kind, "node": str(number), "input": "file"}
    manifest = {
        "schema": 1, "title": name, "task": task, "media": media, "parameters": parameters,
        "output": {"node": "2", "prefix": "prefix"},
    }  # fmt: skip
    return parse(name, json.dumps(graph).encode(), json.dumps(manifest).encode())


def library(*flows: Workflow, **named) -> Library:
    """Return these workflows, each task's in the order given."""
    tasks: dict[str, list[str]] = {}
    for each in flows:
        tasks.setdefault(each.task, []).append(each.name)
    return Library({each.name: each for each in flows}, tasks, **named)

"""models/models.yaml: every model file that a workflow needs, by ComfyUI's folder for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.declaration import Declared, Slug
from service.errors import Problem, Rejected
from service.strict_yaml import Document
from service.strict_yaml import read as read_yaml
from service.typed_yaml import read_list

Text = Annotated[str, Field(min_length=1, max_length=400)]


class Model(Declared):
    """One model file."""

    name: Text = Field(description="Its file name, as ComfyUI lists it.", examples=["svd_xt.safetensors"])
    folder: Slug = Field(description="ComfyUI's folder for it.", examples=["checkpoints"])
    source: Text | None = Field(
        None, description="Where to get it.", examples=["https://huggingface.co/guoyww/animatediff"]
    )
    workflows: tuple[Slug, ...] = Field((), description="Who needs it.", examples=[["image_to_video_svd"]])


def parse(data: bytes) -> dict[str, list[str]]:
    """Return the names in each folder, in the order written; raise Rejected with every mistake and its place."""
    folders: dict[str, list[str]] = {}
    for model in models(data):
        folders.setdefault(model.folder, []).append(model.name)
    return folders


def sources(data: bytes) -> dict[str, str]:
    """Return where to get each model, by "folder/name"; raise Rejected with every mistake and its place."""
    return {f"{model.folder}/{model.name}": model.source for model in models(data) if model.source is not None}


def models(data: bytes) -> tuple[Model, ...]:
    """Return every entry; raise Rejected with every mistake and its place."""
    document = read_yaml(data)
    found, problems = read_list(Model, document)
    problems = (*problems, *_twice(found, document))
    if problems:
        raise Rejected(*problems)
    return found


def _twice(found: tuple[Model, ...], document: Document) -> list[Problem]:
    if len(found) < len(document.root.items):
        return []
    seen: set[tuple[str, str]] = set()
    problems = []
    for model, node in zip(found, document.root.items, strict=True):
        if (model.folder, model.name) in seen:
            title = f"{model.name} in {model.folder} is listed twice."
            problem = Problem("duplicate_key", title, "Keep one entry and list both workflows in it.")
            problems.append(problem.at(node.line, node.column))
        seen.add((model.folder, model.name))
    return problems

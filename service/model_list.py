"""models/models.yaml: every model file that a workflow needs, by ComfyUI's folder for it, and where to get it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from service.declaration import Declared, Slug, mistake
from service.errors import Problem, Rejected
from service.families import ModelFacts
from service.strict_yaml import Document
from service.strict_yaml import read as read_yaml
from service.typed_yaml import read_list

Text = Annotated[str, Field(min_length=1, max_length=400)]

#: What a model file is; the words are ours, ComfyUI has only folders.
Kind = Literal[
    "checkpoint",
    "diffusion_model",
    "lora",
    "vae",
    "text_encoder",
    "clip_vision",
    "motion_module",
    "motion_lora",
    "controlnet",
    "ip_adapter",
    "face_swap",
    "face_restore",
    "face_analysis",
    "content_detector",
    "pose_estimator",
    "portrait_animation",
    "upscaler",
    "interpolation",
]


def _check_name(name: str) -> str:
    """A name becomes a path below models/, so it must not lead out of it, on any system."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or part != part.strip() for part in parts) or re.search(
        r'[\\:*?"<>|\x00-\x1f]', name
    ):
        fix = "Write the name as ComfyUI lists it, with / between folders."
        raise mistake("bad_value", "{field} is no name of a file below its folder.", fix)
    return name


def _check_folder(folder: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", folder):
        fix = "Write the folder's name below models/, for example checkpoints."
        raise mistake("bad_value", "{field} may hold only letters, digits, - and _, at most 64.", fix)
    return folder


def _check_page(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or port == 0 or re.search(r"\s", url):
        fix = "Write an address that begins with https://, without a password in it."
        raise mistake("bad_value", "{field} is no address of a page or file.", fix)
    return url


def _check_digest(digest: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise mistake(
            "bad_value", "{field} must be 64 letters and digits (0-9, a-f).", "Take it out if it isn't known."
        )
    return digest


Url = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_check_page)]


class Model(Declared):
    """One model file; what isn't known of it is left out, never guessed."""

    name: Annotated[Text, AfterValidator(_check_name)] = Field(
        description="Its file name, as ComfyUI lists it.", examples=["svd_xt.safetensors"]
    )
    folder: Annotated[Text, AfterValidator(_check_folder)] = Field(
        description="ComfyUI's folder for it.", examples=["checkpoints"]
    )
    size_bytes: int | None = Field(
        None, ge=1, le=2**50, description="Its exact size; left out where it isn't known.", examples=[9_559_625_980]
    )
    sha256: Annotated[Text, AfterValidator(_check_digest)] | None = Field(
        None,
        description="Its SHA-256; left out where it isn't known.",
        examples=["b2652c23d64a1da5f14d55011b9b6dce55f2e72e395719f1cd1f8a079b00a451"],
    )
    licence: Text | None = Field(None, description="The licence it comes under.", examples=["Apache-2.0"])
    commercial: Literal["yes", "no", "unknown"] = Field(
        "unknown", description="Whether the licence allows commercial use.", examples=["yes"]
    )
    family: Slug | None = Field(None, description="The model family that it belongs to.", examples=["sd15"])
    kind: Kind | None = Field(None, description="What it is.", examples=["checkpoint"])
    source: Url | None = Field(
        None, description="The page to read about it.", examples=["https://huggingface.co/guoyww/animatediff"]
    )
    url: Url | None = Field(
        None,
        description="The address of the file itself; left out where it can't be fetched without a person.",
        examples=["https://huggingface.co/guoyww/animatediff/resolve/main/v3_sd15_mm.ckpt"],
    )
    gated: bool = Field(
        default=False,
        description="Whether its terms must be accepted on its page before it can be fetched.",
        examples=[True],
    )
    clip: bool | None = Field(None, description="Of a LoRA: whether it changes the text encoder too.", examples=[False])
    adult: bool = Field(default=False, description="Whether it is made for adult content.", examples=[True])
    workflows: tuple[Slug, ...] = Field((), description="Who needs it.", examples=[["image_to_video_svd"]])

    @model_validator(mode="after")
    def _says_where_it_comes_from(self) -> Model:
        if self.url is not None and self.source is None:
            fix = "Add the page where its licence can be read."
            raise mistake("missing_field", "A model with a url needs its source.", fix, "url")
        return self

    @property
    def place(self) -> str:
        """Its place below models/, "folder/name"."""
        return f"{self.folder}/{self.name}"


def parse(data: bytes) -> dict[str, list[str]]:
    """Return the names in each folder, in the order written; raise Rejected with every mistake and its place."""
    folders: dict[str, list[str]] = {}
    for model in models(data):
        folders.setdefault(model.folder, []).append(model.name)
    return folders


def sources(data: bytes) -> dict[str, str]:
    """Return where to get each model, by "folder/name"; raise Rejected with every mistake and its place."""
    return {model.place: model.source for model in models(data) if model.source is not None}


def facts(listed: Iterable[Model]) -> dict[str, ModelFacts]:
    """Return what the list says of each model's kind, by "folder/name"."""
    return {model.place: ModelFacts(model.family, model.clip) for model in listed}


def needed_by(listed: Iterable[Model], workflow: str) -> tuple[Model, ...]:
    """Return what one workflow needs, in the order written."""
    return tuple(model for model in listed if workflow in model.workflows)


def adult(data: bytes) -> tuple[str, ...]:
    """Return the files that only the adult workflow may use; raise Rejected with every mistake and its place."""
    return tuple(model.name for model in models(data) if model.adult)


def models(data: bytes) -> tuple[Model, ...]:
    """Return every entry; raise Rejected with every mistake and its place."""
    document = read_yaml(data)
    found, problems = read_list(Model, document)
    problems = (*problems, *_twice(found, document))
    if problems:
        raise Rejected(*problems)
    return found


def _twice(found: tuple[Model, ...], document: Document) -> list[Problem]:
    """Name entries for one file; upper and lower case count as alike, as they do on many disks."""
    if len(found) < len(document.root.items):
        return []
    seen: set[str] = set()
    problems = []
    for model, node in zip(found, document.root.items, strict=True):
        key = str(PurePosixPath(model.place)).casefold()
        if key in seen:
            title = f"{model.name} in {model.folder} is listed twice."
            problem = Problem("duplicate_key", title, "Keep one entry and list both workflows in it.")
            problems.append(problem.at(node.line, node.column))
        seen.add(key)
    return problems

"""A workflow's manifest: what a job may set in a graph, where each setting goes, and what the graph needs to run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from service.declaration import Declared, Slug, json_plain, mistake
from service.errors import Rejected
from service.manifest_keys import (
    Chunks,
    Length,
    MediaRoles,
    OptionalNode,
    Output,
    Parameters,
    Rung,
    Sizes,
    Text,
)
from service.manifest_loras import LoraPlace, SliderFiles
from service.manifest_needs import Needs
from service.manifest_switches import ConfiguredKeys, Switch
from service.strict_yaml import Document
from service.strict_yaml import read as read_yaml
from service.typed_yaml import read

RESERVED_FOLDERS = frozenset({"done", "rejected", "media", "scheduled", "gallery"})


def _check_task(task: str) -> str:
    if task in RESERVED_FOLDERS:
        raise mistake("bad_value", f"{{field}} can't be {task}: that folder has another use.", "Choose another name.")
    return task


class Manifest(Declared):
    """The whole manifest."""

    version: Literal[1] = Field(alias="schema", description="The version of this format.", examples=[1])
    title: Text = Field(description="A name for people.", examples=["Text to video (AnimateDiff)"])
    description: Annotated[str, Field(max_length=2000)] = Field("", description="What it does and what it is good at.")
    task: Annotated[Slug, AfterValidator(_check_task)] | None = Field(
        None, description="The inbox folder; default: the workflow's name with - for _.", examples=["text-to-video"]
    )
    family: Slug | None = Field(None, description="The model family.", examples=["sd15"])
    media: MediaRoles = Field(MediaRoles(), description="Pictures and videos that a job brings, by role.")
    parameters: Parameters = Field(Parameters(), description="Job fields that go into the graph.")
    sizes: Sizes | None = Field(None, description="Sizes that follow the picture's shape.")
    length: Length | None = Field(
        None, description="The video that frames can't outlast, and whose length a job gets that sets none."
    )
    chunks: Chunks | None = Field(
        None,
        description="How a long video is rendered in parts, where no frame depends on another.",
        examples=[{"frames": 300, "skip": {"node": "1", "input": "skip_first_frames"}}],
    )
    optional_nodes: tuple[OptionalNode, ...] = Field((), description="Nodes left out at strength 0.")
    switches: dict[Slug, Switch] = Field(
        {},
        description="Parts of the graph that a job turns on or off, by name.",
        examples=[{"restore": {"default": True}}],
    )
    configured: ConfiguredKeys = Field(
        ConfiguredKeys(),
        description="Keys of config.yaml that go into the graph: face_enhancer, face_swap_model.",
        examples=[{"face_swap_model": {"to": {"node": "3", "input": "swap_model"}}}],
    )
    unavailable: Text | None = Field(
        None,
        description="Why it can't be run, and what to use instead: every job for it is refused with this sentence.",
        examples=["Its node pack no longer loads; use motion_transfer_wan_animate."],
    )
    loras: LoraPlace | None = Field(
        None,
        description="Where LoRAs are put; without it the workflow takes none.",
        examples=[{"model": {"node": "1"}, "clip": {"node": "1", "output": 1}}],
    )
    sliders: SliderFiles = Field(SliderFiles(), description="The LoRAs behind the sliders that a job may set.")
    output: Output = Field(description="The node that saves the result.", examples=[{"node": "14"}])
    progress: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(
        {}, description="How much of the time each node takes, by its id; any scale.", examples=[{"12": 90}]
    )
    ladder: tuple[Rung, ...] = Field(
        (),
        description="What becomes smaller, step by step, where the server runs out of memory.",
        examples=[[{"width": 0.75, "height": 0.75}, {"frames": 0.5}]],
    )
    needs: Needs = Field(Needs(), description="What must be installed.")


def parse(data: bytes) -> Manifest:
    """Read a manifest; raise Rejected with every mistake, its place and cure."""
    return read_manifest(data)[0]


def read_manifest(data: bytes) -> tuple[Manifest, Document]:
    """Read a manifest and keep the document, so that what is checked later has its place too."""
    document = read_yaml(data)
    manifest, problems = read(Manifest, document, {})
    if manifest is None:
        raise Rejected(*problems)
    return manifest, document


def schema() -> dict[str, Any]:
    """Return the JSON schema of a manifest, for editors."""
    document: dict[str, Any] = json_plain(Manifest.model_json_schema(by_alias=True))
    return {**document, "title": "Reeldrop workflow manifest"}

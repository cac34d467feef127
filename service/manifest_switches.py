"""The parts of a manifest that change the graph's shape: switches, and the keys of config.yaml that it takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from service.declaration import Declared, mistake
from service.manifest_keys import Targets, Text


class SwitchedNode(Declared):
    """A node that a switch leaves out, and what takes its place then."""

    node: Text = Field(description="The node's id.", examples=["20"])
    passes: tuple[Text, ...] = Field(
        (), description="For each output in order, the input that it passes on.", examples=[["positive", "negative"]]
    )


class SetValue(Declared):
    """One input and what it is set to."""

    node: Text = Field(description="The node's id.", examples=["20"])
    input: Text = Field(description="The input's name; it must be a plain value, not a link.", examples=["enabled"])
    value: str | int | float | bool = Field(description="What it is set to.", examples=["none"])


class Switch(Declared):
    """A part of the graph that a job may do without: its nodes are left out then, and linked around."""

    description: Annotated[str, Field(max_length=400)] = Field(
        "", description="What it adds.", examples=["Sharper faces."]
    )
    default: bool = Field(default=False, description="Whether it is on when the job is silent.", examples=[True])
    role: Literal["image", "source", "target", "reference"] | None = Field(
        None, description="On exactly when the job brings this role; no job sets it otherwise.", examples=["reference"]
    )
    nodes: tuple[SwitchedNode, ...] = Field(
        (),
        description="The nodes that are left out while it is off, in this order.",
        examples=[[{"node": "20", "passes": ["image"]}]],
    )
    values: tuple[SetValue, ...] = Field(
        (),
        description="Inputs that are set while it is off.",
        examples=[[{"node": "20", "input": "model", "value": "none"}]],
    )

    enlarges: int = Field(1, ge=1, le=8, description="How many times wider and higher the result is while it is on.")
    interpolates: int = Field(
        1, ge=1, le=8, description="How many times more frames a second are made of the rendered ones while it is on."
    )

    @model_validator(mode="after")
    def _does_something(self) -> Switch:
        if not self.nodes and not self.values and self.interpolates == 1:
            raise mistake("bad_value", "{field} is a switch that changes nothing.", "Write nodes or values.")
        return self


class Configured(Declared):
    """A key of config.yaml that goes into the graph."""

    to: Targets = Field(
        description="The input that gets the value, or a list of them.", examples=[{"node": "3", "input": "swap_model"}]
    )
    values: dict[Text, Text] = Field(
        {},
        description="What the graph gets for a value of the key; any other goes into it as it is.",
        examples=[{"gfpgan": "GFPGANv1.4.pth"}],
    )


class ConfiguredKeys(Declared):
    """The keys of config.yaml that no job sets and that a graph may take."""

    face_enhancer: Configured | None = None
    face_swap_model: Configured | None = None

    def declared(self) -> dict[str, Configured]:
        """Return the keys that the manifest has."""
        return {name: key for name, key in vars(self).items() if key is not None}

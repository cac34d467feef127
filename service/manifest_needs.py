"""The part of a manifest that says what must be on the server: packs, model files, tags of a backend."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.declaration import Declared, Slug
from service.manifest_keys import Text


class Pack(Declared):
    """A node pack that has to be installed."""

    pack: Text = Field(description="The pack's name.", examples=["ComfyUI-VideoHelperSuite"])
    url: Text = Field(
        description="Where to get it.", examples=["https://github.com/Kosinkadink/ComfyUI-VideoHelperSuite"]
    )
    classes: tuple[Text, ...] = Field(
        (), description="The node classes that the graph has from it.", examples=[["VHS_VideoCombine"]]
    )


class ModelFile(Declared):
    """A model file that has to be there."""

    folder: Text = Field(description="ComfyUI's folder for it.", examples=["checkpoints"])
    file: Text = Field(description="Its name, as ComfyUI lists it.", examples=["svd_xt.safetensors"])
    parameter: Text | None = Field(None, description="The job field that may name another.", examples=["checkpoint"])


class Needs(Declared):
    """What must be on the server: used to say what is missing, by name and place."""

    comfyui: Annotated[str, Field(pattern=r"^\d+(\.\d+){1,3}$")] | None = Field(
        None, description="The oldest ComfyUI that runs the graph.", examples=["0.3.64"]
    )
    nodes: tuple[Pack, ...] = Field((), description="Node packs beyond ComfyUI's own nodes.")
    models: tuple[ModelFile, ...] = Field((), description="Model files.")
    tags: tuple[Slug, ...] = Field(
        (),
        description="What config.yaml says of a backend that can run it: it must have them all.",
        examples=[["large-memory"]],
    )

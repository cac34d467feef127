"""Where a workflow takes LoRAs: the manifest's keys for the place in its graph, and for the sliders' own files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.declaration import Declared

#: ComfyUI's folder for LoRAs.
FOLDER = "loras"

_Text = Annotated[str, Field(min_length=1, max_length=400)]


class OutputOf(Declared):
    """One output of one node."""

    node: _Text = Field(description="The node's id.", examples=["1"])
    output: int = Field(0, ge=0, le=63, description="Which of its outputs, counted from 0.", examples=[0])


class LoraPlace(Declared):
    """Where LoRAs are put: behind these outputs, before everything that takes them."""

    model: OutputOf = Field(
        description="The output that gives the model: whatever takes it gets it by way of the LoRAs.",
        examples=[{"node": "1"}],
    )
    clip: OutputOf | None = Field(
        None,
        description="The output that gives the text encoder, for LoRAs that change it too.",
        examples=[{"node": "1", "output": 1}],
    )


class SliderFile(Declared):
    """The LoRA behind a slider. A slider of 1 is its maximum, of -1 its minimum; 0 leaves it out."""

    file: _Text = Field(description="Its name, as ComfyUI lists it.", examples=["age_slider.safetensors"])
    minimum: Annotated[float, Field(ge=-100, le=0)] = Field(
        -3.0, description="Its strength where the slider is -1.", examples=[-3]
    )
    maximum: Annotated[float, Field(ge=0, le=100)] = Field(
        3.0, description="Its strength where the slider is 1.", examples=[3]
    )
    sign: Literal[1, -1] = Field(
        1, description="-1 where the file works the other way round: older is 1, and so is more.", examples=[-1]
    )
    clip: bool = Field(
        default=False,
        description="Whether it changes the text encoder too; the file's own header says it where it is at hand.",
        examples=[True],
    )


class SliderFiles(Declared):
    """The sliders that a workflow has, each with its file."""

    age: SliderFile | None = Field(
        None, description="Older above 0, younger below.", examples=[{"file": "age_slider.safetensors"}]
    )
    body: SliderFile | None = Field(
        None, description="More above 0, less below.", examples=[{"file": "weight_slider.safetensors", "sign": -1}]
    )

    def declared(self) -> dict[str, SliderFile]:
        """Return the sliders that the manifest has."""
        return {name: slider for name, slider in vars(self).items() if slider is not None}

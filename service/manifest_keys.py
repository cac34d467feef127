"""The parts of a manifest that name nodes: parameters, media roles, nodes left out, the output, the ladder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from service.declaration import Declared, mistake

_TYPES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("text",),
    "negative_prompt": ("text",),
    "seed": ("whole",),
    "width": ("whole",),
    "height": ("whole",),
    "frames": ("whole",),
    "fps": ("whole", "number"),
    "steps": ("whole",),
    "cfg": ("whole", "number"),
    "sampler": ("text",),
    "scheduler": ("text",),
    "checkpoint": ("text",),
    "vae": ("text",),
}


def _check_plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise mistake("wrong_type", "{field} must be a number or text.", "Write for example default: 20.")
    return value


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, dict) else value


Plain = Annotated[Any, AfterValidator(_check_plain), WithJsonSchema({"type": ["number", "string"]})]
Text = Annotated[str, Field(min_length=1, max_length=400)]
Number = Annotated[float, Field(ge=-1e16, le=1e16)]


class Target(Declared):
    """One input of one node, the node named by its id or by its title."""

    node: Text | None = Field(None, description="The node's id in the graph.", examples=["12"])
    title: Text | None = Field(
        None, description="Or its title (_meta.title), when only one has it.", examples=["Sampler"]
    )
    input: Text = Field(description="The input's name; it must be a plain value, not a link.", examples=["steps"])

    @model_validator(mode="after")
    def _names_one(self) -> Target:
        if (self.node is None) == (self.title is None):
            raise mistake(
                "conflict", "{field} must name its node by id or by title.", 'Write node: "12" or title: Sampler.'
            )
        return self


Targets = Annotated[
    tuple[Target, ...],
    BeforeValidator(_as_tuple, json_schema_input_type=Target | tuple[Target, ...]),
    Field(min_length=1),
]


class Parameter(Declared):
    """One field that a job may set: its type, limits and rule, and the inputs that it goes to."""

    type: Literal["text", "whole", "number"] = Field(description="What the value is.", examples=["whole"])
    to: Targets = Field(
        description="The input that gets the value, or a list of them.", examples=[{"node": "12", "input": "steps"}]
    )
    required: bool = Field(default=False, description="Whether a job must set it.", examples=[True])
    default: Plain | None = Field(
        None, description="Used when the job is silent; it wins over config.yaml and the graph.", examples=[20]
    )
    minimum: Number | None = Field(None, description="The smallest value.", examples=[1])
    maximum: Number | None = Field(
        None, description="The largest value; for frames, max_frames when left out.", examples=[150]
    )
    multiple_of: int | None = Field(
        None, ge=1, le=1024, description="Values snap to base + n x multiple_of.", examples=[8]
    )
    base: int = Field(
        0, ge=0, le=1024, description="Where the multiples begin: 1 with multiple_of 4 is 4n + 1.", examples=[1]
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Parameter:
        numeric = self.type != "text"
        if not numeric and (self.minimum, self.maximum, self.multiple_of) != (None, None, None):
            raise mistake(
                "conflict", "{field} is text, which has no limits.", "Take minimum, maximum and multiple_of out."
            )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise mistake("conflict", "{field} has a minimum above its maximum.", "Swap the two.")
        if self.default is not None and not self._takes(self.default):
            raise mistake("bad_value", "{field} has a default that it doesn't take itself.", "Correct the default.")
        return self

    def _takes(self, value: Any) -> bool:
        if self.type == "text":
            return isinstance(value, str)
        if isinstance(value, str) or (self.type == "whole" and not isinstance(value, int)):
            return False
        low = self.minimum is None or value >= self.minimum
        high = self.maximum is None or value <= self.maximum
        return low and high and (self.multiple_of is None or (value - self.base) % self.multiple_of == 0)


class Parameters(Declared):
    """The job fields that this workflow takes; a field that isn't here is a mistake in a job."""

    prompt: Parameter | None = None
    negative_prompt: Parameter | None = None
    seed: Parameter | None = None
    width: Parameter | None = None
    height: Parameter | None = None
    frames: Parameter | None = None
    fps: Parameter | None = None
    steps: Parameter | None = None
    cfg: Parameter | None = None
    sampler: Parameter | None = None
    scheduler: Parameter | None = None
    checkpoint: Parameter | None = None
    vae: Parameter | None = None

    def declared(self) -> dict[str, Parameter]:
        """Return the parameters that the manifest has."""
        return {name: parameter for name, parameter in vars(self).items() if parameter is not None}

    @model_validator(mode="after")
    def _have_their_types(self) -> Parameters:
        for name, parameter in self.declared().items():
            if parameter.type not in _TYPES[name]:
                wanted = " or ".join(_TYPES[name])
                raise mistake(
                    "bad_value", f"{{field}}.{name} must have type {wanted}.", f"Write type: {_TYPES[name][0]}."
                )
        return self


class MediaRole(Declared):
    """One picture or video that the graph loads: the guard lets it load nothing else."""

    kind: Literal["picture", "video"] = Field(description="What the role takes.", examples=["picture"])
    node: Text = Field(description="The id of the loader node.", examples=["2"])
    input: Text = Field(description="The loader's input for the file.", examples=["image"])
    required: bool = Field(
        default=True,
        description="Whether a job must bring it; what hangs on one that it needn't bring is in a switch of that role.",
        examples=[False],
    )


class MediaRoles(Declared):
    """The pictures and videos that a job brings, by role."""

    image: MediaRole | None = None
    source: MediaRole | None = None
    target: MediaRole | None = None
    reference: MediaRole | None = None

    def declared(self) -> dict[str, MediaRole]:
        """Return the roles that the manifest has."""
        return {name: role for name, role in vars(self).items() if role is not None}


class OptionalNode(Declared):
    """A node that does nothing at strength 0: it is left out then, and what it fed is linked to what it passes on."""

    node: Text = Field(description="The node's id.", examples=["3"])
    strength: Text = Field(description="The input that is 0 when the node does nothing.", examples=["strength_model"])
    passes: tuple[Text, ...] = Field(
        min_length=1, description="For each output in order, the input that it passes on.", examples=[["model", "clip"]]
    )


Side = Annotated[int, Field(ge=16, le=16384)]


class Sizes(Declared):
    """Sizes to choose from when a job sets neither width nor height: the one shaped most like its picture."""

    follow: Literal["image", "source", "target", "reference"] = Field(
        description="The role to look at.", examples=["image"]
    )
    shapes: tuple[Annotated[tuple[Side, Side], Field()], ...] = Field(
        min_length=1, description="Width and height of each.", examples=[[[1024, 576], [576, 1024]]]
    )


class Length(Declared):
    """The video that a clip is made after: no frames beyond its end are asked of the graph."""

    follow: Literal["target", "reference"] = Field(description="The video's role.", examples=["reference"])


class Chunks(Declared):
    """A video that is too long for a server's memory is rendered in parts of so many frames, and joined.

    Only for graphs in which no frame knows of another: anything else would show where it was cut.
    """

    frames: int = Field(ge=2, le=100_000, description="The most frames of one part.", examples=[300])
    skip: Target = Field(
        description="The input that says how many frames are passed over.",
        examples=[{"node": "1", "input": "skip_first_frames"}],
    )


class Output(Declared):
    """The node whose file is the result."""

    node: Text = Field(description="The id of the node that saves the video.", examples=["14"])
    prefix: Text = Field("filename_prefix", description="Its input for the file name.", examples=["filename_prefix"])
    follow: Literal["image", "source", "target", "reference"] | None = Field(
        None,
        description="The video role whose size, rate, length and sound the result has, where no parameter sets them.",
        examples=["target"],
    )


def _check_rung(rung: Any) -> Any:
    for name, value in rung.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            fix = "Write for example {frames: 0.5} for half as many, or {frames: 49}."
            raise mistake("bad_value", f"{{field}}.{name} must be a factor below 1 or a whole number.", fix)
        if value >= 1 and value != int(value):
            fix = "Write a factor below 1, or a whole number."
            raise mistake("bad_value", f"{{field}}.{name} can't be {value}.", fix)
    if not rung:
        raise mistake("bad_value", "{field} is a step that changes nothing.", "Write for example {frames: 0.5}.")
    return rung


Rung = Annotated[
    dict[Literal["width", "height", "frames"], float],
    AfterValidator(_check_rung),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"enum": ["width", "height", "frames"]},
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
        }
    ),
]

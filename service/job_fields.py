"""The fields of a job, declared once: what each takes, what it means, and which of them aren't built yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from service import alternatives
from service.declaration import Declared, Slug, mistake
from service.errors import Rejected
from service.job_output import Output
from service.job_texts import MediaName, Moment, Name, Times, check_text

SEED_MAX = 2**53 - 1
PROMPT_MAX = 10_000
#: The media roles, in the order in which the job file has them.
ROLES = ("image", "source", "target", "reference")
PRIORITIES: Mapping[str, int] = {"low": -50, "normal": 0, "high": 50}

#: Fields of the job file whose parts aren't built yet, and what to do meanwhile.
UNBUILT: Mapping[str, str] = {
    "notify": "Leave it out and watch the status file.",
}

#: What other programs call our fields.
SYNONYMS: Mapping[str, str] = {
    "text": "prompt",
    "description": "prompt",
    "style": "preset",
    "picture": "image",
    "photo": "image",
    "file": "image",
    "input": "image",
    "face": "source",
    "video": "reference",
    "model": "checkpoint",
    "ckpt": "checkpoint",
    "ckpt_name": "checkpoint",
    "sampler_name": "sampler",
    "guidance": "cfg",
    "guidance_scale": "cfg",
    "frame_rate": "fps",
    "framerate": "fps",
    "num_frames": "frames",
    "length": "seconds",
    "duration": "seconds",
    "batch": "count",
    "batch_size": "count",
    "takes": "count",
    "name": "output.name",
    "filename": "output.name",
}


def _check_prompt(text: str) -> str:
    check_text(text)
    try:
        alternatives.parse(text)
    except Rejected as refusal:
        (problem,) = refusal.problems
        raise mistake(problem.code, problem.title, problem.fix) from None
    return text


def _as_priority(value: Any) -> Any:
    """Let a priority be written as a word."""
    if isinstance(value, str) and value in PRIORITIES:
        return PRIORITIES[value]
    if isinstance(value, bool) or not isinstance(value, int) or not -100 <= value <= 100:
        fix = "Write for example priority: high."
        raise mistake("bad_value", "{field} must be low, normal, high, or a whole number from -100 to 100.", fix)
    return value


#: The words for a length set twice; `field` is where it is said.
BOTH_LENGTHS = {
    "code": "conflict",
    "title": "frames and seconds both set the length.",
    "fix": "Keep one of the two.",
    "field": "seconds",
}

Prompt = Annotated[str, Field(max_length=PROMPT_MAX), AfterValidator(_check_prompt)]
Priority = Annotated[
    int,
    BeforeValidator(_as_priority),
    WithJsonSchema({"anyOf": [{"enum": list(PRIORITIES)}, {"type": "integer", "minimum": -100, "maximum": 100}]}),
]


Weight = Annotated[float, Field(ge=-10, le=10)]
SliderValue = Annotated[float, Field(ge=-1, le=1)]
#: What a workflow's switch can be called.
SwitchName = Slug


class LoraWish(Declared):
    """A LoRA that a job asks for."""

    name: Name = Field(description="Its file name, as ComfyUI lists it.", examples=["film_grain.safetensors"])
    weight: Weight = Field(1.0, description="How strong it is; below 0 it works the other way round.", examples=[0.7])


class Sliders(Declared):
    """How far a job moves each slider from the middle."""

    age: SliderValue | None = Field(None, description="Older above 0, younger below.", examples=[0.3])
    body: SliderValue | None = Field(None, description="More above 0, less below.", examples=[-0.2])


def _check_loras(loras: tuple[LoraWish, ...]) -> tuple[LoraWish, ...]:
    names = [lora.name for lora in loras]
    if (twice := next((name for name in names if names.count(name) > 1), None)) is not None:
        raise mistake("bad_value", f"{{field}} names {twice} twice.", "Keep one of the two.")
    return loras


Loras = Annotated[tuple[LoraWish, ...], Field(max_length=16), AfterValidator(_check_loras)]


class JobSettings(Declared):
    """What one job asks for; a field that isn't set is None and not in model_fields_set."""

    prompt: Prompt | None = Field(
        None, description="What the video shows.", examples=["a fishing harbour at dawn, slow pan, film grain"]
    )
    negative_prompt: Prompt | None = Field(None, description="What it must not show.", examples=["blurry"])
    preset: Name | None = Field(
        None, description="A preset, whose settings hold where the job is silent.", examples=["cinematic"]
    )
    image: MediaName | None = Field(None, description="The picture to start from.", examples=["cat.jpg"])
    source: MediaName | None = Field(
        None, description="The picture whose face or person is taken.", examples=["anna.jpg"]
    )
    target: MediaName | None = Field(
        None, description="The picture or video that it is put into.", examples=["walk.mp4"]
    )
    reference: MediaName | None = Field(
        None, description="The video whose motion or pose is followed.", examples=["dances/tango.mp4"]
    )
    workflow: Name | None = Field(
        None,
        description="The workflow to use; without it the first of the task that fits.",
        examples=["text_to_video_basic"],
    )
    seed: int | None = Field(
        None, ge=0, le=SEED_MAX, description="The same seed gives the same video; default: random.", examples=[42]
    )
    width: int | None = Field(None, ge=1, le=16384, description="Width in pixels.", examples=[512])
    height: int | None = Field(None, ge=1, le=16384, description="Height in pixels.", examples=[512])
    frames: int | None = Field(None, ge=1, le=100_000, description="How many frames; or say seconds.", examples=[16])
    seconds: float | None = Field(None, gt=0, le=3600, description="How long; or say frames.", examples=[1.3])
    fps: float | None = Field(None, gt=0, le=1000, description="Frames a second.", examples=[12])
    steps: int | None = Field(None, ge=1, le=10_000, description="Sampling steps; more is slower.", examples=[20])
    cfg: float | None = Field(None, ge=0, le=100, description="How strictly the prompt is followed.", examples=[7.5])
    sampler: Name | None = Field(None, description="ComfyUI's name of the sampler.", examples=["euler_ancestral"])
    scheduler: Name | None = Field(None, description="ComfyUI's name of the scheduler.", examples=["normal"])
    checkpoint: Name | None = Field(
        None, description="The model's file name, as ComfyUI lists it.", examples=["realisticVision_v51.safetensors"]
    )
    vae: Name | None = Field(
        None,
        description="The VAE's file name, as ComfyUI lists it.",
        examples=["vae-ft-mse-840000-ema-pruned.safetensors"],
    )
    loras: Loras | None = Field(
        None,
        description="LoRAs to put onto the model, each with its weight.",
        examples=[[{"name": "film_grain.safetensors", "weight": 0.7}]],
    )
    sliders: Sliders | None = Field(
        None, description="Age and body, each from -1.0 to 1.0; 0 changes nothing.", examples=[{"age": 0.3}]
    )
    switches: dict[SwitchName, bool] | None = Field(
        None, description="Parts of the workflow to turn on or off.", examples=[{"restore": False}]
    )
    matrix: dict[str, tuple[Any, ...]] | None = Field(
        None,
        description="Several values for some fields: every combination becomes a job.",
        examples=[{"cfg": [6, 7.5], "sampler": ["euler", "dpmpp_2m"]}],
    )
    count: int | None = Field(None, ge=1, le=1000, description="So many takes; take k gets seed + k - 1.", examples=[4])
    priority: Priority | None = Field(
        None, description="low, normal, high, or -100 to 100: higher ones come first.", examples=["high"]
    )
    start_at: Moment | None = Field(
        None,
        description="Not before this time, by the clock of Reeldrop's machine unless a zone (Z, +01:00) follows it.",
        examples=["2026-12-01 22:00"],
    )
    every: Times | None = Field(
        None,
        description="Again at each of these times, in cron's five fields or a word such as @daily.",
        examples=["0 22 * * mon-fri"],
    )
    consent: bool | None = Field(
        None,
        description="Everyone shown has agreed; the job needs it where its workflow transfers an identity.",
        examples=[True],
    )
    output: Output | None = Field(
        None, description="The result's name, and how much is written into it.", examples=[{"name": "harbour"}]
    )
    rerun: bool | None = Field(None, description="Render it again though the same exists already.", examples=[True])
    shrink: bool | None = Field(
        None,
        description="Whether settings may become smaller where the server runs out of memory; default: true.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _agree(self) -> JobSettings:
        if self.frames is not None and self.seconds is not None:
            raise mistake(**BOTH_LENGTHS)
        if self.seed is not None and self.seed + (self.count or 1) - 1 > SEED_MAX:
            title = f"seed and count together go beyond the largest seed, {SEED_MAX}."
            raise mistake("out_of_range", title, "Write a smaller seed.", "seed")
        return self

    def asked(self) -> dict[str, Any]:
        """Return the fields that the job sets."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def parts(self) -> set[str]:
        """Return the names of the fields that the job sets, and of sliders and switches each: sliders.age."""
        asked = self.asked()
        return {*asked, *flat(asked)}

    def named_media(self) -> dict[str, str]:
        """Return the files that the job names itself, by role."""
        named = {role: getattr(self, role) for role in ROLES}
        return {role: name for role, name in named.items() if name is not None}


def flat(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with each slider and switch by itself: sliders.age."""
    found = {name: value for name, value in asked.items() if name not in ("sliders", "switches")}
    if (sliders := asked.get("sliders")) is not None:
        found |= {f"sliders.{name}": value for name, value in vars(sliders).items() if value is not None}
    return found | {f"switches.{name}": value for name, value in (asked.get("switches") or {}).items()}


#: The fields that may have several values in a matrix, and those of which a part may, as in sliders.age.
MATRIX_FIELDS = (
    "prompt", "negative_prompt", "preset", *ROLES, "workflow", "seed", "width", "height", "frames", "seconds", "fps",
    "steps", "cfg", "sampler", "scheduler", "checkpoint", "vae", "loras",
)  # fmt: skip
MATRIX_PARTS: Mapping[str, tuple[str, ...]] = {
    "sliders": tuple(Sliders.model_fields),
    "switches": (),
    "output": tuple(name for name in Output.model_fields if name != "name"),
}

"""Presets: named settings that hold where a job is silent; one YAML file each, never about whom or what a job shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, create_model

from service import drops
from service.declaration import Declared, did_you_mean, in_order
from service.errors import Problem, Rejected
from service.job_fields import BOTH_LENGTHS, PROMPT_MAX, UNBUILT, JobSettings, Prompt, Sliders, flat
from service.strict_yaml import read as read_yaml
from service.typed_yaml import read

#: The job fields that a preset may set: what a video looks like, and nothing that somebody must say of one job.
FIELDS = (
    "workflow", "negative_prompt", "width", "height", "frames", "seconds", "fps", "steps", "cfg", "sampler",
    "scheduler", "checkpoint", "vae", "loras", "sliders", "switches",
)  # fmt: skip

_LENGTHS = frozenset({"frames", "seconds"})


class _Head(Declared):
    title: str = Field("", max_length=400, description="A name for people.", examples=["Cinematic"])
    description: str = Field("", max_length=2000, description="What it is good for.", examples=["Slow and wide."])
    style: Prompt | None = Field(
        None, description="Words about the look, put behind the job's prompt.", examples=["ink lines, flat colours"]
    )


_FIELDS: dict[str, Any] = {
    name: (JobSettings.model_fields[name].annotation, JobSettings.model_fields[name]) for name in FIELDS
}
_Written: type[_Head] = create_model("_Written", __base__=_Head, **_FIELDS)


@dataclass(frozen=True)
class Preset:
    """One preset; `settings` are in the job file's own fields, and `style` is put behind the job's prompt."""

    name: str
    title: str
    description: str
    settings: Mapping[str, Any]
    style: str = ""

    def own(self, job: JobSettings) -> dict[str, Any]:
        """
        Return the settings that hold for a job, the workflow and the style apart.

        A length, frames or seconds, is one; each slider and switch counts by itself: sliders.age.
        """
        asked = job.parts()
        taken = {*asked, "workflow", *(_LENGTHS if _LENGTHS & asked else ())}
        return {name: value for name, value in flat(self.settings).items() if name not in taken}

    def below(self, job: JobSettings, without: Collection[str] = ()) -> JobSettings:
        """Return a job with this preset where it is silent."""
        changed: dict[str, Any] = {}
        for name, value in self.own(job).items():
            if name in without:
                continue
            field, _, part = name.partition(".")
            if not part:
                changed[field] = value
            elif field == "sliders":
                changed[field] = (changed.get(field) or job.sliders or Sliders()).model_copy(update={part: value})
            else:
                changed[field] = {**(changed.get(field) or job.switches or {}), part: value}
        if self.style and job.prompt is not None and len(job.prompt) + len(self.style) + 2 <= PROMPT_MAX:
            changed["prompt"] = f"{job.prompt}, {self.style}"
        return job.model_copy(update=changed)


def parse(name: str, data: bytes) -> Preset:
    """Read a preset; raise Rejected with every mistake, its place and cure."""
    document = read_yaml(data)
    root = document.root
    problems = []
    for field in list(root.fields):
        if (field in JobSettings.model_fields or field in UNBUILT or field == "jobs") and field not in FIELDS:
            fix = "Take it out; a job says it itself."
            problems.append(
                Problem("bad_value", f"A preset can't set {field}.", fix, field=field).at(*root.keys[field])
            )
            del root.fields[field]
    made, wrong = read(_Written, document, {})
    problems += wrong
    if set(root.fields) >= _LENGTHS:
        problem = Problem(BOTH_LENGTHS["code"], BOTH_LENGTHS["title"], BOTH_LENGTHS["fix"], field="seconds")
        problems.append(problem.at(*root.keys["seconds"]))
    if problems or made is None:
        raise Rejected(*in_order(problems))
    settings = {name: value for name in FIELDS if (value := getattr(made, name)) is not None}
    return Preset(name, made.title, made.description, settings, made.style or "")


def preset_of(job: JobSettings, grouping: str, presets: Mapping[str, Preset]) -> Preset | None:
    """Return the preset that a job names, or the one whose name its innermost folder has; raises Rejected."""
    if job.preset is None:
        name = drops.preset_of(grouping, presets)
        return presets[name] if name is not None else None
    if job.preset in presets:
        return presets[job.preset]
    names = sorted(presets)
    otherwise = f"The presets are: {', '.join(names)}." if names else "There are none; take the line out."
    fix = did_you_mean(job.preset, names, otherwise)
    raise Rejected(Problem("unknown_preset", f"There is no preset {job.preset!r}.", fix, field="preset"))

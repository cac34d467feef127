"""A job file becomes job settings, or every mistake in it with its place and cure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from service.declaration import Declared, in_order, json_plain, mistake, not_built
from service.errors import Problem, Rejected
from service.strict_yaml import Document
from service.strict_yaml import decode as decode_text
from service.strict_yaml import read as read_yaml
from service.typed_yaml import read
from service.yaml_slips import quote

SEED_MAX = 2**53 - 1
PROMPT_MAX = 10_000

#: Fields of the job file whose parts aren't built yet, and what to do meanwhile.
UNBUILT: Mapping[str, str] = {
    "source": "Leave it out; face swap comes later.",
    "target": "Leave it out; face swap comes later.",
    "reference": "Leave it out; motion and pose come later.",
    "preset": "Leave it out and write its settings into the job file.",
    "loras": "Leave it out.",
    "sliders": "Leave it out.",
    "matrix": "Leave it out and drop one job file for each combination.",
    "priority": "Leave it out; jobs run in the order they come.",
    "start_at": "Leave it out and drop the file when it shall run.",
    "every": "Leave it out and drop the file each time.",
    "output": "Leave it out; the result is an MP4 of the job file's name.",
    "consent": "Leave it out; the workflows that need it aren't built yet either.",
    "notify": "Leave it out and watch the status file.",
    "rerun": "Leave it out; every drop is rendered.",
    "shrink": "Leave it out and choose a smaller width, height or frames.",
    "jobs": "Drop one file for each job.",
}

_WILDCARD = re.compile(r"(?<!\w)__[^\W_][\w/-]*?__(?!\w)")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def _check_prompt(text: str) -> str:
    _check_text(text)
    if _has_alternatives(text):
        raise not_built("{field} with alternatives {a|b}", "Write one of them, or drop one file for each.")
    if (found := _WILDCARD.search(text)) is not None:
        raise not_built(f"{{field}} with a wildcard ({found[0]})", "Write the words themselves.")
    return text


def _has_alternatives(text: str) -> bool:
    """Say whether a | stands inside braces that are closed."""
    open_braces: list[bool] = []
    for letter in text:
        if letter == "{":
            open_braces.append(False)
        elif letter == "|" and open_braces:
            open_braces[-1] = True
        elif letter == "}" and open_braces and open_braces.pop():
            return True
    return False


def _check_text(text: str) -> str:
    if not text.strip():
        raise mistake("empty_field", "{field} is empty.", "Write something, or take the line out.")
    if (bad := _CONTROL.search(text)) is not None:
        raise mistake("control_character", f"{{field}} holds a control character (U+{ord(bad[0]):04X}).", "Delete it.")
    return text


def _check_media_name(text: str) -> str:
    name = _check_text(text)
    while name.startswith("./"):
        name = name[2:]
    parts = name.split("/")
    if "\\" in name:
        raise mistake("bad_path", "{field} can't hold a backslash.", _BESIDE)
    if "://" in name:
        raise mistake("bad_path", "{field} can't be an address.", "Download it and drop it beside the job file.")
    if name.startswith(("/", "~")) or re.match(r"[A-Za-z]:", name):
        raise mistake("bad_path", "{field} can't be named by an absolute path.", _BESIDE)
    if ".." in parts:
        raise mistake("bad_path", "{field} can't hold '..'.", _BESIDE)
    if any(not part or part.startswith(".") for part in parts):
        raise mistake("bad_path", "{field} can't have empty or hidden parts.", _BESIDE)
    if len(parts) > 1:
        raise mistake(
            "not_built_yet", "{field} can name only files beside the job file; folders are not built yet.", _BESIDE
        )
    return name


_BOTH_LENGTHS = {
    "code": "conflict",
    "title": "frames and seconds both set the length.",
    "fix": "Keep one of the two.",
    "field": "seconds",
}
_BESIDE = "Put it beside the job file and write its name only, for example cat.jpg."

Name = Annotated[str, Field(max_length=200), AfterValidator(_check_text)]
MediaName = Annotated[str, Field(max_length=1000), AfterValidator(_check_media_name)]
Prompt = Annotated[str, Field(max_length=PROMPT_MAX), AfterValidator(_check_prompt)]


class JobSettings(Declared):
    """What one job asks for; a field that isn't set is None and not in model_fields_set."""

    prompt: Prompt | None = Field(
        None, description="What the video shows.", examples=["a fishing harbour at dawn, slow pan, film grain"]
    )
    negative_prompt: Prompt | None = Field(None, description="What it must not show.", examples=["blurry"])
    image: MediaName | None = Field(
        None, description="The picture to start from, a file beside the job file.", examples=["cat.jpg"]
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
    count: int | None = Field(None, ge=1, le=1000, description="So many takes; take k gets seed + k - 1.", examples=[4])

    @model_validator(mode="after")
    def _agree(self) -> JobSettings:
        if self.frames is not None and self.seconds is not None:
            raise mistake(**_BOTH_LENGTHS)
        if self.seed is not None and self.seed + (self.count or 1) - 1 > SEED_MAX:
            title = f"seed and count together go beyond the largest seed, {SEED_MAX}."
            raise mistake("out_of_range", title, "Write a smaller seed.", "seed")
        return self

    def asked(self) -> dict[str, Any]:
        """Return the fields that the job sets."""
        return {name: value for name, value in self if value is not None}


@dataclass(frozen=True)
class JobFile:
    """One job file read: its settings, and where each field stands."""

    settings: JobSettings
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def place(self, name: str) -> tuple[int, int]:
        """Return line and column of a field; of the file's beginning where it isn't written."""
        return self.places.get(name, (1, 1))

    def placed(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """Return problems found later with the places of the fields that they name."""
        return tuple(
            problem.at(*self.places[problem.field or ""])
            if problem.line is None and problem.field in self.places
            else problem
            for problem in problems
        )


def parse(data: bytes) -> JobFile:
    """Read a job file; raise Rejected with every mistake, its place and cure."""
    try:
        document = read_yaml(data)
    except Rejected as refusal:
        raise Rejected(*(_several(problem) for problem in refusal.problems)) from None
    for name in ("prompt", "negative_prompt"):
        _braces_are_text(document, name)
    settings, problems = read(JobSettings, document, UNBUILT)
    problems = in_order((*problems, *_cut_texts(document), *_both_lengths(document, problems)))
    if settings is None or problems:
        raise Rejected(*problems)
    return JobFile(settings, dict(document.root.keys))


def from_text(text: str | bytes) -> JobFile:
    """Read a plain text file, whose whole text is the prompt; raise Rejected if it can't be one."""
    words = (decode_text(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")).strip()
    if not words:
        raise Rejected(Problem("empty", "The text file is empty.", "Write the prompt into it."))
    document = read_yaml(b"prompt: x")
    prompt = replace(document.root.fields["prompt"], kind="text", text=words, block=True, line=1, column=1)
    document.root.fields["prompt"] = prompt
    settings, problems = read(JobSettings, document, {})
    if settings is None:
        raise Rejected(*problems)
    return JobFile(settings)


def without_file() -> JobFile:
    """Return the job of media that was dropped alone: nothing set."""
    return JobFile(JobSettings.model_validate({}))


def expand(settings: JobSettings) -> tuple[JobSettings, ...]:
    """Return the single jobs that count asks for: take k has seed + k - 1; the seed must be set for more than one."""
    if settings.count is None:
        return (settings,)
    if settings.count > 1 and settings.seed is None:
        raise ValueError("draw a seed before expanding count")
    takes = range(settings.count)
    return tuple(settings.model_copy(update={"count": None, "seed": _seed(settings.seed, take)}) for take in takes)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a job file, for editors."""
    document: dict[str, Any] = json_plain(JobSettings.model_json_schema())
    return {**document, "title": "Reeldrop job file", "not": {"required": ["frames", "seconds"]}}


def _seed(first: int | None, take: int) -> int | None:
    return first if first is None else (first + take) % (SEED_MAX + 1)


def _several(problem: Problem) -> Problem:
    if problem.code != "several_documents":
        return problem
    title = "Several jobs in one file, divided by '---', are not built yet."
    return replace(problem, code="not_built_yet", title=title, fix="Drop one file for each job.")


def _both_lengths(document: Document, found: Iterable[Problem]) -> Iterable[Problem]:
    """The declaration looks at two fields together only when each is right; people want to hear all at once."""
    keys = document.root.keys
    if "frames" in keys and "seconds" in keys and all(problem.code != "conflict" for problem in found):
        yield Problem("conflict", _BOTH_LENGTHS["title"], _BOTH_LENGTHS["fix"], field="seconds").at(*keys["seconds"])


def _braces_are_text(document: Document, name: str) -> None:
    """{dawn|dusk} without quotes is YAML's way to write fields, but never what the author of a prompt meant."""
    node = document.root.fields.get(name)
    if node is not None and node.kind == "fields" and not node.block and "|" in document.source(node):
        document.root.fields[name] = replace(node, kind="text", text=document.source(node))


def _cut_texts(document: Document) -> Iterable[Problem]:
    """A # after a space begins a comment: nobody who writes #ff0000 into a prompt means one."""
    for name, node in document.root.fields.items():
        if name in JobSettings.model_fields and node.kind == "text" and (lost := document.swallowed(node)):
            title = f"'{lost}' in {name} would be taken for a comment and lost."
            fix = f"Put the text in quotes: {name}: {quote(node.text + ' ' + lost)} (for a comment: a space after #)."
            yield Problem("cut_text", title, fix, field=name).at(node.line, node.column)

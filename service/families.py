"""Model families: what a checkpoint or a LoRA was made for must be what the workflow is made for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from service.errors import Problem


@dataclass(frozen=True)
class ModelFacts:
    """What is known of one model file; None where nothing is."""

    #: What it was made for: sd15, sdxl, wan22.
    family: str | None = None
    #: Whether a LoRA changes the text encoder too.
    clip: bool | None = None

    def filled(self, other: ModelFacts) -> ModelFacts:
        """Return these facts, and another's where nothing is known here."""
        family = other.family if self.family is None else self.family
        return ModelFacts(family, other.clip if self.clip is None else self.clip)


#: Tells what is known of the file of a folder and a name.
FactsOf = Callable[[str, str], ModelFacts]


def nothing_known(_folder: str, _name: str) -> ModelFacts:
    """Return that nothing is known."""
    return ModelFacts()


def listed(facts: Mapping[str, ModelFacts], folder: str, name: str) -> ModelFacts:
    """Return what a list says of a file, by "folder/name", in whatever subfolder a server has it."""
    plain = PurePosixPath(name.replace("\\", "/")).name
    return facts.get(f"{folder}/{name}") or facts.get(f"{folder}/{plain}") or ModelFacts()


#: Families whose LoRAs work on another's models too: the 14B models of Wan 2.2 are built like those of 2.1, and the
#: template for Wan Animate that comes with ComfyUI loads one of 2.1.
_TAKE_TOO: Mapping[str, frozenset[str]] = {
    "wan22": frozenset({"wan21"}),
    "wan22_animate": frozenset({"wan21", "wan22"}),
}


def unfit(
    workflow: str, family: str | None, named: Iterable[tuple[str, str, str]], facts_of: FactsOf
) -> tuple[Problem, ...]:
    """
    Return a problem for each model file whose family is known and isn't the workflow's.

    `named` are the files as (field of the job, folder, name). Of unknown ones nothing is said here: whether a server
    has them is asked elsewhere.
    """
    if family is None:
        return ()
    found = ((field, folder, name, facts_of(folder, name).family) for field, folder, name in named)
    return tuple(
        _mismatch(workflow, family, field, name, theirs)
        for field, folder, name, theirs in found
        if theirs not in (None, family) and not (folder == "loras" and theirs in _TAKE_TOO.get(family, frozenset()))
    )


def _mismatch(workflow: str, family: str, field: str, name: str, theirs: str | None) -> Problem:
    title = f"{name} is made for {theirs}, and {workflow} takes what is made for {family}."
    fix = f"Name one for {family}, or take {field} out."
    return Problem("family_mismatch", title, fix, field=field)

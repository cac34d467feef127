"""What of the listed models is there, what is missing, what lies there that nobody lists or no workflow uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from service.declaration import did_you_mean
from service.errors import Problem, Rejected
from service.model_list import Model, needed_by

#: Old names that ComfyUI still takes for two folders (its folder_paths).
_OLD_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}
_MODEL_ENDINGS = frozenset((".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".onnx", ".gguf", ".pkl"))


@dataclass(frozen=True)
class Stock:
    """The listed models with whether each is there, and the files that nobody lists."""

    rows: tuple[dict[str, Any], ...]
    unknown: tuple[dict[str, Any], ...]

    def of(self, state: str) -> list[dict[str, Any]]:
        """Return the rows of one state: present, missing, wrong_size or unused."""
        return [row for row in self.rows if row["state"] == state]


def take_stock(listed: Sequence[Model], sizes: Mapping[str, int]) -> Stock:
    """
    Given the list and the size of each file by "folder/name", say what each listed model's state is.

    States: present; wrong_size (there, and of another size than the list says); missing; and, of those that no
    workflow needs, unused (there) and optional (not there).
    """
    known = {_usual(place): place for place in sizes}
    rows = tuple(_row(model, sizes.get(known.get(model.place, ""))) for model in listed)
    places = {model.place for model in listed}
    unknown = tuple(
        {"file": place, "size_bytes": size}
        for place, size in sorted(sizes.items())
        if _usual(place) not in places and PurePosixPath(place).suffix.lower() in _MODEL_ENDINGS
    )
    return Stock(rows, unknown)


@dataclass(frozen=True)
class Plan:
    """What is to be done for some models: nothing, by hand, by moving another file away, by fetching."""

    present: tuple[Model, ...]
    by_hand: tuple[Model, ...]
    taken: tuple[Model, ...]
    wanted: tuple[Model, ...]

    @property
    def size_bytes(self) -> int:
        """What the files to fetch hold, as far as it is known."""
        return sum(model.size_bytes or 0 for model in self.wanted)

    @property
    def terms(self) -> dict[str, tuple[Model, ...]]:
        """The licences of the files to fetch, each with its files; those that allow everything come first."""
        found: dict[str, tuple[Model, ...]] = {}
        for model in sorted(self.wanted, key=lambda model: model.commercial != "yes" or model.gated):
            name = model.licence or f"the licence of {model.name}, which isn't known"
            found[name] = (*found.get(name, ()), model)
        return found


def plan(models: Sequence[Model], sizes: Mapping[str, int]) -> Plan:
    """Given models and the size of each file by "folder/name", say what is to be done to have them all."""
    states = {model: _state(model, sizes.get(model.place)) for model in models}
    missing = [model for model, state in states.items() if state in ("missing", "optional")]
    return Plan(
        tuple(model for model, state in states.items() if state in ("present", "unused")),
        tuple(model for model in missing if model.url is None),
        tuple(model for model, state in states.items() if state == "wrong_size"),
        tuple(model for model in missing if model.url is not None),
    )


def is_free(models: Sequence[Model]) -> bool:
    """Whether a licence's files may be used by everybody for everything, as far as the list knows."""
    return all(model.commercial == "yes" and not model.gated for model in models)


def named(models: Sequence[Model], name: str) -> tuple[Model, ...]:
    """Return the model of a file name or "folder/name"; raise Rejected with the nearest name where none is it."""
    found = tuple(model for model in models if name in (model.name, model.place, PurePosixPath(model.name).name))
    if not found:
        fix = did_you_mean(name, [model.name for model in models], "`reeldrop models list` has all names.")
        raise Rejected(Problem("unknown_model", f"There is no model {name} in this list.", fix))
    return found


def workflow_models(listed: Sequence[Model], workflow: str, others: Iterable[str] = ()) -> tuple[Model, ...]:
    """Return what a workflow needs; raise Rejected for a name that neither the list nor `others` has."""
    plain = workflow.removesuffix(".json").removesuffix(".yaml")
    found = needed_by(listed, plain)
    names = sorted({name for model in listed for name in model.workflows} | set(others))
    if not found and plain not in names:
        fix = did_you_mean(plain, names, f"There are: {', '.join(names) or 'none'}.")
        raise Rejected(Problem("unknown_workflow", f"There is no workflow {workflow}.", fix))
    return found


def _row(model: Model, size: int | None) -> dict[str, Any]:
    return {
        "file": model.place,
        "state": _state(model, size),
        "size_bytes": size if size is not None else model.size_bytes,
        "licence": model.licence,
        "commercial": model.commercial,
        "family": model.family,
        "kind": model.kind,
        "source": model.source,
        "can_be_pulled": model.url is not None,
        "gated": model.gated,
        "adult": model.adult,
        "workflows": list(model.workflows),
    }


def _state(model: Model, size: int | None) -> str:
    if size is None:
        return "missing" if model.workflows else "optional"
    if model.size_bytes is not None and size != model.size_bytes:
        return "wrong_size"
    return "present" if model.workflows else "unused"


def _usual(place: str) -> str:
    folder, _, name = place.partition("/")
    return f"{_OLD_NAMES.get(folder, folder)}/{name}"

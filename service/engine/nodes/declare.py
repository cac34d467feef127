"""Node classes declared: recorded facts from the JSON files beside this module, live option lists, named functions."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from service.engine.images import Frames, Spool
from service.engine.node import Context, Folders, NodeClass, Result

Run = Callable[[Context, Mapping[str, Any]], Result]
Options = Callable[[Mapping[str, list[str]], Folders], list[str]]

FACTS = ("core", "video", "vhs", "animatediff")
ANNOTATED = re.compile(r"^(?P<name>.*?) ?\[(?P<kind>input|output|temp)\]$", re.DOTALL)


@functools.cache
def facts() -> dict[str, dict[str, Any]]:
    """Return the recorded object_info entries by class name."""
    entries: dict[str, dict[str, Any]] = {}
    for name in FACTS:
        text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
        entries.update(json.loads(text))
    return entries


def node(
    name: str,
    run: Run,
    options: Mapping[str, Options] | None = None,
    **hooks: Any,
) -> NodeClass:
    """Declare a class: its facts by name, what it does, which inputs list something live, ComfyUI's optional hooks."""

    def info(models: Mapping[str, list[str]], folders: Folders) -> dict[str, Any]:
        entry = copy.deepcopy(facts()[name])
        for field, listed in (options or {}).items():
            fill(entry["input"]["required"][field], listed(models, folders))
        return entry

    declared = NodeClass(name=name, info=info, run=run, **hooks)
    return replace(declared, run=functools.partial(run_shared, run))


def fill(field: list[Any], options: list[str]) -> None:
    """Put an option list where either of the two encodings keeps it."""
    if field[0] == "COMBO":
        field[1]["options"] = options
    else:
        field[0] = options


def of_models(folder: str, *more: str) -> Options:
    """List the models of one folder, then `more`."""
    return lambda models, _folders: [*models.get(folder, []), *more]


def of_files(*suffixes: str) -> Options:
    """List the files of the input folder itself that have one of these endings."""

    def listed(_models: Mapping[str, list[str]], folders: Folders) -> list[str]:
        if not folders.input.is_dir():
            return []
        found = (path for path in folders.input.iterdir() if path.suffix.lower() in suffixes and path.is_file())
        return sorted(path.name for path in found)

    return listed


def run_shared(run: Run, context: Context, inputs: Mapping[str, Any]) -> Result:
    """Run a node; frames that two or more inputs of the prompt take are drawn once, into the scratch folder."""
    result = run(context, inputs)
    values = list(result.values)
    for slot, value in enumerate(values):
        if isinstance(value, Frames) and not value.steady and consumers(context.prompt, context.node_id, slot) > 1:
            values[slot] = Spool(value, context.scratch).replay()
    return replace(result, values=tuple(values))


def consumers(prompt: Mapping[str, Any], node_id: str, slot: int) -> int:
    """Count the inputs of a prompt that are linked to one output."""
    fields = (field for entry in prompt.values() for field in (entry.get("inputs") or {}).values())
    return sum(field == [node_id, slot] for field in fields)


def locate(reference: str, folders: Folders) -> Path:
    """Return the file that a reference names: "x.png", "sub/x.png", "x.png [temp]".

    Raises ValueError if it would lie outside its folder.
    """
    found = ANNOTATED.match(reference)
    name, kind = (found["name"], found["kind"]) if found else (reference, "input")
    folder = folders.of(kind)
    assert folder is not None
    path = Path(folder, name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(
            f"{reference!r} lies outside the {kind} folder. Upload the file and use the name that comes back."
        )
    return path


def exists(field: str, what: str) -> Callable[[Mapping[str, Any], Folders], bool | str]:
    """Make the check that the file an input names is there."""

    def validate(inputs: Mapping[str, Any], folders: Folders) -> bool | str:
        reference = inputs.get(field)
        if reference is None:
            return True
        try:
            there = isinstance(reference, str) and locate(reference, folders).is_file()
        except (ValueError, OSError):
            there = False
        return there or f"Invalid {what} file: {reference}"

    return validate


def changed(field: str) -> Callable[[Mapping[str, Any], Folders], Any]:
    """Make the fingerprint of the file an input names: which file it is, its size, when it was last written."""

    def fingerprint(inputs: Mapping[str, Any], folders: Folders) -> Any:
        facts_of = locate(str(inputs[field]), folders).stat()
        return [facts_of.st_dev, facts_of.st_ino, facts_of.st_size, facts_of.st_mtime_ns]

    return fingerprint


def file_hooks(field: str, what: str) -> dict[str, Any]:
    """Return the hooks of a node that opens a file of the engine's folders."""
    return {"validate": exists(field, what), "self_checked": frozenset({field}), "fingerprint": changed(field)}


def widgets(context: Context, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with the undeclared plain ones of the prompt, which some classes read."""
    written = context.prompt[context.node_id].get("inputs", {})
    plain = {name: value for name, value in written.items() if not isinstance(value, list)}
    return {**plain, **inputs}

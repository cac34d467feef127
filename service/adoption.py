"""Adoption: somebody's graph in UI format becomes a workflow of two files, and stays beside them as it was.

A file NAME.ui.json is an original that is kept: it starts nothing, and nothing but its owner ever changes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import graph as graphs
from service.comfy.convert import convert
from service.disk import Disk
from service.drafted import draft
from service.errors import Problem, Rejected

_KEPT = ".ui"
#: A converted graph whose original still lies in its place; the last step of a placing that a crash broke off.
_UNPLACED = ".{name}.json.converted"


@dataclass(frozen=True)
class Adopted:
    """A workflow ready to be written: its graph in API format, its drafted manifest, and what to know of both."""

    graph: bytes
    manifest: str
    notes: tuple[str, ...]
    #: The backend by whose words it was converted; None where it was in API format already.
    by: str | None


def is_kept_original(stem: str) -> bool:
    """Say whether a file's stem is that of an original, which is no workflow."""
    return stem.endswith(_KEPT)


def name_for(stem: str) -> str:
    """Return a workflow's name for a file's: small letters, digits, - and _."""
    return re.sub(r"[^a-z0-9_-]+", "_", stem.lower()).strip("_-")[:60] or "my_workflow"


def adopt(name: str, data: bytes, infos: Mapping[str, Mapping[str, Any]]) -> Adopted:
    """
    Convert a graph, whose format may be either, and draft its manifest; `infos` is each backend's /object_info by name.

    The backends are tried in order, and the first that has all of its classes counts. Pure. Raises Rejected with
    what keeps the graph from a manifest, with every problem on the backend that has the fewest (not_converted,
    node_missing), or with ui_format where no backend is known.
    """
    workflow = graphs.json_of(data)
    if not graphs.is_drawn(workflow):
        return Adopted(data, draft(name, data), (), None)
    refusals = []
    for backend, info in infos.items():
        try:
            converted = convert(workflow, info)
        except Rejected as refusal:
            refusals.append(refusal)
        else:
            text = json.dumps(converted.graph, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
            return Adopted(text, draft(name, text, converted.notes), converted.notes, backend)
    if refusals:
        raise min(refusals, key=lambda refusal: len(refusal.problems))
    graphs.parse(data)
    raise AssertionError("a graph in UI format is always refused as one")


def bring(folder: Path, name: str, adopted: Adopted, original: bytes) -> list[Path]:
    """Write a workflow from elsewhere into workflows/ and return its files; raises Rejected (name_taken), OSError."""
    graph, manifest = folder / f"{name}.json", folder / f"{name}.yaml"
    if graph.exists() or manifest.exists():
        fix = "Give it another name with --name."
        raise Rejected(Problem("name_taken", f"There is a workflow {name} already.", fix))
    disk = Disk()
    files = [_keep(folder, name, original)] if adopted.by is not None else []
    try:
        disk.create(manifest, adopted.manifest.encode())
        disk.create(graph, adopted.graph)
    except FileExistsError:
        raise Rejected(Problem("name_taken", f"A workflow {name} just appeared.", "Give yours another name.")) from None
    return [graph, manifest, *files]


def put_in_place(folder: Path, name: str, adopted: Adopted) -> list[Path]:
    """Let a converted graph take the place of its original NAME.json, which is kept as NAME.ui.json; raises OSError.

    A manifest that is there stays. May be broken off anywhere: `finish` does the rest.
    """
    disk = Disk()
    graph, manifest, unplaced = folder / f"{name}.json", folder / f"{name}.yaml", folder / _UNPLACED.format(name=name)
    with suppress(FileExistsError):
        disk.create(manifest, adopted.manifest.encode())
    disk.write_durable(unplaced, adopted.graph)
    kept = _first_free(folder, name, lambda path: disk.rename_new(graph, path))
    disk.rename_new(unplaced, graph)
    disk.fsync_folder(folder)
    return [graph, manifest, kept]


def finish(folder: Path) -> None:
    """Place what a crash left converted and unplaced; what is there already wins. Raises OSError."""
    disk = Disk()
    for unplaced in folder.glob(_UNPLACED.format(name="*")):
        name = unplaced.name.removeprefix(".").removesuffix(".json.converted")
        try:
            disk.rename_new(unplaced, folder / f"{name}.json")
        except FileExistsError:
            # The original never left: it will be converted again.
            disk.unlink(unplaced)


def _keep(folder: Path, name: str, original: bytes) -> Path:
    return _first_free(folder, name, lambda path: Disk().create(path, original))


def _first_free(folder: Path, name: str, put: Callable[[Path], None]) -> Path:
    for number in range(1, 1000):
        path = folder / (f"{name}{_KEPT}.json" if number == 1 else f"{name}.{number}{_KEPT}.json")
        try:
            put(path)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{folder / name}{_KEPT}.json and a thousand more are there")

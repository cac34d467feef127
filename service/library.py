"""The library's files: workflows/ and its presets are read; what is broken is named, and stays as it was."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from service import drafted, model_list, presets, wildcards, workflow
from service.adoption import is_kept_original
from service.adult import Policy, key_of
from service.catalogue import Library
from service.config import Config
from service.disk import Disk
from service.errors import Problem, Rejected
from service.families import FactsOf, listed
from service.model_headers import ModelHeaders
from service.plain_text import MAX_BYTES
from service.presets import Preset
from service.workflow import Workflow

LOG = logging.getLogger(__name__)


def load(config: Config, before: Library | None = None) -> Library:
    """
    Return what workflows/ holds and each task's list; graph and manifest have one stem, NAME.json and NAME.yaml.

    A graph without a manifest gets a drafted one. What can't be read is named in `broken`, and is what it was `before`.
    """
    reading = _Shelves(config.workflows_dir, before)
    found = reading.workflows()
    tasks = config.task_lists({name: each.task for name, each in found.items()})
    return Library(
        found,
        tasks,
        config.workflow_defaults(),
        presets=reading.presets(),
        wildcards=reading.wildcards(),
        max_cells=config.max_cells,
        sources=reading.sources(config.models_dir / "models.yaml"),
        pulls=reading.pulls(config.models_dir / "models.yaml"),
        facts_of=reading.facts_of(config.models_dir),
        broken=reading.broken,
        drafts=reading.drafts,
        adult=_policy(config, reading.adult_models(config.models_dir / "models.yaml")),
    )


def _policy(config: Config, models: frozenset[str]) -> Policy:
    return Policy(
        enabled=config.nsfw_enabled,
        checkpoint=config.nsfw_checkpoint,
        loras=frozenset(map(key_of, config.adult_loras)),
        models=models,
        screened=config.nsfw_safety_filter,
    )


def write_drafts(folder: Path, drafts: Mapping[str, str]) -> None:
    """Write drafted manifests beside their graphs, where none is by now; raises OSError."""
    disk = Disk()
    for name, text in drafts.items():
        aside = folder / f".{name}.yaml.draft"
        disk.write(aside, text.encode())
        try:
            disk.rename_new(aside, folder / f"{name}.yaml")
        except FileExistsError:
            aside.unlink(missing_ok=True)
        else:
            LOG.info("workflows/%s.yaml was drafted from its graph: look it over.", name)


class _Shelves:
    """One reading of everything that is there."""

    def __init__(self, folder: Path, before: Library | None) -> None:
        self._folder = folder
        self._before = before
        self.broken: dict[str, tuple[Problem, ...]] = {}
        self.drafts: dict[str, str] = {}

    def workflows(self) -> dict[str, Workflow]:
        """Return each workflow by name: the sound ones, and those that were sound before."""
        found = {}
        stems = {path.stem for ending in ("json", "yaml") for path in self._folder.glob(f"*.{ending}")}
        for name in sorted(stem for stem in stems if not stem.startswith(".") and not is_kept_original(stem)):
            try:
                found[name] = self._workflow(name)
            except Rejected as broken:
                self._name(f"{name}.yaml" if (self._folder / f"{name}.yaml").exists() else f"{name}.json", broken)
            except OSError as trouble:
                self._name(f"{name}.json", _unreadable(trouble))
            if name not in found and self._before is not None and name in self._before.workflows:
                found[name] = self._before.workflows[name]
        return found

    def _workflow(self, name: str) -> Workflow:
        try:
            graph = (self._folder / f"{name}.json").read_bytes()
        except FileNotFoundError:
            title = f"workflows/{name}.yaml has no graph."
            fix = f"Add {name}.json, exported from ComfyUI in API format."
            raise Rejected(Problem("no_graph", title, fix)) from None
        try:
            manifest = (self._folder / f"{name}.yaml").read_bytes()
        except FileNotFoundError:
            text = drafted.draft(name, graph)
            made = workflow.parse(name, graph, text.encode())
            self.drafts[name] = text
            return made
        return workflow.parse(name, graph, manifest)

    def presets(self) -> dict[str, Preset]:
        """Return each preset by name."""
        found = {}
        for file in sorted((self._folder / "presets").glob("*.yaml")):
            if file.name.startswith("."):
                continue
            try:
                found[file.stem] = presets.parse(file.stem, file.read_bytes())
            except Rejected as broken:
                self._name(f"presets/{file.name}", broken)
            except OSError as trouble:
                self._name(f"presets/{file.name}", _unreadable(trouble))
            if file.stem not in found and self._before is not None and file.stem in self._before.presets:
                found[file.stem] = self._before.presets[file.stem]
        return found

    def wildcards(self) -> dict[str, tuple[str, ...]]:
        """Return the wordings of each wildcard."""
        found: dict[str, tuple[str, ...]] = {}
        left = wildcards.MAX_BYTES
        for file in sorted((self._folder / "wildcards").glob("*.txt"))[: wildcards.MAX_FILES]:
            if file.name.startswith("."):
                continue
            try:
                with file.open("rb") as opened:
                    data = opened.read(min(left, MAX_BYTES) + 1)
                left = max(0, left - len(data))
                found[file.stem] = wildcards.parse(file.stem, data)
            except Rejected as broken:
                self._name(f"wildcards/{file.name}", broken)
            except OSError as trouble:
                self._name(f"wildcards/{file.name}", _unreadable(trouble))
            if file.stem not in found and self._before is not None and file.stem in self._before.wildcards:
                found[file.stem] = self._before.wildcards[file.stem]
        sound, wrong = wildcards.sound(found)
        for name, problems in wrong.items():
            self._name(f"wildcards/{name}.txt", Rejected(*problems))
        return sound

    def adult_models(self, file: Path) -> frozenset[str]:
        """Return the models that are marked as adult, those that were so before where the list can't be read."""
        try:
            return frozenset(key_of(name) for name in model_list.adult(file.read_bytes()))
        except FileNotFoundError:
            return frozenset()
        except (OSError, Rejected):
            # What is wrong with the list is said where sources are read.
            return self._before.adult.models if self._before is not None else frozenset()

    def sources(self, file: Path) -> dict[str, str]:
        """Return where to get each model; without the list nobody is told."""
        return {each.place: each.source for each in self._models(file) if each.source is not None}

    def pulls(self, file: Path) -> dict[str, tuple[str, ...]]:
        """Return which workflows need each model that a command can fetch."""
        return {each.place: each.workflows for each in self._models(file) if each.url is not None}

    def facts_of(self, folder: Path) -> FactsOf:
        """Return what tells of a model file what its own header says, and otherwise what the list says."""
        headers = ModelHeaders(folder)
        told = model_list.facts(self._models(folder / "models.yaml"))
        return lambda where, name: headers.facts_of(where, name).filled(listed(told, where, name))

    def _models(self, file: Path) -> tuple[model_list.Model, ...]:
        try:
            return model_list.models(file.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, Rejected) as broken:
            LOG.error("models/%s can't be read: %s", file.name, broken)
            return ()

    def _name(self, file: str, broken: Rejected) -> None:
        self.broken[file] = broken.problems


def _unreadable(trouble: OSError) -> Rejected:
    return Rejected(Problem("unreadable", f"It can't be read: {trouble.strerror or trouble}.", "Correct its rights."))

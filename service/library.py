"""The library's files: workflows/ and workflows/presets/ are read; a broken file is named and left out."""

from __future__ import annotations

import logging
from pathlib import Path

from service import model_list, presets, workflow
from service.catalogue import Library
from service.config import Config
from service.errors import Rejected
from service.presets import Preset
from service.workflow import Workflow

LOG = logging.getLogger(__name__)


def load(config: Config) -> Library:
    """Return what workflows/ holds and each task's list; graph and manifest have one stem, NAME.json and NAME.yaml."""
    found = _workflows(config.workflows_dir)
    tasks = config.task_lists({name: each.task for name, each in found.items()})
    presets_found = _presets(config.workflows_dir / "presets")
    return Library(found, tasks, config.workflow_defaults(), presets_found, _sources(config.models_dir / "models.yaml"))


def _sources(file: Path) -> dict[str, str]:
    """Return where to get each model; without the list nobody is told."""
    try:
        return model_list.sources(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, Rejected) as broken:
        LOG.error("models/%s can't be read: %s", file.name, broken)
        return {}


def _workflows(folder: Path) -> dict[str, Workflow]:
    found = {}
    for manifest in sorted(folder.glob("*.yaml")):
        graph = manifest.with_suffix(".json")
        try:
            found[manifest.stem] = workflow.parse(manifest.stem, graph.read_bytes(), manifest.read_bytes())
        except FileNotFoundError:
            LOG.error(
                "workflows/%s has no graph: add %s, exported from ComfyUI in API format.", manifest.name, graph.name
            )
        except Rejected as broken:
            LOG.error("workflows/%s is left out: %s", manifest.name, broken)
    return found


def _presets(folder: Path) -> dict[str, Preset]:
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        if file.name.startswith("."):
            continue
        try:
            found[file.stem] = presets.parse(file.stem, file.read_bytes())
        except OSError as trouble:
            LOG.error("workflows/presets/%s is left out: %s", file.name, trouble.strerror or trouble)
        except Rejected as broken:
            LOG.error("workflows/presets/%s is left out: %s", file.name, broken)
    return found

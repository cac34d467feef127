"""The workflow library: the files of workflows/ become workflows; a broken one is named and left out."""

from __future__ import annotations

import logging

from service import workflow
from service.config import Config
from service.errors import Rejected
from service.reading import Library

LOG = logging.getLogger(__name__)


def load(config: Config) -> Library:
    """Return what workflows/ holds and each task's list; graph and manifest have one stem, NAME.json and NAME.yaml."""
    found = {}
    for manifest in sorted(config.workflows_dir.glob("*.yaml")):
        graph = manifest.with_suffix(".json")
        try:
            found[manifest.stem] = workflow.parse(manifest.stem, graph.read_bytes(), manifest.read_bytes())
        except FileNotFoundError:
            LOG.error(
                "workflows/%s has no graph: add %s, exported from ComfyUI in API format.", manifest.name, graph.name
            )
        except Rejected as broken:
            LOG.error("workflows/%s is left out: %s", manifest.name, broken)
    tasks = config.task_lists({name: each.task for name, each in found.items()})
    return Library(found, tasks, config.workflow_defaults())

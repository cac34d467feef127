"""Restocking: the library follows workflows/ while the daemon runs; a broken file leaves what it was."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from service.catalogue import Library
from service.config import Config
from service.errors import Problem
from service.library import load, write_drafts

LOG = logging.getLogger(__name__)
_Shown = dict[str, tuple[int, int, int]]


class Restocking:
    """Looks into workflows/ when asked; once what changed stands still from one look to the next, it is taken."""

    def __init__(self, config: Config, changed: Callable[[], None]) -> None:
        self._config = config
        self._changed = changed
        folder = config.workflows_dir
        self._folders = (folder, folder / "presets", folder / "wildcards")
        self._unwritten: OSError | None = None
        self._taken = self._shown()
        self._seen = self._taken
        #: What there is now; the same object for as long as the daemon lives.
        self.library: Library = load(config)
        self._tell()
        self._write()

    def look(self) -> bool:
        """Take what changed; return whether anything did. To be called every second or so, from one thread."""
        shown = self._shown()
        if shown == self._taken or shown != self._seen:
            # A file that is still being written is looked at again before it is read.
            self._seen = shown
            return False
        before = self.library.now()
        found = load(self._config, before)
        # What was dropped for a workflow that is gone is still looked at, and refused with the reason.
        self.library.become(replace(found, tasks={**dict.fromkeys(before.tasks, ()), **found.tasks}))
        self._taken = shown
        self._tell()
        self._write()
        LOG.info(
            "workflows/ has changed: %d workflows, %d presets.",
            len(self.library.workflows),
            len(self.library.presets),
        )
        self._changed()
        return True

    def notices(self) -> dict[str, Problem | None]:
        """Return what the operator should know of workflows/, by code; None where there is nothing."""
        broken = self.library.broken
        told: dict[str, Problem | None] = {"workflow_broken": None, "draft_unwritten": None}
        if broken:
            file, problems = next(iter(broken.items()))
            more = f" So is {len(broken) - 1} more." if len(broken) > 1 else ""
            title = f"workflows/{file} is left out: {problems[0].sentence()}{more}"
            told["workflow_broken"] = Problem("workflow_broken", title, "`reeldrop workflows list` names everything.")
        if self._unwritten is not None:
            title = f"Drafted manifests can't be written into workflows/: {self._unwritten.strerror}."
            fix = "Correct the folder's rights; meanwhile the drafts count as they are."
            told["draft_unwritten"] = Problem("draft_unwritten", title, fix)
        return told

    def _tell(self) -> None:
        for file, problems in self.library.broken.items():
            LOG.error("workflows/%s is left out: %s", file, " ".join(problem.sentence() for problem in problems))

    def _write(self) -> None:
        try:
            write_drafts(self._config.workflows_dir, self.library.drafts)
            self._unwritten = None
        except OSError as trouble:
            LOG.warning("a drafted manifest can't be written: %s", trouble)
            self._unwritten = trouble

    def _shown(self) -> _Shown:
        """Return what tells each file from what it was."""
        found: _Shown = {}
        for folder in self._folders:
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if Path(entry.name).suffix in (".json", ".yaml", ".txt") and not entry.name.startswith("."):
                        facts = entry.stat()
                        found[entry.path] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        return found

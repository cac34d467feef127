"""Restocking: the library follows workflows/ while the daemon runs; a broken file leaves what it was."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from operator import is_ as _is
from pathlib import Path
from typing import Any

from service.adoption import adopt, finish, put_in_place
from service.catalogue import Library
from service.config import Config
from service.errors import Problem, Rejected
from service.library import load, write_drafts

LOG = logging.getLogger(__name__)
_Shown = dict[str, tuple[int, int, int]]
#: Why a graph in UI format isn't there yet: no server was asked, or all that were lack something.
_DRAWN = ("ui_format", "not_converted", "node_missing")


class Restocking:
    """Looks into workflows/ when asked; once what changed stands still from one look to the next, it is taken."""

    def __init__(
        self,
        config: Config,
        changed: Callable[[], None],
        object_infos: Callable[[], Mapping[str, Mapping[str, Any]]] = dict,
    ) -> None:
        """`object_infos` returns what each backend last said of its nodes: graphs in UI format are converted by it."""
        self._config = config
        self._changed = changed
        self._object_infos = object_infos
        #: What the graphs in UI format were last tried with, and what came of it.
        self._tried: tuple[list[Mapping[str, Any]], _Shown] = ([], {})
        folder = config.workflows_dir
        self._folders = (folder, folder / "presets", folder / "wildcards")
        self._unwritten: OSError | None = None
        self._finish()
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
            return self._convert() if shown == self._taken else False
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

    def _convert(self) -> bool:
        """Try the graphs in UI format by what the backends say now; return whether anything came of it."""
        drawn = [file for file, problems in self.library.broken.items() if problems[0].code in _DRAWN]
        infos = self._object_infos() if drawn else {}
        tried, at = self._tried
        if not infos or (at == self._taken and len(tried) == len(infos) and all(map(_is, tried, infos.values()))):
            return False
        self._tried = (list(infos.values()), self._taken)
        broken = dict(self.library.broken)
        for file in drawn:
            problems = self._adopted(file.removesuffix(".json").removesuffix(".yaml"), infos)
            if problems and problems != broken[file]:
                LOG.error("workflows/%s: %s", file, " ".join(problem.sentence() for problem in problems))
            broken[file] = problems or broken[file]
        self.library.become(replace(self.library.now(), broken=broken))
        return True

    def _adopted(self, name: str, infos: Mapping[str, Mapping[str, Any]]) -> tuple[Problem, ...]:
        """Convert one graph in UI format and put it in its own place, or return why not."""
        folder = self._config.workflows_dir
        try:
            adopted = adopt(name, (folder / f"{name}.json").read_bytes(), infos)
            files = put_in_place(folder, name, adopted)
        except Rejected as refusal:
            return refusal.problems
        except OSError as trouble:
            title = f"The converted graph can't be written into workflows/: {trouble.strerror or trouble}."
            return (Problem("ui_format", title, "Correct the folder's rights, or convert it elsewhere."),)
        LOG.info("workflows/%s.json was converted by what %s says; %s is as it was.", name, adopted.by, files[-1].name)
        for note in adopted.notes:
            LOG.warning("workflows/%s.json: %s", name, note)
        return ()

    def _finish(self) -> None:
        try:
            finish(self._config.workflows_dir)
        except OSError as trouble:
            LOG.warning("a converted workflow can't be put in its place: %s", trouble)

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

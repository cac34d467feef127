"""Foretelling: what files would become if they were dropped together, without dropping them; no server is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.binding import Binding, BoundCell, Dropping
from service.catalogue import Library
from service.cells import Cell, bases_of, cells_of, labels_of, names_at
from service.drops import Candidate, group
from service.errors import Problem, Rejected
from service.examination import Input
from service.job import MediaFacts, MediaKind
from service.jobfile import named_files
from service.naming import clean
from service.reading import Dropped, Missing, Reading, parse, read

#: What alternatives are picked by where a job leaves its seed open: only an example.
_EXAMPLE_SEED = 0
#: Settings that follow a file which nobody has looked into yet.
_FOLLOWING = ("width", "height", "frames", "seconds")


@dataclass(frozen=True)
class ForetoldJob:
    """One job that a drop would become."""

    name: str
    #: None where it is drawn when the job is taken in.
    seed: int | None
    workflow: str
    #: Every value that it would run with, as far as it is known before its media are looked into.
    settings: Mapping[str, Any]
    adjusted: tuple[str, ...]


@dataclass(frozen=True)
class Foretold:
    """What one drop would become: its jobs, or what is wrong with it."""

    name: str
    files: tuple[str, ...]
    jobs: tuple[ForetoldJob, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: What it would wait for.
    waits: str | None = None
    differing: tuple[str, ...] = field(default=())


class Foretelling:
    """Foretells by what lies in workflows/ now; `find` tells where a file lies that a job names, or None."""

    def __init__(self, library: Library, find: Callable[[str], str | None]) -> None:
        self._library = library
        self._find = find
        self._binding = Binding(library, dict, embedded=False)

    def foretell(self, task: str, texts: Mapping[str, bytes], media: Sequence[str]) -> tuple[Foretold, ...]:
        """Return each drop that these files would be in a task's folder: the text of each text, and media by name."""
        paths = [f"{task}/{name}" for name in (*texts, *media)]
        drops, left = group(paths, self._library.tasks, self._library.prompted, presets=self._library.presets)
        alone = tuple(Foretold(path.partition("/")[2], (path.partition("/")[2],), (), (_LEFT,)) for path in left)
        return (*(self._drop(drop, texts) for drop in drops), *alone)

    def _drop(self, drop: Candidate, texts: Mapping[str, bytes]) -> Foretold:
        files = tuple(path.rpartition("/")[2] for path in drop.members)
        try:
            readings = self._read(drop, texts.get(files[0]))
            return self._told(drop, files, readings)
        except Rejected as refused:
            return Foretold(drop.name, files, (), refused.problems)
        except Missing as missing:
            return Foretold(drop.name, files, waits=f"{missing.title} {missing.fix}")

    def _read(self, drop: Candidate, text: bytes | None) -> tuple[Reading, ...]:
        media = tuple(path.rpartition("/")[2] for path in drop.media)
        found: dict[str, str] = {}
        if text is not None:
            named = named_files(parse(drop.kind, text, self._library.max_cells))
            found = {name: key for name in named if name not in media and (key := self._find(name)) is not None}
        return read(Dropped(drop.task, drop.grouping, drop.name, drop.kind, text, media, found), self._library)

    def _told(self, drop: Candidate, files: tuple[str, ...], readings: Sequence[Reading]) -> Foretold:
        cells = cells_of(readings, _EXAMPLE_SEED, self._library.wildcards)
        names = names_at(clean(drop.name), bases_of(readings))(1)
        unseen = {key: _unseen(role, key) for key, (role, _) in labels_of(cells).items()}
        ids = [f"job-{number}" for number in range(1, len(cells) + 1)]
        bound = self._binding.bind(cells, unseen, ids, _as_said, Dropping(drop.task, drop.name))
        jobs = tuple(_job(name, each) for name, each in zip(names[1:] or names, bound, strict=True))
        return Foretold(names[0], files, jobs, differing=differing([job.settings for job in jobs]))


_LEFT = Problem("left_alone", "It would be left alone there.", "Drop a job file, a prompt, a picture or a video.")


def differing(settings: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the settings in which jobs differ, in the order in which they have them."""
    names = dict.fromkeys(name for each in settings for name in each)
    return tuple(
        name
        for name in names
        if any(each.get(name) != settings[0].get(name) for each in settings[1:]) and name != "seed"
    )


def _unseen(role: str, key: tuple[str, MediaKind]) -> Input:
    file, kind = key
    facts = MediaFacts(kind, "", 0, 0, 0, None, None, "", audio=False)
    return Input(role, file, "", facts, "work", file, f"reeldrop/{role}/{file}")


def _as_said(cell: Cell, _inputs: Sequence[Input]) -> dict[str, Any] | None:
    return {} if cell.settings.consent else None


def _job(name: str, bound: BoundCell) -> ForetoldJob:
    cell, flow = bound.cell, bound.cell.reading.workflow
    asked = cell.settings.asked()
    follows = flow.manifest.sizes is not None or flow.manifest.length is not None
    open_ones = {each for each in _FOLLOWING if follows and each not in asked}
    settings = {key: value for key, value in bound.settings.items() if key not in open_ones and key != "seed"}
    seed = cell.seed if cell.is_seed_given else None
    return ForetoldJob(name, seed, flow.name, settings, bound.adjusted)

"""Reading a drop: its text and the names beside it → what is to be rendered from what, or every reason why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from service import jobfile
from service.drops import media_kind, role_of
from service.errors import Problem, Rejected
from service.job import MediaKind
from service.jobfile import JobFile
from service.workflow import Workflow, check, choose


class Missing(Exception):
    """The drop may become whole: it needs media that isn't there yet."""

    def __init__(self, title: str, fix: str) -> None:
        super().__init__(f"{title} {fix}")
        self.title = title
        self.fix = fix


@dataclass(frozen=True)
class Library:
    """The workflows that are there, and each task's list of them in the order in which they are tried."""

    workflows: Mapping[str, Workflow]
    tasks: Mapping[str, Sequence[str]]
    #: What config.yaml says where a manifest is silent.
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def of(self, task: str) -> list[Workflow]:
        """Return the task's workflows in order; those that its list names but nobody dropped are left out."""
        return [self.workflows[name] for name in self.tasks.get(task, ()) if name in self.workflows]

    @cached_property
    def prompted(self) -> frozenset[str]:
        """The tasks in which a text file is a prompt; nothing is known of those whose workflows aren't there."""
        return frozenset(
            task for task in self.tasks if not self.of(task) or any("prompt" in flow.fields for flow in self.of(task))
        )

    def tasks_for(self, kind: MediaKind) -> list[str]:
        """Return the tasks whose workflows take media of this kind."""
        return [task for task in self.tasks if any(kind in flow.roles.values() for flow in self.of(task))]


@dataclass(frozen=True)
class Dropped:
    """A drop by names alone: base names of its folder, the text of its job file or prompt where it has one."""

    task: str
    name: str
    kind: str
    text: bytes | None
    media: tuple[str, ...]
    beside: frozenset[str]


@dataclass(frozen=True)
class Reading:
    """What a drop asks for."""

    job: JobFile
    workflow: Workflow
    why: str
    #: role → base name of the file that plays it.
    roles: Mapping[str, str]


def parse(kind: str, text: bytes | None) -> JobFile:
    """Return the job that a drop's own text is; raises Rejected."""
    if kind == "media" or text is None:
        return jobfile.without_file()
    if kind == "text":
        return jobfile.from_text(text)
    return jobfile.parse(text)


def read(dropped: Dropped, library: Library, job: JobFile | None = None) -> Reading:
    """
    Return what a drop asks for; `job` is its text where that is parsed already.

    Raises Rejected with every mistake, or Missing for media that may still come.
    """
    job = job or parse(dropped.kind, dropped.text)
    flows = library.of(dropped.task)
    if not flows:
        raise Rejected(
            Problem(
                "not_built_yet",
                f"No workflow for {dropped.task} is built yet.",
                f"Drop it into one of: {', '.join(task for task in library.tasks if library.of(task))}.",
            )
        )
    wanted = job.settings.workflow
    roles = _roles(flows, wanted)
    assigned = _assign(dropped, roles, library)
    if job.settings.image is not None:
        assigned = {**assigned, "image": job.settings.image}
        if job.settings.image not in dropped.beside and (wanted is None or wanted in {flow.name for flow in flows}):
            raise Missing(
                f"image names {job.settings.image}, which isn't in the job's folder.",
                f"Drop {job.settings.image} beside the job file, or correct the name.",
            )
    tried = [flow for flow in flows if wanted in (None, flow.name)]
    missing = [sorted(set(flow.required_roles) - set(assigned)) for flow in tried]
    if tried and all(missing):
        raise _missing(dropped, roles, missing[0])
    kinds = {role: roles[role] for role in assigned if role in roles}
    workflow, why = _choose(dropped, library, job, kinds)
    problems = check(workflow, job.settings, library.defaults)
    if problems:
        raise Rejected(*job.placed(problems))
    return Reading(job, workflow, why, assigned)


def _choose(dropped: Dropped, library: Library, job: JobFile, kinds: Mapping[str, MediaKind]) -> tuple[Workflow, str]:
    settings = job.settings
    order = library.tasks[dropped.task]
    try:
        return choose(
            list(library.workflows.values()), dropped.task, order, settings.workflow, kinds, set(settings.asked())
        )
    except Rejected as refusal:
        raise Rejected(*job.placed(refusal.problems)) from None


def _roles(flows: Sequence[Workflow], wanted: str | None) -> dict[str, MediaKind]:
    roles: dict[str, MediaKind] = {}
    for flow in flows:
        if wanted in (None, flow.name):
            roles.update(flow.roles)
    return roles


def _assign(dropped: Dropped, roles: Mapping[str, MediaKind], library: Library) -> dict[str, str]:
    assigned: dict[str, str] = {}
    problems: list[Problem] = []
    for file in _without_live_halves(dropped, roles):
        kind = media_kind(file)
        assert kind is not None, "drops.group puts only media here"
        role = role_of(file, dropped.name)
        fitting = [role] if role else [name for name, wanted in roles.items() if wanted is kind]
        fitting = [name for name in fitting if roles.get(name) is kind]
        if not fitting:
            problems.append(_unwanted(file, kind, dropped.task, library))
        elif len(fitting) > 1 or fitting[0] in assigned:
            problems.append(_ambiguous(file, dropped.name, roles))
        else:
            assigned[fitting[0]] = file
    if problems:
        raise Rejected(*problems)
    return assigned


def _without_live_halves(dropped: Dropped, roles: Mapping[str, MediaKind]) -> list[str]:
    """A picture and a video of one name are a Live Photo: the half that the task doesn't take only moves along."""
    wanted = set(roles.values())
    plain = {file: media_kind(file) for file in dropped.media if role_of(file, dropped.name) is None}
    if wanted.isdisjoint(plain.values()):
        return list(dropped.media)
    return [file for file in dropped.media if plain.get(file) in (None, *wanted)]


def _unwanted(file: str, kind: MediaKind, task: str, library: Library) -> Problem:
    folders = ", ".join(f"inbox/{name}/" for name in library.tasks_for(kind))
    fix = f"Drop it into {folders}." if folders else f"No workflow takes a {kind} yet; leave it out."
    return Problem("media_unwanted", f"{task} takes no {kind} such as {file}.", fix)


def _ambiguous(file: str, name: str, roles: Mapping[str, MediaKind]) -> Problem:
    examples = " or ".join(f"{name}.{role}.{file.rsplit('.', 1)[-1]}" for role in roles)
    return Problem(
        "media_ambiguous",
        f"It isn't clear what {file} is for.",
        f"Drop only one such file with this job, or give each its role in its name: {examples}.",
    )


def _missing(dropped: Dropped, roles: Mapping[str, MediaKind], missing: Sequence[str]) -> Missing:
    role = missing[0]
    kind = roles[role]
    ending = "jpg" if kind is MediaKind.PICTURE else "mp4"
    return Missing(
        f"{dropped.task} needs a {kind} ({role}), and none of the name {dropped.name} is here yet.",
        f"Drop {dropped.name}.{ending} beside it, or name a file of this folder with {role}: in the job file.",
    )


def named_files(job: JobFile) -> Collection[str]:
    """Return the files that a job names itself."""
    return [job.settings.image] if job.settings.image is not None else []

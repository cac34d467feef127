"""Roles: which file of a drop plays which part in a workflow: by name where that says so, else by kind if unique."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from service.drops import media_kind, role_in_folder, role_of
from service.errors import Problem
from service.job import MediaKind
from service.job_fields import ROLES, JobSettings
from service.naming import fold
from service.workflow import Workflow

#: The tasks that take each kind of media.
Takers = Mapping[MediaKind, Sequence[str]]

_ENDINGS = {MediaKind.PICTURE: "jpg", MediaKind.VIDEO: "mp4"}


class Missing(Exception):
    """The drop may become whole: it needs media that isn't there yet."""

    def __init__(self, title: str, fix: str) -> None:
        super().__init__(f"{title} {fix}")
        self.title = title
        self.fix = fix


@dataclass(frozen=True)
class Dropped:
    """
    A drop by names alone.

    `text` is its job file or prompt where it has one. `media` are the base names of the files that it owns (of a folder
    drop: relative to that folder). `found` maps each file that a job names otherwise, as written, to the key where it
    lies. `animated` are those of all these names that are GIF or WebP files whose picture moves.
    """

    task: str
    grouping: str
    name: str
    kind: str
    text: bytes | None
    media: tuple[str, ...]
    found: Mapping[str, str] = field(default_factory=dict)
    animated: frozenset[str] = frozenset()

    def kinds(self, file: str) -> tuple[MediaKind, ...]:
        """Return what a file can be, the better first: an animated picture is a video, or by its first frame one."""
        kind = media_kind(file)
        if kind is MediaKind.PICTURE and file in self.animated:
            return (MediaKind.VIDEO, MediaKind.PICTURE)
        return (kind,) if kind is not None else ()

    def owned(self, file: str) -> str | None:
        """Return the file of its own that a job means by a name, however its letters are encoded."""
        if file in self.media:
            return file
        return next((each for each in self.media if fold(each) == fold(file)), None)


@dataclass
class Cast:
    """Who plays what in one workflow for one job, and what keeps it from being played."""

    roles: dict[str, str] = field(default_factory=dict)
    #: What roles take of what kind: of a role that the workflow lacks, the kind of its file.
    kinds: dict[str, MediaKind] = field(default_factory=dict)
    #: Roles whose file the job names itself.
    by_field: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    missing: Missing | None = None


def cast(dropped: Dropped, flow: Workflow, job: JobSettings, named: Collection[str], takers: Takers) -> Cast:
    """
    Give each role of a workflow its file.

    `named` are the files of the drop's own that any job of its file names: the others come before them.
    """
    own = {dropped.owned(file) for file in job.named_media().values()}
    made = _cast(dropped, flow, job, [file for file in dropped.media if file not in named], takers)
    if made.missing is None or own.issuperset(named):
        return made
    with_named = _cast(dropped, flow, job, [file for file in dropped.media if file not in own], takers)
    return with_named if with_named.missing is None and not with_named.problems else made


def _cast(dropped: Dropped, flow: Workflow, job: JobSettings, media: list[str], takers: Takers) -> Cast:
    made = Cast()
    _cast_named(made, dropped, flow, job)
    files = _without_live_halves(media, dropped, flow)
    plain = []
    for file in files:
        role = _role_in_name(dropped, file)
        if role is None:
            plain.append(file)
        else:
            _cast_by_role(made, dropped, flow, file, role, takers)
    _cast_by_kind(made, dropped, flow, plain, takers)
    absent = sorted(flow.required_roles - set(made.roles), key=ROLES.index)
    if made.missing is None and absent:
        made.missing = _needed(dropped, flow, absent[0])
    return made


def _cast_named(made: Cast, dropped: Dropped, flow: Workflow, job: JobSettings) -> None:
    for role, file in job.named_media().items():
        own = dropped.owned(file)
        kinds = dropped.kinds(file if file in dropped.animated else own or file)
        wanted = flow.roles.get(role)
        made.roles[role] = own or file
        made.by_field.add(role)
        made.kinds[role] = wanted or (kinds or (MediaKind.PICTURE,))[0]
        if wanted is None:
            continue
        if wanted not in kinds:
            what = f"{file} is a {kinds[0]}" if kinds else f"{file} is no {wanted} by its ending"
            fix = f"Name a {wanted} there, for example {role}: {_example(role, wanted)}."
            made.problems.append(Problem("media_kind", f"{role} takes a {wanted}, and {what}.", fix, field=role))
        elif own is None and file not in dropped.found and made.missing is None:
            made.missing = _not_found(role, file)


def _cast_by_role(made: Cast, dropped: Dropped, flow: Workflow, file: str, role: str, takers: Takers) -> None:
    kinds, wanted = dropped.kinds(file), flow.roles.get(role)
    if wanted is None:
        made.problems.append(_no_such_role(dropped, flow, file, role, takers))
    elif wanted not in kinds:
        title = f"{role} takes a {wanted}, and {file} is a {kinds[0]}."
        made.problems.append(Problem("media_kind", title, f"Drop a {wanted} in its place."))
    elif role not in made.roles:
        made.roles[role], made.kinds[role] = file, wanted
    elif role not in made.by_field:
        title = f"{made.roles[role]} and {file} are both the {role}."
        made.problems.append(Problem("media_ambiguous", title, "Drop only one of the two."))


def _cast_by_kind(made: Cast, dropped: Dropped, flow: Workflow, files: list[str], takers: Takers) -> None:
    """Give files without a role in their names the roles that are left, where there is only one way to do it."""
    groups: dict[MediaKind, list[str]] = {}
    for file in sorted(files, key=lambda each: len(dropped.kinds(each))):
        kinds = [kind for kind in dropped.kinds(file) if kind in flow.roles.values()]
        free = [kind for kind in kinds if len(_free(made, flow, kind)) > len(groups.get(kind, ()))]
        if kinds:
            groups.setdefault((free or kinds)[0], []).append(file)
        else:
            made.problems.append(_unwanted(dropped, file, takers))
    for kind, alike in groups.items():
        free_roles = _free(made, flow, kind)
        if len(alike) == len(free_roles) == 1:
            made.roles[free_roles[0]], made.kinds[free_roles[0]] = alike[0], kind
        elif len(alike) < len(free_roles):
            made.missing = made.missing or _undecided(dropped, alike, free_roles, kind)
        elif free_roles or not any(flow.roles.get(role) is kind for role in made.by_field):
            # Where the job names another file for the role, its own one only moves along.
            made.problems.append(_ambiguous(dropped, alike, free_roles, flow, kind))


def _free(made: Cast, flow: Workflow, kind: MediaKind) -> list[str]:
    return [role for role in ROLES if flow.roles.get(role) is kind and role not in made.roles]


def _role_in_name(dropped: Dropped, file: str) -> str | None:
    """The role that a file's name says: NAME.source.jpg; in a folder drop, whose files have any name, source.jpg."""
    path = PurePosixPath(file)
    if fold(path.stem) == fold(dropped.name):
        return None
    return role_of(path.name, dropped.name) or role_in_folder(file)


def _without_live_halves(files: list[str], dropped: Dropped, flow: Workflow) -> list[str]:
    """A picture and a video of one name are a Live Photo: the half that the task doesn't take only moves along."""
    taken = set(flow.roles.values())
    plain = [file for file in files if _role_in_name(dropped, file) is None]
    playing = {_stem(file) for file in plain if taken.intersection(dropped.kinds(file))}
    return [
        file
        for file in files
        if file not in plain or _stem(file) not in playing or taken.intersection(dropped.kinds(file))
    ]


def _stem(file: str) -> str:
    return fold(str(PurePosixPath(file).with_suffix("")))


def _unwanted(dropped: Dropped, file: str, takers: Takers) -> Problem:
    kind = dropped.kinds(file)[-1]
    folders = ", ".join(f"inbox/{name}/" for name in takers.get(kind, ()))
    fix = f"Drop it into {folders}." if folders else f"No workflow takes a {kind} yet; leave it out."
    return Problem("media_unwanted", f"{dropped.task} takes no {kind} such as {file}.", fix)


def _no_such_role(dropped: Dropped, flow: Workflow, file: str, role: str, takers: Takers) -> Problem:
    if not set(dropped.kinds(file)) & set(flow.roles.values()):
        return _unwanted(dropped, file, takers)
    fitting = [each for each, kind in flow.roles.items() if kind in dropped.kinds(file)]
    renamed = " or ".join(_renamed(dropped, file, each) for each in fitting)
    return Problem("media_unwanted", f"{flow.name} has no {role}, which {file} says it is.", f"Rename it to {renamed}.")


def _ambiguous(dropped: Dropped, files: Sequence[str], free: Sequence[str], flow: Workflow, kind: MediaKind) -> Problem:
    roles = list(free) or [role for role in ROLES if flow.roles.get(role) is kind]
    if len(files) == 1:
        title = f"It isn't clear what {files[0]} is for: another file is the {roles[0]} already."
        return Problem("media_ambiguous", title, "Drop it by itself, or leave it out.")
    which = " or the ".join(roles)
    title = f"It isn't clear which of {_listed(files)} is the {which}."
    renamed = [f"{file} to {_renamed(dropped, file, role)}" for file, role in zip(files, roles, strict=False)]
    if len(roles) > 1:
        return Problem("media_ambiguous", title, f"Rename {' and '.join(renamed)}, or the other way round.")
    return Problem("media_ambiguous", title, f"Rename the right one, for example {renamed[0]}, and drop no other.")


def _undecided(dropped: Dropped, files: Sequence[str], free: Sequence[str], kind: MediaKind) -> Missing:
    title = f"{dropped.task} needs {len(free)} {kind}s ({', '.join(free)}), and only {_listed(files)} is here yet."
    names = " and ".join(_renamed(dropped, files[0], role) for role in free)
    return Missing(title, f"Drop the others too, and name them {names}.")


def _renamed(dropped: Dropped, file: str, role: str) -> str:
    return f"{dropped.name}.{role}{PurePosixPath(file).suffix}"


def _listed(files: Sequence[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")


def _not_found(role: str, file: str) -> Missing:
    places = "in the job's folder, in inbox/media and in the media_roots of config.yaml"
    title = f"{role} names {file}, and there is no such file {places}."
    return Missing(title, f"Drop {file} beside the job file or into inbox/media, or correct the name.")


def _needed(dropped: Dropped, flow: Workflow, role: str) -> Missing:
    kind = flow.roles[role]
    title = f"{dropped.task} needs a {kind} ({role}), and none of the name {dropped.name} is here yet."
    alone = sum(each is kind for each in flow.roles.values()) == 1
    file = f"{dropped.name}.{_ENDINGS[kind]}" if alone else f"{dropped.name}.{role}.{_ENDINGS[kind]}"
    return Missing(title, f"Drop {file} beside it, or name a file with {role}: in the job file.")


def _example(role: str, kind: MediaKind) -> str:
    return f"{'cat' if role == 'image' else role}.{_ENDINGS[kind]}"

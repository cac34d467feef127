"""One listing of the inbox, grouped into drops: what belongs together, and what is left alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from service.drops.folders import drop_folder_of, is_job_of_folder, job_folders
from service.drops.junk import in_junk, is_conflict_copy, is_junk
from service.drops.names import (
    RESERVED,
    FileKind,
    Said,
    awake,
    control_of,
    in_reserved,
    is_scheduled,
    job_file_rank,
    media_kind,
    read_name,
    task_of,
)
from service.job import MediaKind
from service.naming import fold

#: What decides about a drop: its job file, its prompt, its media alone, its own folder, or a status file of ours.
Kind = Literal["job_file", "text", "media", "folder", "again"]

#: Drops, and the files that are left alone.
Grouped = tuple[tuple["Candidate", ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    Files that are one drop, by their names alone.

    `name` is the stem as dropped; paths are inbox-relative POSIX strings. `job_file` is the status file of ours for
    "again", and `folder` the drop's own folder for "folder", where `others` are its files that are neither job file nor
    media. A candidate may still be incomplete (media on its way) or wrong for its task; that is for its reader to find.
    """

    task: str
    grouping: str
    name: str
    kind: Kind
    job_file: str | None
    text_file: str | None
    media: tuple[str, ...]
    folder: str | None = None
    others: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """Every file that the drop owns, the deciding one first."""
        leading = tuple(path for path in (self.job_file, self.text_file) if path is not None)
        return leading + self.media + self.others

    @property
    def rests(self) -> bool:
        """Whether it lies below scheduled/, where jobs rest until their time."""
        return is_scheduled(self.members[0])


#: In the order in which they have the word.
_KINDS_OF_DROPS: dict[FileKind, Kind] = {"job_file": "job_file", "status": "again", "text": "text"}

# Plain tuples, as in `names`.
_Leading = tuple[str, FileKind, str]  # path, kind, NAME
_Medium = tuple[str, str, str | None]  # path, NAME, role


def group(
    paths: Iterable[str],
    tasks: Collection[str],
    prompted: Collection[str] | None = None,
    *,
    presets: Collection[str] = (),
) -> Grouped:
    """
    Return the drops of one listing, and the files in task folders that are left alone; junk and orders are in neither.

    `prompted` are the tasks in which a text file is a prompt (all if None); elsewhere it is left alone. Folders of a
    name in `presets` are no drops themselves.

    Names pair regardless of case and Unicode form. Where two job files carry one name, the first of them has the media.
    """
    inside = [path for path in paths if task_of(path) in tasks]
    folders: dict[str, list[str]] = defaultdict(list)
    for path in inside:
        folders[path.rpartition("/")[0]].append(path)
    with_job_file = job_folders(inside)
    whole: dict[str, list[str]] = defaultdict(list)
    found: list[Candidate] = []
    left: list[str] = []
    for folder, members in folders.items():
        of_drop = drop_folder_of(folder, with_job_file, presets)
        if of_drop is not None:
            whole[of_drop] += members
            continue
        drops, others = group_folder(folder, members, tasks, prompted)
        found += drops
        left += others
    found += [group_folder_drop(folder, members) for folder, members in whole.items()]
    # Folder by folder, as they would be listed; drops of one folder stay in their order.
    found.sort(key=lambda drop: drop.folder or drop.members[0].rpartition("/")[0])
    return tuple(found), tuple(sorted(left))


def group_folder(
    folder: str, paths: Iterable[str], tasks: Collection[str], prompted: Collection[str] | None = None
) -> Grouped:
    """
    Return the drops of one plain folder, and what is left alone there; `paths` are the files that lie directly in it.

    Plain is a folder of which `drop_folder_of` is None. The answer is the part of `group`'s that lies in this folder.
    """
    if task_of(f"{folder}/") not in tasks or in_junk(folder):
        return (), ()
    members = sorted(path for path in paths if not is_junk(path.rpartition("/")[2]))
    if in_reserved(awake(folder)):
        return (), tuple(members)
    prompts = not is_scheduled(folder) and (prompted is None or task_of(f"{folder}/") in prompted)
    found, left = _of_folder(folder, members, with_texts=prompts)
    if is_scheduled(folder):
        # Only a job file can say a time.
        left += [path for drop in found if drop.kind != "job_file" for path in drop.members]
        found = [drop for drop in found if drop.kind == "job_file"]
    return tuple(found), tuple(left)


def group_folder_drop(folder: str, paths: Iterable[str]) -> Candidate:
    """
    Return the drop that a folder is, from all files below it; `paths` must have a job file that lies directly in it.

    Everything in it belongs to it but junk and orders: media wherever they lie below, and any other file too.
    """
    members = sorted(path for path in paths if not _is_apart(folder, path))
    jobs = [path for path in members if path.rpartition("/")[0] == folder and is_job_of_folder(path.rpartition("/")[2])]
    job_file = min(jobs, key=lambda path: (job_file_rank(path), path))
    media = tuple(path for path in members if media_kind(path) and not is_conflict_copy(path.rpartition("/")[2]))
    kept = {job_file, *media}
    above, _, name = folder.rpartition("/")
    task, _, grouping = awake(above).partition("/")
    others = tuple(path for path in members if path not in kept)
    return Candidate(task, grouping, name, "folder", job_file, None, media, folder, others)


def left_outside(paths: Iterable[str], tasks: Collection[str]) -> tuple[str, ...]:
    """Return the files that are left alone as they lie in no task's folder: in the inbox itself, or a strange one."""
    left = []
    for path in paths:
        folder, _, filename = path.rpartition("/")
        top = task_of(path)
        if top in tasks or top.lower() in RESERVED or is_junk(filename) or (folder and in_junk(folder)):
            continue
        if folder or control_of(path) is None:
            left.append(path)
    return tuple(sorted(left))


def _of_folder(folder: str, members: list[str], *, with_texts: bool) -> tuple[list[Candidate], list[str]]:
    leading: dict[str, list[_Leading]] = {}
    media: list[tuple[str, Said]] = []
    left: list[str] = []
    for path in members:
        filename = path[len(folder) + 1 :]
        said = read_name(filename)
        kind, name, _, _ = said
        if kind is None or is_conflict_copy(filename) or (kind == "text" and not with_texts):
            left.append(path)
        elif kind == "media":
            media.append((path, said))
        elif kind != "control":
            leading.setdefault(fold(name), []).append((path, kind, name))
        elif control_of(path) is None:
            left.append(path)
    owned: dict[str, list[_Medium]] = {}
    for path, (_, name, whole, role) in media:
        # A job file named like the whole stem wins over the reading of its last part as a role.
        key = fold(whole) if role and fold(whole) in leading else fold(name)
        owned.setdefault(key, []).append((path, name, role))
    task, _, grouping = awake(folder).partition("/")
    found: list[Candidate] = []
    for key, files in leading.items():
        found += _led(task, grouping, files, tuple([path for path, _, _ in owned.pop(key, ())]), left)
    for alone in owned.values():
        for apart in _apart(alone):
            paths = tuple([path for path, _, _ in apart])
            found.append(Candidate(task, grouping, apart[0][1], "media", None, None, paths))
    return found, left


def _led(
    task: str, grouping: str, leading: list[_Leading], media: tuple[str, ...], left: list[str]
) -> Iterator[Candidate]:
    """Yield the drops of one name with deciding files: the first of them has the media, and a note has no word."""
    has_job = any(kind != "text" for _, kind, _ in leading)
    for path, kind, name in leading if len(leading) == 1 else sorted(leading, key=_rank):
        if kind != "text":
            yield Candidate(task, grouping, name, _KINDS_OF_DROPS[kind], path, None, media)
        elif has_job:
            left.append(path)
        else:
            yield Candidate(task, grouping, name, "text", None, path, media)
        media = ()


def _rank(leading: _Leading) -> tuple[int, int, str]:
    path, kind, _ = leading
    return list(_KINDS_OF_DROPS).index(kind), job_file_rank(path) if kind == "job_file" else 0, path


def _apart(media: list[_Medium]) -> Iterator[list[_Medium]]:
    """Split media alone of one name: roles are one drop, and so is one of each kind; two of one kind are two drops."""
    if len(media) == 1:
        yield media
        return
    with_role = [file for file in media if file[2]]
    if len(with_role) > 1:
        yield with_role
        media = [file for file in media if not file[2]]
    pictures = [file for file in media if media_kind(file[0]) is MediaKind.PICTURE]
    videos = [file for file in media if media_kind(file[0]) is MediaKind.VIDEO]
    for number in range(max(len(pictures), len(videos))):
        yield pictures[number : number + 1] + videos[number : number + 1]


def _is_apart(folder: str, path: str) -> bool:
    """Tell whether a file below a folder drop is none of its own: junk, or an order to the daemon."""
    above, _, filename = path[len(folder) + 1 :].rpartition("/")
    return is_junk(filename) or (above != "" and in_junk(above)) or control_of(path) is not None

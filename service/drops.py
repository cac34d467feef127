"""One listing of the inbox, grouped into drops: what belongs together, and what is left alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from service.job import MediaKind
from service.naming import fold

#: Top folders of the inbox that are no tasks; inside a task they are no grouping folders either.
RESERVED = frozenset({"done", "rejected", "media", "scheduled", "gallery", ".reeldrop"})

#: The words that may stand between a medium's NAME and its extension: NAME.source.jpg.
ROLES = frozenset({"image", "source", "target", "reference"})

Kind = Literal["job_file", "text", "media"]

_JOB_FILES = (".yaml", ".yml", ".json")
_MEDIA = {
    MediaKind.PICTURE: (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp", ".tif", ".tiff"),
    MediaKind.VIDEO: (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"),
}
_KINDS = {extension: kind for kind, extensions in _MEDIA.items() for extension in extensions}

# What programs, systems and shares leave beside the files that people mean; our own notes; and the copies that sync
# programs make of a file that two people changed.
_JUNK_FILE = re.compile(
    r"""
      \..* | ~\$.* | .*~ | ~syncthing~.* | thumbs\.db | ehthumbs\.db | desktop\.ini
    | .*\.(?: part | partial | filepart | crdownload | download | opdownload | uploading | aria2 | !qb
            | tmp | temp | lock | camellock | swp )
    | .*\.reason\.txt | .*\.sync-conflict-.* | .*\(.*conflicted\ copy.*\).* | .*_conflict-[0-9].*
    """,
    re.VERBOSE | re.DOTALL,
)
_JUNK_FOLDER = re.compile(
    r"""
      \..* | @eadir | @tmp | \#recycle | \#snapshot | @recycle | @recently-snapshot | lost\+found | \$recycle\.bin
    | system\ volume\ information | __macosx | _unpack_.* | ~syncthing~.*
    """,
    re.VERBOSE | re.DOTALL,
)
_CONTROL = re.compile(r"(?:.*\.cancel|pause)(?:\.txt)?", re.DOTALL)


@dataclass(frozen=True)
class Candidate:
    """
    Files of one folder that are one drop, by their names alone.

    `name` is the stem as dropped; paths are inbox-relative POSIX strings. A candidate may still be incomplete (media on
    its way) or wrong for its task; that is for its reader to find.
    """

    task: str
    grouping: str
    name: str
    job_file: str | None
    text_file: str | None
    media: tuple[str, ...]
    kind: Kind

    @property
    def members(self) -> tuple[str, ...]:
        """Every file that the drop owns, the deciding one first."""
        leading = tuple(path for path in (self.job_file, self.text_file) if path is not None)
        return leading + self.media


@dataclass
class _Named:
    """The files of one folder that carry one name."""

    job_files: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)


def group(
    paths: Iterable[str], tasks: Collection[str], prompted: Collection[str] | None = None
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """
    Return the drops of one listing, and the files in task folders that are left alone; junk is in neither.

    `prompted` are the tasks in which a text file is a prompt (all if None); elsewhere it is left alone.

    Names pair regardless of case and Unicode form. Where two job files carry one name, the first of them has the media.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        if task_of(path) in tasks and not _in_junk(folder) and not is_junk(name):
            folders[folder].append(path)
    drop_folders = {
        folder for folder, members in folders.items() if "/" in folder and any(map(_starts_folder, members))
    }
    candidates: list[Candidate] = []
    left: list[str] = []
    for folder in sorted(folders):
        members = sorted(folders[folder])
        if _in_reserved(folder) or _is_inside(folder, drop_folders):
            left += members
        else:
            with_texts = prompted is None or task_of(members[0]) in prompted
            found, others = _of_folder(folder, members, with_texts=with_texts)
            candidates += found
            left += others
    return tuple(candidates), tuple(sorted(left))


def task_of(path: str) -> str:
    """Return the first folder of an inbox-relative path; empty for a file that lies in the inbox itself."""
    task, slash, _ = path.partition("/")
    return task if slash else ""


def grouping_of(path: str) -> str:
    """Return the folders between the task and the file, empty if there are none."""
    return "/".join(path.split("/")[1:-1])


def name_of(path: str) -> str:
    """Return the NAME that a dropped file gives its drop: without its extension and its role, otherwise exact."""
    return _name(path, _kind_of(path))


def media_kind(filename: str) -> MediaKind | None:
    """Return what a file is by its extension; None if it is no picture or video that we take."""
    return _KINDS.get(_extension(filename))


def role_of(filename: str, stem: str) -> str | None:
    """Return the role that a medium of this stem names: "source" for NAME.source.jpg; None without a role."""
    name, role = _split_role(_stem(filename))
    return role if role and fold(name) == fold(stem) else None


def is_junk(filename: str) -> bool:
    """Tell whether a file of this name never starts anything and isn't worth telling anybody about."""
    return _JUNK_FILE.fullmatch(filename.lower()) is not None


def is_control(filename: str) -> bool:
    """Tell whether a file of this name is an order to the daemon: PAUSE, or NAME.cancel."""
    return _CONTROL.fullmatch(filename.lower()) is not None


def is_junk_folder(name: str) -> bool:
    """Tell whether a folder of this name is some program's or share's own; nothing in it is looked at."""
    return _JUNK_FOLDER.fullmatch(name.lower()) is not None


def _of_folder(folder: str, members: list[str], *, with_texts: bool) -> tuple[list[Candidate], list[str]]:
    named: dict[str, _Named] = defaultdict(_Named)
    left: list[str] = []
    media: list[str] = []
    for path in members:
        kind = _kind_of(path)
        if kind is None or (kind == "text" and not with_texts):
            left.append(path)
        elif kind == "media":
            media.append(path)
        else:
            same = named[fold(_name(path, kind))]
            (same.job_files if kind == "job_file" else same.texts).append(path)
    leading = frozenset(named)
    for path in media:
        # A job file named like the whole stem wins over the reading of its last part as a role.
        whole = fold(_stem(path.rpartition("/")[2]))
        named[whole if whole in leading else fold(_name(path, "media"))].media.append(path)
    candidates: list[Candidate] = []
    for same in named.values():
        candidates += _of_name(folder, same)
        # A note beside a job file of its name: the job file has the word.
        left += same.texts if same.job_files else ()
    return candidates, left


def _name(path: str, kind: Kind | None) -> str:
    stem = _stem(path.rpartition("/")[2])
    if kind == "media":
        return _split_role(stem)[0]
    return _stem(stem) if kind == "job_file" and path[-4:].lower() == ".txt" else stem


def _of_name(folder: str, same: _Named) -> Iterator[Candidate]:
    if same.job_files:
        first, *others = sorted(same.job_files, key=_rank)
        yield _candidate(folder, name_of(first), same.media, job_file=first)
        for path in others:
            yield _candidate(folder, name_of(path), (), job_file=path)
    elif same.texts:
        first, *others = same.texts
        yield _candidate(folder, name_of(first), same.media, text_file=first)
        for path in others:
            yield _candidate(folder, name_of(path), (), text_file=path)
    else:
        for media in _apart(same.media):
            yield _candidate(folder, name_of(media[0]), media)


def _candidate(
    folder: str, name: str, media: Iterable[str], *, job_file: str | None = None, text_file: str | None = None
) -> Candidate:
    task, _, grouping = folder.partition("/")
    kind: Kind = "job_file" if job_file else "text" if text_file else "media"
    return Candidate(task, grouping, name, job_file, text_file, tuple(media), kind)


def _apart(media: list[str]) -> Iterator[tuple[str, ...]]:
    """Split media alone of one name: roles are one drop, and so is one of each kind; two of one kind are two drops."""
    with_role = [path for path in media if _split_role(_stem(path))[1]]
    if len(with_role) > 1:
        yield tuple(with_role)
        media = [path for path in media if path not in with_role]
    pictures = [path for path in media if media_kind(path) is MediaKind.PICTURE]
    videos = [path for path in media if media_kind(path) is MediaKind.VIDEO]
    for number in range(max(len(pictures), len(videos))):
        yield tuple(pictures[number : number + 1] + videos[number : number + 1])


def _kind_of(path: str) -> Kind | None:
    name = path.rpartition("/")[2].lower()
    if name.endswith((".status.json", ".status.json.txt")) or is_control(name):
        return None
    # Windows hides endings that it knows, so people save job.yaml.txt without seeing it.
    if _extension(name.removesuffix(".txt")) in _JOB_FILES:
        return "job_file"
    if name.endswith(".txt"):
        return "text"
    return "media" if media_kind(name) else None


def _rank(path: str) -> tuple[int, str]:
    extension = _extension(path.lower().removesuffix(".txt"))
    return _JOB_FILES.index(extension), path


def _starts_folder(path: str) -> bool:
    filename = path.rpartition("/")[2].lower()
    return filename.startswith("job.") and _kind_of(filename) == "job_file" and name_of(filename) == "job"


def _stem(filename: str) -> str:
    stem, dot, _ = filename.rpartition(".")
    return stem if dot else filename


def _extension(filename: str) -> str:
    _, dot, extension = filename.rpartition(".")
    return dot + extension.lower()


def _split_role(stem: str) -> tuple[str, str | None]:
    name, _, role = stem.rpartition(".")
    return (name, role.lower()) if name and role.lower() in ROLES else (stem, None)


@lru_cache(maxsize=4096)
def _in_junk(folder: str) -> bool:
    return any(map(is_junk_folder, folder.split("/")))


def _in_reserved(folder: str) -> bool:
    return any(part in RESERVED for part in folder.split("/")[1:])


def _is_inside(folder: str, others: Collection[str]) -> bool:
    if not others:
        return False
    parts = folder.split("/")
    return any("/".join(parts[:depth]) in others for depth in range(1, len(parts) + 1))

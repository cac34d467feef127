"""What the name of one file says: its kind, its NAME and role, or an order to the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.drops.junk import in_junk
from service.job import MediaKind
from service.naming import fold

#: Top folders of the inbox that are no tasks; inside a task they are no grouping folders either.
SCHEDULED = "scheduled"
RESERVED = frozenset({"done", "rejected", "media", "scheduled", "gallery", ".reeldrop"})

#: The words that may stand between a medium's NAME and its extension: NAME.source.jpg.
ROLES = frozenset({"image", "source", "target", "reference"})

#: What one file can be to a drop; None is a file like any other.
FileKind = Literal["job_file", "text", "media", "status", "control"]

_JOB_FILES = ("yaml", "yml", "json")
_FORGIVEN = frozenset({"job_file", "status", "control"})
_MEDIA = {
    MediaKind.PICTURE: ("jpg", "jpeg", "png", "webp", "heic", "heif", "avif", "gif", "bmp", "tif", "tiff"),
    MediaKind.VIDEO: ("mp4", "m4v", "mov", "mkv", "webm", "avi"),
}
_KINDS = {extension: kind for kind, extensions in _MEDIA.items() for extension in extensions}


#: What a file's name says: its kind, its NAME, its whole stem (the same but for media with a role), its role. A plain
#: tuple, for there may be one for each of 100,000 files, and the garbage collector walks over anything more.
Said = tuple[FileKind | None, str, str, str | None]


@dataclass(frozen=True)
class Control:
    """An order by file. `folder` is relative to inbox or outbox; `name` is that of a job or its id, empty for PAUSE."""

    kind: Literal["pause", "cancel"]
    folder: str
    name: str


def read_name(filename: str) -> Said:
    """Return what a file's base name says."""
    # Windows hides endings that it knows, so people save job.yaml.txt without seeing it.
    if filename[-4:].lower() == ".txt":
        stem = filename[:-4]
        said = _read(stem)
        return said if said[0] in _FORGIVEN else ("text", stem, stem, None)
    return _read(filename)


def is_scheduled(path: str) -> bool:
    """Tell whether an inbox-relative path lies where jobs rest until their time: below scheduled/."""
    return path.startswith(f"{SCHEDULED}/")


def awake(path: str) -> str:
    """Return where a path would lie if it didn't rest: scheduled/ has the same task folders as the inbox."""
    return path.removeprefix(f"{SCHEDULED}/")


def task_of(path: str) -> str:
    """Return the task folder of an inbox-relative path; empty for a file that lies in none."""
    task, slash, _ = awake(path).partition("/")
    return task if slash else ""


def grouping_of(path: str) -> str:
    """Return the folders between the task and the file, empty if there are none."""
    return "/".join(awake(path).split("/")[1:-1])


def name_of(path: str) -> str:
    """Return the NAME that a dropped file gives its drop: without its extension and its role, otherwise exact."""
    return read_name(path.rpartition("/")[2])[1]


def said_by(first: str, folder: str | None = None) -> tuple[str, str, str]:
    """Return task, grouping and name that a drop has from the path of its deciding file, or from its own folder."""
    return task_of(first), grouping_of(folder or first), folder.rpartition("/")[2] if folder else name_of(first)


def media_kind(filename: str) -> MediaKind | None:
    """Return what a file is by its extension; None if it is no picture or video that we take."""
    _, dot, extension = filename.rpartition(".")
    return _KINDS.get(extension.lower()) if dot else None


def role_of(filename: str, stem: str) -> str | None:
    """Return the role that a medium of this stem names: "source" for NAME.source.jpg; None without a role."""
    name, role = _split_role(filename.rpartition(".")[0] or filename)
    return role if role and fold(name) == fold(stem) else None


def role_in_folder(path: str) -> str | None:
    """Return the role that a medium in a folder drop names: "source" for source.jpg and for anything.source.jpg."""
    filename = path.rpartition("/")[2]
    word = (filename.rpartition(".")[0] or filename).rpartition(".")[2].lower()
    return word if word in ROLES else None


def is_control(filename: str) -> bool:
    """Tell whether a file of this name is an order to the daemon: PAUSE, or NAME.cancel."""
    return read_name(filename)[0] == "control"


def control_of(path: str) -> Control | None:
    """
    Return the order that a file is by its path, relative to inbox or outbox; None for any other file.

    PAUSE counts in the inbox itself and in a task's own folder, NAME.cancel in a task's folder and below, and where its
    jobs rest; elsewhere such files mean nothing. Whether the first folder is a task is for the caller to know.
    """
    folder, _, filename = awake(path).rpartition("/")
    kind, name, _, _ = read_name(filename)
    # A dot in front hides a file from the person who would have to see that it is there.
    if kind != "control" or filename.startswith(".") or in_reserved(folder) or in_junk(folder):
        return None
    if not name:
        return Control("pause", folder, "") if "/" not in folder and not is_scheduled(path) else None
    return Control("cancel", folder, name) if folder else None


def in_reserved(folder: str) -> bool:
    """Tell whether any part of a folder's path is a reserved name, in whatever case: shares know no case."""
    return any(part.lower() in RESERVED for part in folder.split("/"))


def job_file_rank(path: str) -> int:
    """Return the order in which job files of one name have the word: .yaml, .yml, .json."""
    return _JOB_FILES.index(path.lower().removesuffix(".txt").rpartition(".")[2])


def _read(filename: str) -> Said:
    stem, dot, extension = filename.rpartition(".")
    extension = extension.lower()
    if not dot:
        return ("control", "", "", None) if extension == "pause" else (None, filename, filename, None)
    if extension in _KINDS:
        name, role = _split_role(stem)
        return "media", name, stem, role
    if extension in _JOB_FILES:
        if extension == "json" and stem[-7:].lower() == ".status":
            return "status", stem[:-7], stem, None
        return "job_file", stem, stem, None
    return "control" if extension == "cancel" else None, stem, stem, None


def _split_role(stem: str) -> tuple[str, str | None]:
    name, dot, role = stem.rpartition(".")
    return (name, role.lower()) if dot and name and role.lower() in ROLES else (stem, None)

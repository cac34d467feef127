"""Which folders of a task are drops themselves, which apply a preset, and which are for people's own order."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from service.drops.junk import in_junk
from service.drops.names import RESERVED, SCHEDULED, is_scheduled, read_name
from service.naming import fold


def is_job_of_folder(filename: str) -> bool:
    """Tell whether a file of this name makes the folder that it lies in a drop: job.yaml, .yml or .json."""
    if filename[:4].lower() != "job.":
        return False
    kind, name, _, _ = read_name(filename)
    return kind == "job_file" and len(name) == len("job")


def drop_folder_of(folder: str, with_job_file: Collection[str], presets: Collection[str] = ()) -> str | None:
    """
    Return the folder drop that a folder is, or lies in; None for a plain folder.

    `with_job_file` are the folders in which a file lies that `is_job_of_folder`. Of two within each other the outer one
    is the drop. A task's own folder, one of a reserved name and a preset's folder are none.
    """
    if not with_job_file:
        return None
    end = folder.find("/", len(SCHEDULED) + 1 if is_scheduled(folder) else 0)
    while end != -1:
        begin, end = end + 1, folder.find("/", end + 1)
        part = folder[begin:] if end == -1 else folder[begin:end]
        if part.lower() in RESERVED:
            return None
        path = folder if end == -1 else folder[:end]
        if path in with_job_file and preset_of(part, presets) is None:
            return None if in_junk(path) else path
    return None


def drop_folders(with_job_file: Collection[str], presets: Collection[str] = ()) -> frozenset[str]:
    """Return those folders that are folder drops, from all in which a file lies that `is_job_of_folder`."""
    return frozenset(folder for folder in with_job_file if drop_folder_of(folder, with_job_file, presets) == folder)


def preset_of(grouping: str, presets: Collection[str]) -> str | None:
    """Return the preset that the folders between task and drop apply: the innermost that has a preset's name."""
    if not presets:
        return None
    for part in reversed(grouping.split("/")):
        if part in presets:
            return part
        alike = sorted(preset for preset in presets if fold(preset) == fold(part))
        if alike:
            return alike[0]
    return None


def job_folders(paths: Iterable[str]) -> frozenset[str]:
    """Return the folders of a listing in which a file lies that `is_job_of_folder`."""
    split = (path.rpartition("/") for path in paths)
    return frozenset(folder for folder, _, filename in split if is_job_of_folder(filename))

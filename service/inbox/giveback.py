"""The one gate that takes a user's file out of the inbox: to done or rejected, or back to where it was dropped."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal

from service.disk import Disk, draft_of
from service.inbox.record import RECORD, Claim
from service.inbox.trust import is_inside
from service.naming import fit

Where = Literal["done", "rejected", "scheduled"]
#: Where the files of a drop may go when they leave its claim.
_OUT = ("done", "rejected", "scheduled")

#: The last line of each reason file; only files that end with it are ours to remove.
_OURS = "Reeldrop removes this note when {name} is dropped again."
#: A name that was free when chosen is hardly ever taken twice; a file in the place of a folder is, always.
_MOST_PLANS = 10
_NAME_TAKEN = (
    "These files were about to go back to the folder they came from, but files of the same names have taken their "
    "place since. Nothing was done with them. To use them, move them back under other names."
)


def give_back(claim: Claim, inbox: Path, where: Where, reason: str | None) -> Path:
    """
    Move a claim's files to inbox/<where>/<task>/<grouping>/ under their exact names and return the folder they are in.

    Nothing is replaced: if one name is taken there, the whole drop goes into NAME_2/. With "rejected" the reason is put
    beside them as NAME.reason.txt. Then the claim's folder goes. May be repeated after a crash at any point; a claim
    that is gone already has been given back. After trouble with the disk or share (OSError) it may be repeated.
    """
    if not claim.members:
        clear_folder(claim)
    elif claim.folder.is_dir():
        plan_return(claim, inbox, where, reason)
        finish_return(claim, inbox)
    folder: str = claim.record.get("returning", {}).get("folder", where)
    return inbox / folder


def plan_return(
    claim: Claim,
    inbox: Path,
    where: Where,
    reason: str | None,
    before: Callable[[dict[str, Any]], None] = lambda _record: None,
) -> None:
    """
    Choose where a claim's files go and save that in its record, without moving any; a plan that stands is kept.

    `before` is given the record first: once claim.json says it, whoever finds it after a crash moves the files.
    """
    if claim.record.get("returning", {}).get("where") == where:
        before(claim.record)
        return
    changes = _intention(claim, inbox, where, reason if where == "rejected" else None)
    before(claim.record | changes)
    claim.rewrite(**changes)


def put_back(claim: Claim, inbox: Path) -> None:
    """
    Move a claim's files back to where they were dropped, and remove the claim.

    A file whose old name is taken by now goes to rejected instead, with the reason. May be repeated after a crash.
    """
    if claim.record["stage"] != "returning":
        claim.rewrite(stage="returning", returning={"where": "inbox"})
    finish_return(claim, inbox)


def finish_return(claim: Claim, inbox: Path) -> None:
    """Do what a claim's record says about its return, from wherever it was left, and remove the claim."""
    if claim.record["returning"]["where"] == "inbox":
        _move_home(claim)
        if claim.held_units():
            _intend(claim, inbox, "rejected", _NAME_TAKEN)
    if claim.record["returning"]["where"] != "inbox":
        _move_out_somewhere(claim, inbox)
    remove(claim)


def remove(claim: Claim) -> None:
    """Remove a claim's folder with what we put there; raises ValueError while it holds what a user dropped."""
    if held := claim.held_units():
        raise ValueError(f"{claim.folder} still holds {held[0].path}")
    clear_folder(claim)


def clear_folder(claim: Claim) -> None:
    """Remove the folder of a claim; its record goes last, for a folder without one is known to be empty."""
    with suppress(FileNotFoundError):
        for entry in sorted(os.scandir(claim.folder), key=lambda entry: entry.name == RECORD):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                claim.disk.unlink(Path(entry.path))
        claim.disk.remove_folder(claim.folder)


def forget_reason(claim: Claim, inbox: Path) -> None:
    """Remove the reason file that an earlier drop of this name left in rejected; nobody else's file is touched."""
    if not claim.members:
        return
    taken_from = {claim.source_of(unit).parent for unit in claim.units if unit.path in claim.record.get("sources", {})}
    for folder in {inbox / "rejected" / claim.home, *taken_from}:
        note = folder / _reason_name(claim)
        if not os.path.lexists(note):
            continue
        with suppress(FileNotFoundError, NotADirectoryError):
            if _is_note(note, claim.name):
                claim.disk.unlink(note)


def send_after(inbox: Path, path: str, folder: str, disk: Disk) -> str:
    """
    Move a file that a job named to the folder that the job's own files went to, and return where it lies (both
    inbox-relative). Nothing is replaced: where its name is taken there, it goes into a new folder STEM_2/.
    """
    if not is_inside(folder) or folder.split("/", 1)[0] not in ("done", "rejected"):
        raise OSError(errno.EINVAL, "not a folder that files are returned to", folder)
    source, base = inbox / path, inbox / folder
    for target in _folders(base, source.stem):
        try:
            disk.make_folders(target)
            disk.rename_new(source, target / source.name)
        except FileExistsError:
            continue
        disk.fsync_folder(target)
        disk.fsync_folder(source.parent)
        return (target / source.name).relative_to(inbox).as_posix()
    raise FileExistsError(errno.EEXIST, "no free name for a file that follows its job", path)


def _intend(claim: Claim, inbox: Path, where: Where, reason: str | None) -> None:
    """Choose a folder where every name is free, and save that this is where the files go."""
    claim.rewrite(**_intention(claim, inbox, where, reason))


def _intention(claim: Claim, inbox: Path, where: Where, reason: str | None) -> dict[str, Any]:
    base = inbox / where / claim.home
    names = [unit.name for unit in claim.held_units()] + ([_reason_name(claim)] if reason else [])
    folder = next(folder for folder in _folders(base, claim.name) if not any(map(os.path.lexists, _in(folder, names))))
    inodes = {unit.path: claim.place_of(unit).lstat().st_ino for unit in claim.held_units()}
    plan = {"where": where, "folder": folder.relative_to(inbox).as_posix(), "reason": reason, "inodes": inodes}
    return {"stage": "returning", "returning": plan}


def _folders(base: Path, name: str) -> Iterator[Path]:
    yield base
    # A new grouping folder, so one that exists already is somebody else's.
    yield from (folder for number in count(2) if not os.path.lexists(folder := base / fit(name, f"_{number}")))


def _in(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in names]


def _move_out_somewhere(claim: Claim, inbox: Path) -> None:
    for _ in range(_MOST_PLANS):
        if _move_out(claim, inbox):
            return
        plan = claim.record["returning"]
        _take_back_in(claim, inbox)
        _intend(claim, inbox, plan["where"], plan["reason"])
    raise FileExistsError(errno.EEXIST, "no free name to return a drop to", str(_planned_folder(claim, inbox)))


def _move_out(claim: Claim, inbox: Path) -> bool:
    """Move everything to its planned folder; False if a name there was taken after it had been chosen."""
    plan, disk = claim.record["returning"], claim.disk
    folder = _planned_folder(claim, inbox)
    try:
        disk.make_folders(folder)
        for unit in claim.held_units():
            disk.rename_new(claim.place_of(unit), folder / unit.name)
        if plan["reason"]:
            _write_reason(claim, folder, plan["reason"])
    except FileExistsError:
        return False
    disk.fsync_folder(folder)
    return True


def _take_back_in(claim: Claim, inbox: Path) -> None:
    """Bring what was moved out already back into the claim, so that the whole drop can go elsewhere."""
    folder = _planned_folder(claim, inbox)
    inodes: dict[str, int] = claim.record["returning"]["inodes"]
    held = claim.held_units()
    for unit in claim.units:
        out = folder / unit.name
        if unit not in held and _inode(out) == inodes.get(unit.path, -1):
            claim.disk.rename_new(out, claim.place_of(unit))


def _move_home(claim: Claim) -> None:
    # The deciding file last: a drop is complete once it is there.
    for unit in reversed(claim.held_units()):
        home = claim.source_of(unit)
        with suppress(FileExistsError, NotADirectoryError):
            claim.disk.make_folders(home.parent)
            claim.disk.rename_new(claim.place_of(unit), home)
            claim.disk.fsync_folder(home.parent)


def _write_reason(claim: Claim, folder: Path, reason: str) -> None:
    note = folder / _reason_name(claim)
    shown = claim.name.encode("utf-8", "replace").decode()
    data = f"{reason.rstrip()}\n\n{_OURS.format(name=shown)}\n".encode("utf-8", "replace")
    with suppress(FileNotFoundError):
        if note.read_bytes() == data:
            # Written before a crash, which may have come between the note's two names.
            claim.disk.unlink(draft_of(note))
            return
    claim.disk.create(note, data)


def _is_note(path: Path, name: str) -> bool:
    ending = _OURS.format(name=name.encode("utf-8", "replace").decode())
    return path.read_bytes().decode("utf-8", "replace").rstrip("\n").endswith("\n" + ending)


def _reason_name(claim: Claim) -> str:
    return fit(claim.name, ".reason.txt")


def _planned_folder(claim: Claim, inbox: Path) -> Path:
    folder: str = claim.record["returning"]["folder"]
    # Whoever may write to the share may write to claim.json.
    if not is_inside(folder) or folder.split("/", 1)[0] not in _OUT:
        raise ValueError(f"{claim.folder / RECORD} names a folder outside of {', '.join(_OUT)}")
    return inbox / folder


def _inode(path: Path) -> int | None:
    with suppress(OSError):
        return path.lstat().st_ino
    return None

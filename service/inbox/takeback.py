"""What a claim holds, or takes back after it had been returned, is it what was seen?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.drops import group_folder_drop
from service.errors import Problem, Rejected
from service.inbox.look import facts_of
from service.inbox.record import Claim, Member
from service.inbox.trust import check, check_drop
from service.job import Drop
from service.settling import FileFacts


def record_of(drop: Drop) -> dict[str, Any]:
    """Return what a drop's claim said when its files went back, as a new claim's record; raises Rejected."""
    record = dict(drop.record or {})
    try:
        check(record, drop.id)
        check_drop(record)
        if record.get("returning", {}).get("where") not in ("done", "rejected"):
            raise ValueError("it never went back")
    except ValueError as trouble:
        raise gone(drop.name) from trouble
    return record | {"stage": "claiming"}


def check_returned(claim: Claim, inodes: Mapping[str, int]) -> None:
    """Raise Rejected unless every file that a claim is to take back lies where it was put, unchanged."""
    for unit in claim.units:
        try:
            same = claim.source_of(unit).lstat().st_ino == inodes.get(unit.path)
            members = [member for member in claim.members if f"{member.path}/".startswith(f"{unit.path}/")]
            below = [(member, member.path.removeprefix(unit.path)) for member in members]
            source = claim.source_of(unit)
            same = same and all(looks_as_seen(claim, member, Path(f"{source}{rest}")) for member, rest in below)
        except (FileNotFoundError, NotADirectoryError):
            same = False
        if not same:
            raise gone(unit.name)


def is_as_seen(claim: Claim, member: Member) -> bool:
    """Tell whether a member in the claim's folder is what was seen."""
    try:
        held = facts_of(claim.file_of(member.path))
    except (FileNotFoundError, NotADirectoryError):
        # It was taken out of its folder before that was claimed.
        return False
    if held.same_content(member.facts):
        return True
    # A copy that took the place of a file with other hard links has the same size and time, and an inode of its own.
    return _is_alike(held, member) and (member.facts.links > 1 or "sources" in claim.record)


def looks_as_seen(claim: Claim, member: Member, path: Path) -> bool:
    """Tell whether a file outside still is what was seen; one that was returned before has been renamed since."""
    found = facts_of(path)
    return _is_alike(found, member) if "sources" in claim.record else found == member.facts


def has_more(claim: Claim) -> bool:
    """Tell whether a dropped folder holds files that no look has seen: somebody was still filling it."""
    folder: str | None = claim.record.get("folder")
    if folder is None or "sources" in claim.record:
        return False
    place = claim.place_of(claim.units[0])
    plain = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    paths = [f"{folder}/{path.relative_to(place).as_posix()}" for path in plain]
    known = {member.path for member in claim.members}
    return any(path not in known for path in group_folder_drop(folder, paths).members)


def gone(name: str) -> Rejected:
    """Return what is said where files can't be taken back."""
    title = f"{name} isn't in inbox/rejected/ any more as it was put there."
    return Rejected(Problem("files_gone", title, "Drop the job again; nothing was moved."))


def _is_alike(found: FileFacts, member: Member) -> bool:
    return (found.size, found.mtime_ns, found.kind) == (member.facts.size, member.facts.mtime_ns, "file")

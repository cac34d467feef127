"""A claim: a folder of its own in the inbox that holds a drop's files and a durable record of what they were."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from service.disk import Disk
from service.drops import said_by
from service.inbox.trust import check, stored_below
from service.naming import fold
from service.settling import FileFacts

RECORD = "claim.json"
#: What the record itself says; callers save their own keys beside these.
RESERVED_KEYS = frozenset({"schema", "drop", "host", "boot", "members", "folder", "sources", "stage", "returning"})


@dataclass(frozen=True)
class Member:
    """One file of a drop as it was seen before the claim; the path is inbox-relative, POSIX, from os.fsdecode."""

    path: str
    facts: FileFacts


@dataclass(frozen=True)
class Unit:
    """What moves in one step: a member, or the whole folder that was dropped; `path` is inbox-relative."""

    path: str
    #: Its name in the claim's folder.
    stored: str

    @property
    def name(self) -> str:
        """The exact name that was dropped."""
        return self.path.rpartition("/")[2]


class Claim:
    """
    One claimed drop: its folder, its id, its members and its record (the content of claim.json).

    `stage` in the record is "claiming" until the caller first saves something, and "returning" once its files are on
    their way out. A claim may have no members: then it only remembers what the caller saves.
    """

    def __init__(self, folder: Path, record: dict[str, Any], disk: Disk) -> None:
        self.folder = folder
        self.record = record
        self.disk = disk
        self.drop_id: str = record["drop"]
        self.members: tuple[Member, ...] = tuple(_member(entry) for entry in record["members"])
        #: The text that was read before it was taken, and what was made of it; whoever finds the same text need not.
        self.known: tuple[bytes, Any] | None = None
        self._stored: dict[str, str] = {entry["path"]: entry["stored"] for entry in record["members"]}

    def file_of(self, path: str) -> Path:
        """Return where the member with this inbox-relative path lies in the claim; raises KeyError for other paths."""
        return self.folder / self._stored[path]

    def holds(self, member: Member) -> bool:
        """Tell whether this member lies in the claim now."""
        return os.path.lexists(self.file_of(member.path))

    def held(self) -> tuple[Member, ...]:
        """Return the members that lie in the claim now."""
        return tuple(member for member in self.members if self.holds(member))

    @property
    def units(self) -> tuple[Unit, ...]:
        """What moves in one step each, the deciding one first: the members, or the one folder that they lie in."""
        folder: str | None = self.record.get("folder")
        if folder is not None:
            return (Unit(folder, self._stored[self.members[0].path].partition("/")[0]),)
        return tuple(Unit(member.path, self._stored[member.path]) for member in self.members)

    def place_of(self, unit: Unit) -> Path:
        """Return where a unit lies in the claim."""
        return self.folder / unit.stored

    def source_of(self, unit: Unit) -> Path:
        """Return where a unit was taken from: where it was dropped, or where it had been returned to before."""
        source: str = self.record.get("sources", {}).get(unit.path, unit.path)
        return self.inbox / source

    def held_units(self) -> tuple[Unit, ...]:
        """Return the units that lie in the claim now."""
        return tuple(unit for unit in self.units if os.path.lexists(self.place_of(unit)))

    @property
    def inbox(self) -> Path:
        """The inbox that the claim is in."""
        return self.folder.parents[2]

    @property
    def name(self) -> str:
        """NAME as dropped, from the deciding member or the folder; empty for a claim without members."""
        return said_by(self.members[0].path, self.record["folder"])[2] if self.members else ""

    @property
    def home(self) -> str:
        """The task and grouping folder of the drop, inbox-relative; empty for a claim without members."""
        if not self.members:
            return ""
        task, grouping, _ = said_by(self.members[0].path, self.record["folder"])
        return "/".join(part for part in (task, grouping) if part)

    def save(self, **more: Any) -> None:
        """
        Add these keys to claim.json, durably.

        Raises FileNotFoundError if the claim's folder is gone: another daemon has it, and nothing more may happen here.
        """
        if taken := RESERVED_KEYS & set(more):
            raise ValueError(f"a claim's record keeps {', '.join(sorted(taken))} for itself")
        self.rewrite(stage="claimed" if self.record["stage"] == "claiming" else self.record["stage"], **more)

    def rewrite(self, **changes: Any) -> None:
        """Change the record itself, durably; for the rooms of the inbox."""
        changed = self.record | changes
        self.disk.write_durable(self.folder / RECORD, encode(changed))
        self.record.update(changes)


def encode(record: dict[str, Any]) -> bytes:
    """Return a record as JSON; names that are no UTF-8 survive as escapes."""
    try:
        return to_json(record)
    except PydanticSerializationError:
        return json.dumps(record).encode("ascii")


def read_claim(folder: Path, disk: Disk) -> Claim:
    """Return a folder's claim. Raises FileNotFoundError without a record, ValueError if it can't be read."""
    data = (folder / RECORD).read_bytes()
    try:
        record = json.loads(data)
        check(record, folder.name.rpartition(".")[0])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{folder / RECORD} is not the record of a claim: {error}") from error
    return Claim(folder, record, disk)


def entries_of(members: Sequence[Member], folder: str | None = None) -> list[dict[str, Any]]:
    """Return what the record says of each member: path, name in the claim, size, times, inode."""
    taken = {fold(RECORD)}
    entries = []
    for number, member in enumerate(members, start=1):
        stored = member.path.rpartition("/")[2] if folder is None else stored_below(folder, member.path)
        # A job file may be called claim.json, and disks may ignore case: the claim's own files come first.
        if folder is None and (fold(stored) in taken or stored.startswith("publish-")):
            stored = f"member-{number}{Path(stored).suffix}"
        taken.add(fold(stored))
        facts = member.facts
        entries.append(
            {
                "path": member.path,
                "stored": stored,
                "size": facts.size,
                "mtime_ns": facts.mtime_ns,
                "ctime_ns": facts.ctime_ns,
                "inode": facts.inode,
                "device": facts.device,
                "links": facts.links,
            }
        )
    return entries


def _member(entry: dict[str, Any]) -> Member:
    facts = FileFacts(
        size=entry["size"],
        mtime_ns=entry["mtime_ns"],
        ctime_ns=entry["ctime_ns"],
        inode=entry["inode"],
        device=entry["device"],
        links=entry["links"],
        kind="file",
    )
    return Member(entry["path"], facts)

"""Drops that rest: they leave their claim for inbox/scheduled/, and each time that comes has a claim of copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from service.inbox.giveback import clear_folder, finish_return, plan_return
from service.inbox.look import facts_of
from service.inbox.record import RECORD, Claim, Member, encode, entries_of, read_claim

#: What a claim is until its copies are whole; one that is found so holds nothing but copies.
COPYING = "copying"


def fill(claim: Claim, check: Callable[[Sequence[Member]], None]) -> Claim:
    """
    Make a claim's folder, copy each of its members into it durably, and return the claim of these copies.

    `check` raises where a member isn't what was seen; it is asked before and after. After trouble nothing is left.
    """
    disk = claim.disk
    check(claim.members)
    disk.make_folders(claim.folder)
    try:
        disk.write_durable(claim.folder / RECORD, encode(claim.record))
        for member in claim.members:
            target = claim.file_of(member.path)
            disk.make_folders(target.parent)
            disk.copy_content(claim.inbox / member.path, target)
        # Whoever wrote meanwhile has left us half of one text and half of another.
        check(claim.members)
        made = [Member(member.path, facts_of(claim.file_of(member.path))) for member in claim.members]
        claim.rewrite(stage="claimed", members=entries_of(made, claim.record["folder"]))
    except BaseException:
        clear_folder(claim)
        raise
    return read_claim(claim.folder, disk)


def shelve(claim: Claim, before: Callable[[list[str]], None]) -> list[str]:
    """
    Move the files of a claim to where they rest, below inbox/scheduled/, and return their new paths in order.

    `before` is given these before anything moves. May be repeated after OSError; after a crash resume() goes on.
    """
    plan_return(claim, claim.inbox, "scheduled", None, lambda record: before(_resting_at(claim, record)))
    planned = _resting_at(claim, claim.record)
    finish_return(claim, claim.inbox)
    if (now := _resting_at(claim, claim.record)) != planned:
        before(now)
    return now


def let_go(claim: Claim) -> str:
    """Remove copies whose job is done, and return the folder in which what they are copies of rests."""
    home = claim.members[0].path.rpartition("/")[0] if claim.members else ""
    clear_folder(claim)
    return home


def _resting_at(claim: Claim, record: dict[str, Any]) -> list[str]:
    """Return where each member of a claim lies once its files have moved as a record says, in order."""
    place = record["returning"]["folder"]
    own: str | None = claim.record.get("folder")
    above = (own or claim.members[0].path).rpartition("/")[0]
    return [f"{place}/{member.path.removeprefix(f'{above}/')}" for member in claim.members]

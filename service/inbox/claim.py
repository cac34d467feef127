"""Claims: a drop is taken by renaming its first file into a new folder, which is the one act that decides."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.disk import Disk, draft_of
from service.inbox.giveback import clear_folder, finish_return, forget_reason, put_back, remove
from service.inbox.look import facts_of
from service.inbox.record import RECORD, Claim, Member, encode, entries_of, read_claim

__all__ = ["Claim", "ClaimLost", "Claims", "Member", "MembersChanged"]

_log = logging.getLogger(__name__)


class ClaimLost(Exception):
    """The first file of the drop was gone when it was to be claimed; nothing was taken."""


class MembersChanged(Exception):
    """A file of the drop was not as it had been seen; all of them are back where they were."""


class Claims:
    """
    The claims of one inbox, made under the epoch of the lease that its one daemon holds.

    Each act may end at any point; resume() then brings every claim to one of two ends: whole, or undone.
    """

    def __init__(self, inbox: Path, host: str, boot: str, epoch: int, disk: Disk | None = None) -> None:
        self._inbox = inbox
        self._host = host
        self._boot = boot
        self._epoch = epoch
        self._disk = disk or Disk()
        self._root = inbox / ".reeldrop" / "claims"
        #: Claims that resume() could not bring to an end, with the reason; their files are safe in these folders.
        self.unresumed: dict[Path, str] = {}

    def make(self, drop_id: str, members: Sequence[Member], **record: Any) -> Claim:
        """
        Take a drop: its files, the deciding one first, move into a folder of their own. `record` is saved with them.

        A drop without files gets an empty claim. A file with other hard links is replaced by a copy of its content.
        Raises ClaimLost if the first file is gone, MembersChanged if any file is not as it was seen, OSError for
        trouble with disk or share; in each case the files are where they were (after trouble that lasts: at resume()).
        """
        self._check_unchanged(members)
        folder = self._root / f"{drop_id}.{self._epoch}"
        content = {
            "schema": 1,
            "drop": drop_id,
            "host": self._host,
            "boot": self._boot,
            "stage": "claiming" if members else "claimed",
            "members": entries_of(members),
        }
        claim = Claim(folder, content | record, self._disk)
        self._disk.make_folders(folder)
        try:
            self._disk.write_durable(folder / RECORD, encode(claim.record))
            is_whole = not members or (self._move_first(claim) and self._complete(claim))
        except (OSError, ClaimLost):
            self._abandon(claim)
            raise
        if not is_whole:
            raise MembersChanged(f"the files of {members[0].path} changed while they were claimed")
        return claim

    def resume(self) -> list[Claim]:
        """
        Bring every claim that is there to an end and return the whole ones; to be called once, by who holds the lease.

        Each folder is first renamed to our epoch, so that an earlier daemon which is still alive finds its own gone.
        Then half-made claims are finished if their files still are what was seen, otherwise undone, and returns are
        finished. A claim that can't be brought to an end for now is in `unresumed`.
        """
        claims: list[Claim] = []
        self.unresumed = {}
        for folder in self._rename_to_epoch():
            try:
                claim = self._resume(folder)
            except (OSError, ValueError) as error:
                self.unresumed[folder] = str(error)
                _log.warning("claim %s can't be resumed: %s", folder, error)
            else:
                claims += [claim] if claim else []
        return claims

    def put_back(self, claim: Claim) -> None:
        """Move the files back to where they were dropped (to rejected where that name is taken); the claim goes."""
        put_back(claim, self._inbox)

    def drop(self, claim: Claim) -> None:
        """Remove a claim that holds no dropped file any more; raises ValueError if it does."""
        remove(claim)

    def _check_unchanged(self, members: Sequence[Member]) -> None:
        for number, member in enumerate(members):
            try:
                now = facts_of(self._inbox / member.path)
            except (FileNotFoundError, NotADirectoryError) as error:
                if number == 0:
                    raise ClaimLost(member.path) from error
                raise MembersChanged(f"{member.path} is gone") from error
            if now != member.facts or now.kind != "file":
                raise MembersChanged(f"{member.path} changed")

    def _move_first(self, claim: Claim) -> bool:
        first = claim.members[0]
        try:
            self._disk.rename(self._inbox / first.path, claim.file_of(first.path))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ClaimLost(first.path) from error
        return True

    def _abandon(self, claim: Claim) -> None:
        # The share may be in trouble; what can't be undone now is undone by resume().
        with suppress(OSError):
            if claim.held():
                put_back(claim, self._inbox)
            else:
                clear_folder(claim)

    def _complete(self, claim: Claim) -> bool:
        """Move the missing members in, check all; False, with everything put back, if they are not what was seen."""
        for member in claim.members:
            if not claim.holds(member) and not self._move(claim, member):
                put_back(claim, self._inbox)
                return False
        if not all(_is_as_seen(claim, member) for member in claim.members):
            put_back(claim, self._inbox)
            return False
        for member in claim.members:
            self._copy_if_shared(claim, member)
        for folder in {claim.folder, *((self._inbox / member.path).parent for member in claim.members)}:
            with suppress(FileNotFoundError):
                self._disk.fsync_folder(folder)
        forget_reason(claim, self._inbox)
        return True

    def _move(self, claim: Claim, member: Member) -> bool:
        source = self._inbox / member.path
        try:
            if facts_of(source) == member.facts:
                self._disk.rename(source, claim.file_of(member.path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return claim.holds(member)

    def _copy_if_shared(self, claim: Claim, member: Member) -> None:
        held = claim.file_of(member.path)
        found = held.lstat()
        if found.st_nlink == 1:
            return
        draft = draft_of(held)
        self._disk.copy_content(held, draft)
        os.utime(draft, ns=(found.st_atime_ns, found.st_mtime_ns))
        self._disk.rename(draft, held)

    def _rename_to_epoch(self) -> list[Path]:
        folders = []
        with suppress(FileNotFoundError):
            for folder in sorted(self._root.iterdir()):
                drop_id, _, epoch = folder.name.rpartition(".")
                if not drop_id or not epoch.isdecimal() or int(epoch) > self._epoch:
                    _log.warning("%s is not a claim of this daemon and is left alone", folder)
                    continue
                ours = self._root / f"{drop_id}.{self._epoch}"
                if folder != ours:
                    self._disk.rename(folder, ours)
                folders.append(ours)
            self._disk.fsync_folder(self._root)
        return folders

    def _resume(self, folder: Path) -> Claim | None:
        try:
            claim = read_claim(folder, self._disk)
        except FileNotFoundError:
            self._remove_unmade(folder)
            return None
        stage = claim.record["stage"]
        if stage == "returning":
            finish_return(claim, self._inbox)
            return None
        if stage == "claimed":
            for member in claim.held():
                if facts_of(claim.file_of(member.path)).kind != "file":
                    raise ValueError(f"{claim.file_of(member.path)} is no plain file")
            return claim
        if not claim.held():
            clear_folder(claim)
            return None
        return claim if self._complete(claim) else None

    def _remove_unmade(self, folder: Path) -> None:
        """Remove what a claim left that ended before its record was written, or after its record was removed."""
        for path in folder.iterdir():
            if not path.name.endswith(".part") and not path.name.startswith("publish-"):
                raise ValueError(f"{path} lies in a claim without a record")
            self._disk.unlink(path)
        self._disk.remove_folder(folder)


def _is_as_seen(claim: Claim, member: Member) -> bool:
    held = facts_of(claim.file_of(member.path))
    if held.same_content(member.facts):
        return True
    # A copy that took the place of a file with other hard links has the same size and time, and an inode of its own.
    copied = (held.size, held.mtime_ns, held.kind) == (member.facts.size, member.facts.mtime_ns, "file")
    return copied and member.facts.links > 1

"""Claims: a drop is taken by renaming its first file into a new folder, which is the one act that decides."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.disk import Disk, draft_of
from service.inbox.copies import COPYING, fill
from service.inbox.giveback import clear_folder, finish_return, forget_reason, put_back
from service.inbox.look import facts_of
from service.inbox.record import RECORD, Claim, Member, Unit, encode, entries_of, read_claim
from service.inbox.takeback import check_returned, gone, has_more, is_as_seen, looks_as_seen, record_of
from service.job import Drop

__all__ = ["Claim", "ClaimLost", "Claims", "Member", "MembersChanged", "Wanted"]

_log = logging.getLogger(__name__)


class ClaimLost(Exception):
    """The first file of the drop was gone when it was to be claimed; nothing was taken."""


class MembersChanged(Exception):
    """A file of the drop was not as it had been seen; all of them are back where they were."""


@dataclass(frozen=True)
class Wanted:
    """A drop to be claimed: its files as seen, the deciding one first; the folder they lie in, if that was dropped."""

    drop_id: str
    members: Sequence[Member]
    record: dict[str, Any] = field(default_factory=dict)
    folder: str | None = None


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
        #: The records of the drops whose files resume() has returned.
        self.returned: dict[str, dict[str, Any]] = {}

    def make(self, drop_id: str, members: Sequence[Member], folder: str | None = None, **record: Any) -> Claim:
        """
        Take a drop: its files, the deciding one first, move into a folder of their own. `record` is saved with them.

        A drop without files gets an empty claim. A file with other hard links is replaced by a copy of its content.
        Raises ClaimLost if the first file is gone, MembersChanged if any file is not as it was seen, OSError for
        trouble with disk or share; in each case the files are where they were (after trouble that lasts: at resume()).
        """
        made = self.make_all([Wanted(drop_id, members, record, folder)])[0]
        if isinstance(made, Exception):
            raise made
        return made

    def make_all(self, drops: Sequence[Wanted]) -> list[Claim | Exception]:
        """
        Take many drops as `make` does, syncing them together; return for each its claim, or what `make` would raise.

        Trouble that meets all of them (a full disk) is each one's answer.
        """
        begun = self._with_all([self._begin(wanted) for wanted in drops], self._make_folders)
        begun = self._with_all(begun, self._record)
        taken = [self._take(answer) if isinstance(answer, Claim) else answer for answer in begun]
        return self._with_all(taken, self._settle)

    def take_back(self, drop: Drop) -> Claim:
        """
        Take the files of a returned drop into a claim again, from where its saved record says that they went.

        Raises Rejected where one is gone or changed, or the record isn't known, and moves nothing; OSError.
        """
        record = record_of(drop) | {"host": self._host, "boot": self._boot}
        returned: dict[str, Any] = record.pop("returning")
        claim = Claim(self._root / f"{drop.id}.{self._epoch}", record, self._disk)
        record["sources"] = {unit.path: f"{returned['folder']}/{unit.name}" for unit in claim.units}
        check_returned(claim, returned["inodes"])
        self._disk.make_folders(claim.folder)
        self._record([claim])
        if isinstance(taken := self._take(claim), Exception):
            raise taken if isinstance(taken, OSError) else gone(claim.name) from taken
        self._settle([claim])
        return claim

    def copy(self, drop_id: str, members: Sequence[Member], folder: str | None = None, **record: Any) -> Claim:
        """Make a claim of copies: the files stay where they are. Raises as `make` does, and leaves nothing then."""
        content = self._content(Wanted(drop_id, members, record, folder), COPYING)
        claim = Claim(self._root / f"{drop_id}.{self._epoch}", content, self._disk)
        copied = fill(claim, self._check_unchanged)
        self._disk.fsync_folder(self._root)
        return copied

    @property
    def inbox(self) -> Path:
        """The inbox that the claims are in."""
        return self._inbox

    def open(self, drop_id: str) -> Claim | None:
        """Return the claim of a drop from its folder, or None where there is none; raises ValueError, OSError."""
        with suppress(FileNotFoundError):
            return read_claim(self._root / f"{drop_id}.{self._epoch}", self._disk)
        return None

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

    # the steps of taking ---------------------------------------------------------------------------------------------

    def _begin(self, wanted: Wanted) -> Claim | Exception:
        """Check what is to be taken, and say what will be saved of it."""
        content = self._content(wanted, "claiming" if wanted.members else "claimed")
        claim = Claim(self._root / f"{wanted.drop_id}.{self._epoch}", content, self._disk)
        try:
            self._check_unchanged(wanted.members)
        except (OSError, ClaimLost, MembersChanged) as trouble:
            return trouble
        return claim

    def _content(self, wanted: Wanted, stage: str) -> dict[str, Any]:
        content = {
            "schema": 1,
            "drop": wanted.drop_id,
            "host": self._host,
            "boot": self._boot,
            "stage": stage,
            "members": entries_of(wanted.members, wanted.folder),
            "folder": wanted.folder,
        }
        return content | wanted.record

    def _with_all(
        self, answers: list[Claim | Exception], act: Callable[[Sequence[Claim]], None]
    ) -> list[Claim | Exception]:
        """Do something with all claims together; where it can't be done, none of them is made."""
        claims = [answer for answer in answers if isinstance(answer, Claim)]
        try:
            act(claims)
        except OSError as trouble:
            for claim in claims:
                self._abandon(claim)
            return [trouble if isinstance(answer, Claim) else answer for answer in answers]
        return answers

    def _make_folders(self, claims: Sequence[Claim]) -> None:
        self._disk.make_folders(self._root)
        self._disk.make_folders_in([claim.folder for claim in claims])

    def _record(self, claims: Sequence[Claim]) -> None:
        """Save what is about to be taken, before anything is."""
        if claims:
            self._disk.write_durable_all([(claim.folder / RECORD, encode(claim.record)) for claim in claims])
            self._disk.fsync_folder(self._root)

    def _take(self, claim: Claim) -> Claim | Exception:
        """Move the files in; where they are not what was seen, all are put back."""
        try:
            is_whole = not claim.members or (self._move_first(claim) and self._complete(claim))
        except (OSError, ClaimLost) as trouble:
            self._abandon(claim)
            return trouble
        if not is_whole:
            return MembersChanged(f"the files of {claim.members[0].path} changed while they were claimed")
        return claim

    def _settle(self, claims: Sequence[Claim]) -> None:
        """Make what was moved survive a power cut, and let the reasons of earlier drops of these names go."""
        sources = {claim.source_of(unit).parent for claim in claims for unit in claim.units}
        # A file that is surely gone from where it was is surely where it was renamed to: a rename is one act.
        self._disk.fsync_all([folder for folder in sorted(sources) if folder.is_dir()])
        for claim in claims:
            forget_reason(claim, self._inbox)

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
        first = claim.units[0]
        try:
            self._disk.rename(claim.source_of(first), claim.place_of(first))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ClaimLost(first.path) from error
        return True

    def _abandon(self, claim: Claim) -> None:
        # The share may be in trouble; what can't be undone now is undone by resume().
        with suppress(OSError):
            if claim.held_units():
                put_back(claim, self._inbox)
            else:
                clear_folder(claim)

    def _complete(self, claim: Claim) -> bool:
        """Move the missing members in, check all; False, with everything put back, if they are not what was seen."""
        held = claim.held_units()
        if not all(unit in held or self._move(claim, unit) for unit in claim.units):
            put_back(claim, self._inbox)
            return False
        if not all(is_as_seen(claim, member) for member in claim.members) or has_more(claim):
            put_back(claim, self._inbox)
            return False
        for member in claim.members:
            self._copy_if_shared(claim, member)
        return True

    def _move(self, claim: Claim, unit: Unit) -> bool:
        """Move one more in, if it still is what was seen; after a crash, seen once more."""
        member = next((member for member in claim.members if member.path == unit.path), None)
        source = claim.source_of(unit)
        try:
            if member is None or looks_as_seen(claim, member, source):
                self._disk.rename(source, claim.place_of(unit))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return os.path.lexists(claim.place_of(unit))

    def _copy_if_shared(self, claim: Claim, member: Member) -> None:
        held = claim.file_of(member.path)
        found = held.lstat()
        if found.st_nlink == 1:
            return
        draft = draft_of(held)
        self._disk.copy_content(held, draft)
        os.utime(draft, ns=(found.st_atime_ns, found.st_mtime_ns))
        self._disk.rename(draft, held)

    # resuming --------------------------------------------------------------------------------------------------------

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
        stage, shelved = claim.record["stage"], claim.record.get("shelved", False)
        if stage == "claimed" and not shelved:
            return _checked(claim)
        if stage == "returning":
            finish_return(claim, self._inbox)
            self.returned[claim.drop_id] = claim.record
        elif stage == COPYING or not claim.held_units():
            # Of what was being copied the files lie where they did, and come up again.
            clear_folder(claim)
        elif shelved:
            # It was about to be laid to rest: it is seen anew where it was dropped, and its time judged anew.
            put_back(claim, self._inbox)
        else:
            return self._completed(claim)
        return None

    def _completed(self, claim: Claim) -> Claim | None:
        whole = self._complete(claim)
        if whole:
            self._settle([claim])
        return claim if whole else None

    def _remove_unmade(self, folder: Path) -> None:
        """Remove what a claim left that ended before its record was written, or after its record was removed."""
        for path in folder.iterdir():
            if not path.name.endswith(".part") and not path.name.startswith("publish-"):
                raise ValueError(f"{path} lies in a claim without a record")
            self._disk.unlink(path)
        self._disk.remove_folder(folder)


def _checked(claim: Claim) -> Claim:
    for member in claim.held():
        if facts_of(claim.file_of(member.path)).kind != "file":
            raise ValueError(f"{claim.file_of(member.path)} is no plain file")
    return claim

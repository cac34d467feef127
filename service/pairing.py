"""Pairing: which files of the listing are drops together, followed from look to look, folder by folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from service.drops import (
    Candidate,
    control_of,
    drop_folder_of,
    group_folder,
    group_folder_drop,
    is_job_of_folder,
)
from service.inbox.look import Changes, Listing


@dataclass
class _Unit:
    """One folder whose files are grouped together: a plain one, or a whole folder drop with all below it."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    left: tuple[str, ...] = ()


class Pairing:
    """The candidates of one inbox by their deciding file; only folders in which something changed are grouped again."""

    def __init__(
        self, listing: Listing, tasks: Collection[str], prompted: Collection[str], presets: Collection[str]
    ) -> None:
        self._listing = listing
        self._tasks = tasks
        self._prompted = prompted
        self._presets = presets
        self._units: dict[str, _Unit] = {}
        self._unit_of: dict[str, str] = {}
        self._with_job_file: set[str] = set()
        #: Member → deciding file.
        self._owners: dict[str, str] = {}
        #: Orders to the daemon that lie in task folders.
        self.orders: set[str] = set()

    def follow(self, tasks: Collection[str], prompted: Collection[str], presets: Collection[str]) -> Changes:
        """Pair by these from now on; return the folders to be paired again as if something in them had changed."""
        self._tasks, self._prompted, self._presets = tasks, prompted, presets
        return Changes(folders=set(self._listing.folders))

    def candidate(self, path: str) -> Candidate | None:
        """Return the drop that a deciding file stands for, or None."""
        unit = self._units.get(self._unit_of.get(path.rpartition("/")[0], ""))
        return unit.candidates.get(path) if unit else None

    def owner(self, path: str) -> str | None:
        """Return the deciding file of the drop that a file belongs to, or None."""
        return self._owners.get(path)

    def of_folder(self, folder: str) -> list[Candidate]:
        """Return the drops of one plain folder, the folders that are drops themselves among them."""
        found = [each for unit in self._units.values() for each in unit.candidates.values() if each.folder]
        whole = [each for each in found if each.folder and each.folder.rpartition("/")[0] == folder]
        return [*self._units.get(folder, _Unit()).candidates.values(), *whole]

    def candidates(self) -> Iterable[Candidate]:
        """Yield every drop."""
        for unit in self._units.values():
            yield from unit.candidates.values()

    def left_alone(self) -> tuple[str, ...]:
        """Return the files that are no drop and that nobody touches."""
        return tuple(sorted(path for unit in self._units.values() for path in unit.left))

    def update(self, changes: Changes) -> tuple[list[str], set[str]]:
        """Follow what a look found; return the deciding files of new or changed drops, and of those that are gone."""
        self._note_orders(changes)
        former: set[str] = set()
        units = set()
        affected = self._affected(changes.folders)
        for folder in affected:
            if folder in self._unit_of:
                former.add(self._unit_of.pop(folder))
        for folder in affected | former:
            if folder in self._listing.folders:
                unit = drop_folder_of(folder, self._with_job_file, self._presets) or folder
                self._unit_of[folder] = unit
                units.add(unit)
        touched: list[str] = []
        vanished: set[str] = set()
        old: dict[str, Candidate] = {}
        for unit in former | units:
            old |= self._units.pop(unit, _Unit()).candidates
        new: dict[str, Candidate] = {}
        for unit in sorted(units):
            self._units[unit] = self._group(unit)
            new |= self._units[unit].candidates
        for path in old.keys() - new.keys():
            vanished.add(path)
            self._disown(old[path])
        for path, candidate in new.items():
            if (earlier := old.get(path)) != candidate:
                if earlier:
                    self._disown(earlier)
                self._owners.update(dict.fromkeys(candidate.members, path))
                touched.append(path)
        return touched, vanished

    def _disown(self, candidate: Candidate) -> None:
        for member in candidate.members:
            if self._owners.get(member) == candidate.members[0]:
                del self._owners[member]

    def _note_orders(self, changes: Changes) -> None:
        self.orders -= changes.gone
        self.orders |= {path for path in changes.changed if control_of(path) is not None}

    def _affected(self, folders: Collection[str]) -> set[str]:
        """Return the folders to group again: a job.yaml that comes or goes changes what all below its folder is."""
        affected = set(folders)
        for folder in folders:
            has = any(map(is_job_of_folder, self._listing.folders.get(folder, ())))
            if has != (folder in self._with_job_file):
                (self._with_job_file.add if has else self._with_job_file.discard)(folder)
                affected |= {known for known in self._listing.folders if known.startswith(f"{folder}/")}
        return affected

    def _group(self, unit: str) -> _Unit:
        if drop_folder_of(unit, self._with_job_file, self._presets) == unit:
            candidate = group_folder_drop(unit, self._below(unit))
            return _Unit({candidate.members[0]: candidate})
        paths = [f"{unit}/{name}" for name in self._listing.folders.get(unit, ())]
        found, left = group_folder(unit, paths, self._tasks, self._prompted)
        return _Unit({candidate.members[0]: candidate for candidate in found}, left)

    def _below(self, unit: str) -> list[str]:
        """Return every file of a folder drop; the folders below it are its parts from now on."""
        paths = []
        for folder, names in self._listing.folders.items():
            if folder == unit or folder.startswith(f"{unit}/"):
                self._unit_of[folder] = unit
                paths += [f"{folder}/{name}" for name in names]
        return paths

"""Pulling models: one pull at a time, never without room, each file in its folder once it is whole and checked."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.disk_trouble import unavailable_of
from service.downloads import Door, Fetched, Patience, Transfer, Wanted
from service.errors import Problem, Rejected, Unavailable
from service.model_hosts import Hosts
from service.model_list import Model
from service.sums import Sums

_LOCK = ".reeldrop-pull.lock"
#: What a pull leaves free for everybody else, beside what the files themselves need.
SPARE_BYTES = 1 << 29


def free_bytes(folder: Path) -> int:
    """Return how much room the disk of a folder, or of the nearest above it that is there, has for us."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def refuse_without_room(needed: int, models_dir: Path, free: Callable[[Path], int] = free_bytes) -> None:
    """Raise Unavailable where the files of a pull, as far as their sizes are known, have no room."""
    room = free(models_dir)
    if room < needed + SPARE_BYTES:
        title = f"The files need {needed / 1e9:.1f} GB, and {room / 1e9:.1f} GB are free in {models_dir}."
        raise Unavailable("disk_full", title, "Free some space, or set models_dir in config.yaml to a larger disk.")


@contextmanager
def alone(models_dir: Path) -> Iterator[None]:
    """Keep other pulls out of a models folder; raise Unavailable where one is under way or nobody may write there."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        opened = os.open(models_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as trouble:
        raise unavailable_of(trouble) from trouble
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        title = f"Another pull is at work in {models_dir}."
        raise Unavailable("pull_running", title, "Wait until it ends, or stop it: what it has is kept.") from None
    except OSError:
        # A share that knows no locks: what a second pull would break, the checks at the end notice.
        pass
    try:
        yield
    finally:
        os.close(opened)


class Puller:
    """Fetches models into a folder; `told(what, done, whole)` hears of the one under way."""

    def __init__(
        self,
        models_dir: Path,
        hosts: Sequence[str],
        environment: Mapping[str, str],
        sums: Sums,
        told: Callable[[str, int, int | None], None],
        *,
        patience: Patience | None = None,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._models_dir = models_dir
        self._sums = sums
        patience = patience or Patience()
        self._door = Door(Hosts.of(hosts), environment, patience)
        self._transfer = Transfer(self._door, patience, told, free)

    def close(self) -> None:
        """Close its connections."""
        self._door.close()

    def pull(self, model: Model) -> Fetched:
        """Fetch one model; raise Rejected where it can't be had, Unavailable where time or the operator must act."""
        target = self._models_dir / model.folder / model.name
        if os.path.lexists(target):
            raise _taken(target)
        try:
            fetched = self._transfer.fetch(Wanted(model, target))
            self._sums.remember(target, fetched.sha256)
        except FileExistsError:
            raise _taken(target) from None
        except OSError as trouble:
            raise unavailable_of(trouble) from trouble
        return fetched


def _taken(target: Path) -> Rejected:
    fix = "Look at it; `reeldrop models verify` says whether it is the right one. Move it away to have it fetched."
    return Rejected(Problem("name_taken", f"{target} is there already and isn't replaced.", fix))

"""Who owns the inbox: one daemon at a time, known by a lock on this machine and a lease beside the drops."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.disk import Disk
from service.errors import Unavailable
from service.inbox.roots import marker, not_writable

__all__ = ["Lease", "boot_id", "marker", "take"]

_LOCK = "lock"


@dataclass
class Lease:
    """The right to work on one inbox; the epoch rises with every taking."""

    epoch: int
    owner: str
    host: str
    boot: str
    _path: Path = field(repr=False)
    _lock: int = field(repr=False)
    _disk: Disk = field(repr=False)

    def release(self) -> None:
        """Say in the lease that nobody owns the inbox now, and let go of the lock; may be repeated."""
        if self._lock < 0:
            return
        # A lease that another daemon has taken since is not ours to change; an inbox that is offline can wait.
        with suppress(OSError, ValueError):
            current = json.loads(self._path.read_bytes())
            if (current["epoch"], current["owner"]) == (self.epoch, self.owner):
                self._disk.write_durable(self._path, _encode(current | {"released": True}))
        os.close(self._lock)
        self._lock = -1


def take(inbox: Path, state_dir: Path, disk: Disk | None = None) -> Lease:
    """
    Take the inbox for this process.

    A lease of this machine is taken over when nobody holds the lock of the state folder that it names. Raises
    Unavailable, naming who has the inbox, when a live daemon of this machine or any unreleased one of another does.
    """
    disk = disk or Disk()
    host, boot = socket.gethostname(), boot_id()
    owner = f"{host}/{os.getpid()}"
    try:
        disk.make_folders(state_dir)
        lock = _lock(state_dir / _LOCK, owner)
    except OSError as error:
        raise not_writable(state_dir, error) from error
    path = inbox / ".reeldrop" / "lease.json"
    try:
        earlier = _read(path)
        _refuse_if_held(earlier, inbox, state_dir, host, boot)
        epoch = max(int(earlier.get("epoch", 0)), _highest_claim(inbox)) + 1
        content = {"schema": 1, "owner": owner, "host": host, "boot": boot, "epoch": epoch}
        disk.make_folders(path.parent)
        disk.write_durable(path, _encode(content | {"state_dir": str(state_dir.resolve()), "released": False}))
        if _read(path).get("owner") != owner:
            raise _held_elsewhere(_read(path), inbox)
    except OSError as error:
        os.close(lock)
        raise not_writable(inbox, error) from error
    except Unavailable:
        os.close(lock)
        raise
    return Lease(epoch, owner, host, boot, path, lock, disk)


def holder(inbox: Path) -> str | None:
    """Return who works on an inbox, or None; a lease of this machine counts only while its lock is held."""
    try:
        lease = _read(inbox / ".reeldrop" / "lease.json")
        ours = lease["host"] == socket.gethostname()
        if lease["released"] or (ours and not is_locked(Path(lease["state_dir"]) / _LOCK)):
            return None
        return str(lease["owner"])
    except (OSError, Unavailable, KeyError, TypeError):
        return None


def boot_id() -> str:
    """Return what tells this run of the machine from earlier ones; "unknown" where the system doesn't say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return "unknown"


def _lock(path: Path, owner: str) -> int:
    """Return the open lock file, locked; raises Unavailable if another process holds it. A crash lets go of it."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(opened, 200).decode("utf-8", "replace").strip() or "unknown"
        os.close(opened)
        raise Unavailable(
            "already_running",
            f"Another Reeldrop is running with this state folder: {_who(holder)}.",
            "Stop that one first, or give this one a state_dir of its own.",
        ) from None
    os.ftruncate(opened, 0)
    os.pwrite(opened, owner.encode(), 0)
    return opened


def _refuse_if_held(lease: dict[str, Any], inbox: Path, state_dir: Path, host: str, boot: str) -> None:
    if not lease or lease.get("released"):
        return
    if lease.get("host") != host:
        raise _held_elsewhere(lease, inbox)
    other = Path(str(lease.get("state_dir", state_dir)))
    if lease.get("boot") == boot and other != state_dir.resolve() and is_locked(other / _LOCK):
        raise Unavailable(
            "inbox_taken",
            f"Another Reeldrop works on {inbox}: {_who(str(lease.get('owner')))}, with its state in {other}.",
            "Stop that one first, or give this one an inbox_dir of its own.",
        )


def owner_of(path: Path) -> str | None:
    """Return who took a lock file last, as host/pid, whether or not it is held now; None where nobody ever did."""
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None


def is_locked(path: Path) -> bool:
    """Tell whether a live process holds this lock file; one that isn't there is held by nobody."""
    with suppress(FileNotFoundError):
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Shared, so that two who ask at once don't take each other for the holder.
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(opened)
    return False


def _held_elsewhere(lease: dict[str, Any], inbox: Path) -> Unavailable:
    return Unavailable(
        "inbox_taken",
        f"Another machine works on {inbox}: {_who(str(lease.get('owner')))}.",
        f"Stop the Reeldrop there. If that machine is gone for good, delete {inbox}/.reeldrop/lease.json: "
        "taking over from another machine is not built yet.",
    )


def _who(owner: str) -> str:
    host, _, pid = owner.rpartition("/")
    return f"process {pid} on {host}" if host else owner


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found | {"epoch": int(found["epoch"])}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            "lease_unreadable",
            f"{path} is damaged, so nobody can tell who works on this inbox.",
            "Make sure that no other Reeldrop uses the inbox, then delete that file.",
        ) from error


def _highest_claim(inbox: Path) -> int:
    """Return the highest epoch that a claim carries, so that a deleted lease can't bring an old epoch back."""
    epochs = [0]
    with suppress(FileNotFoundError):
        endings = [folder.name.rpartition(".")[2] for folder in (inbox / ".reeldrop" / "claims").iterdir()]
        epochs += [int(ending) for ending in endings if ending.isdecimal()]
    return max(epochs)


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"

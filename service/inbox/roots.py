"""Inbox and outbox as places: what file system they are on, and the marker that tells offline from empty."""

from __future__ import annotations

import json
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Literal

from service.disk import Disk
from service.errors import Unavailable

# File systems whose every writer goes through this machine's kernel, with leases that tell the truth.
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "zfs", "bcachefs", "overlay"})
# File systems that others write to without this kernel seeing it, so that no event comes and no open writer is visible.
_SHARES = re.compile(
    r"nfs4?|cifs|smb3|smbfs|ncpfs|afs|9p|virtiofs|vboxsf|vmhgfs|prl_fs|drvfs|fakeowner|ceph|glusterfs|lustre|beegfs|"
    r"gpfs|coda|ocfs2|gfs2|davfs|fuse\.(?!lxcfs|fuse-overlayfs|mergerfs).*"
)

_OCTAL = re.compile(r"\\([0-7]{3})")

Place = Literal["local", "share", "other"]


def kind_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> Place:
    """
    Tell what kind of file system a folder is on, by the mount table; "other" where that can't be told.

    "local": open writers are visible (has_writer). "share": others may write unseen, and no file events can be trusted.
    """
    with suppress(OSError):
        kind = _file_system(os.path.realpath(folder), mounts.read_text("utf-8", "surrogateescape"))
        if kind in _LOCAL:
            return "local"
        if _SHARES.fullmatch(kind):
            return "share"
    return "other"


def marker(root: Path, known_id: str | None, disk: Disk | None = None) -> str:
    """
    Return the id in a root's marker; with no known id the root and its marker are made if they aren't there.

    Raises Unavailable if a known marker is missing (the folder is offline, not empty) or is another one.
    """
    path = root / ".reeldrop" / "marker.json"
    found = _read(path)
    if found is None and known_id is None:
        found = _make(root, path, disk or Disk())
    if found is None:
        raise Unavailable(
            "folder_offline",
            f"The folder {root} is offline: its marker .reeldrop/marker.json was here before and is missing now.",
            "Mount the share or disk again. If the folder was emptied, put the marker back.",
        )
    if known_id not in (None, found):
        raise Unavailable(
            "folder_changed",
            f"The folder {root} is not the one that was here before: its marker .reeldrop/marker.json is another's.",
            "Mount the right share or disk there, or give this folder to a Reeldrop with a state_dir of its own.",
        )
    return found


def _file_system(folder: str, mounts: str) -> str:
    """Return the type of the last file system that was mounted on the nearest parent of a folder."""
    best, kind = "", "unknown"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        # The kernel writes spaces and the like as three octal digits, and all other bytes as they are.
        point = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        if len(point) >= len(best) and f"{folder}/".startswith(f"{point.rstrip('/')}/"):
            best, kind = point, after.split(" ", 1)[0]
    return kind


def _read(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_bytes())["id"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            "marker_unreadable",
            f"The marker {path} can't be read ({type(error).__name__}).",
            "Let the user that runs Reeldrop read it; if it is damaged, put it back from a backup.",
        ) from error


def _make(root: Path, path: Path, disk: Disk) -> str | None:
    about = "Reeldrop knows this folder by this file. Please leave it here."
    content = json.dumps({"schema": 1, "id": str(uuid.uuid4()), "about": about}, indent=2)
    try:
        disk.make_folders(path.parent)
        # Should somebody else be quicker, theirs is the marker.
        with suppress(FileExistsError):
            disk.create(path, f"{content}\n".encode())
    except OSError as error:
        raise not_writable(root, error) from error
    return _read(path)


def not_writable(folder: Path, error: OSError) -> Unavailable:
    """Return what to tell the operator about a folder that can't be used."""
    return Unavailable(
        "folder_not_writable",
        f"{folder} can't be used: {error.strerror}.",
        "Let the user that runs Reeldrop read and write there, or set another folder in config.yaml.",
    )

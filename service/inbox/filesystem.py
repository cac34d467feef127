"""What kind of file system a folder lies on: events and open writers can be trusted on local ones only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Kind = Literal["local", "share"]

_MOUNTS = Path("/proc/self/mountinfo")
#: File systems whose files others can change without this kernel knowing (names as in /proc/filesystems).
_SHARES = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs"}
    | {"fuse.sshfs", "fuse.vmhgfs-fuse", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "prl_fs", "smb3", "smbfs"}
    | {"vboxsf", "virtiofs", "vmhgfs"}
)


def kind_of(folder: Path, mounts: Path = _MOUNTS) -> Kind:
    """Return "share" where other machines can write unseen, else "local".

    Where the mounts can't be read (no Linux), a folder counts as local: the longer quiet time for places where open
    writers are invisible holds there anyway.
    """
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return "local"
    real = os.path.realpath(folder)
    best, found = "", ""
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4].encode().decode("unicode_escape")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        # Later lines lie over earlier ones at the same point.
        if inside and len(point) >= len(best):
            best, found = point, right.split(" ", 1)[0]
    return "share" if found in _SHARES or found.startswith("nfs") else "local"

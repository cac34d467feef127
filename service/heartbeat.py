"""The heartbeat: var/heartbeat.json, which a running daemon writes anew every few seconds for whoever looks after it.

Times are on the machine's monotonic clock, which every process reads alike until the next boot: a wall clock that is
put back an hour makes nobody look dead. What another process left, before the last boot for example, counts for
nothing; the boot's own id doesn't tell, for in some containers a sandboxed service reads another one than a shell.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from service.disk import Disk
from service.inbox.lease import owner_of
from service.liveness import Pulse

_FILE = "heartbeat.json"


@dataclass(frozen=True)
class Heartbeat:
    """What a daemon last said of itself; `age_s` counts from when it said so."""

    pid: int
    started_at: str
    age_s: float
    pulses: Mapping[str, Pulse]


def write(state_dir: Path, started_at: str, pulses: Mapping[str, Pulse]) -> None:
    """Say that this process lives, and how its threads do; raises OSError."""
    said = {
        "pid": os.getpid(),
        "started_at": started_at,
        "monotonic_s": time.monotonic(),
        "threads": {name: asdict(pulse) for name, pulse in pulses.items()},
    }
    Disk().write(state_dir / _FILE, json.dumps(said).encode())


def read(state_dir: Path) -> Heartbeat | None:
    """Return the newest heartbeat of whoever holds the lock now; None where there is none, or none that can be read."""
    try:
        said = json.loads((state_dir / _FILE).read_bytes())
        if (owner_of(state_dir / "lock") or "").rpartition("/")[2] != str(said["pid"]):
            return None
        pulses = {str(name): Pulse(**pulse) for name, pulse in said["threads"].items()}
        age_s = max(0.0, time.monotonic() - float(said["monotonic_s"]))
        return Heartbeat(int(said["pid"]), str(said["started_at"]), age_s, pulses)
    except (OSError, ValueError, KeyError, TypeError):
        return None

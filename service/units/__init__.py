"""What a service manager is told of Reeldrop: units for systemd, property lists for launchd; pure.

Everything goes by the paths of one installation; nothing is read or written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: The service's name, to systemd and in file names; launchd wants one in reverse.
NAME, LABEL = "reeldrop", "org.reeldrop.reeldrop"


@dataclass(frozen=True)
class Installation:
    """One Reeldrop on one machine: how it is started, and which folders it works in; paths are absolute."""

    #: The program and its arguments: python, daemon.py, run, --config, config.yaml.
    command: tuple[str, ...]
    working_dir: Path
    #: What it writes: inbox, outbox, state, workflows, models, scratch.
    written: tuple[Path, ...]
    #: What it needs to be there before it starts, mounted where it is a mount point.
    needed: tuple[Path, ...]
    #: Whose process it is where it belongs to the system; None for the user's own service.
    user: str | None = None

    @property
    def system(self) -> bool:
        """Whether it belongs to the system, and starts without anybody logging in."""
        return self.user is not None

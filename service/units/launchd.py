"""A property list for launchd. No WatchPaths: launchd's own watching starts a job for each file, and misses some."""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

from service.units import LABEL, Installation

#: launchd gives jobs /usr/bin:/bin:/usr/sbin:/sbin; Homebrew and MacPorts put ffmpeg elsewhere.
_PATH = "/opt/homebrew/bin:/usr/local/bin:/opt/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def plist(installed: Installation, log: Path) -> bytes:
    """Return the property list of an agent, or of a daemon where it belongs to the system.

    `log` gets what is said before the daemon's own log is open.
    """
    told: dict[str, Any] = {
        "Label": LABEL,
        # launchd rotates nothing that it writes, so the log is the daemon's own file.
        "ProgramArguments": [*installed.command, "--log-file"],
        "WorkingDirectory": str(installed.working_dir),
        "EnvironmentVariables": {"PATH": _PATH},
        "RunAtLoad": True,
        # After a crash only: who stops it means it, and wrong settings wait for their owner.
        "KeepAlive": {"Crashed": True, "SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 30,
        "ProcessType": "Standard",
        "Umask": 0o022,
        "StandardErrorPath": str(log),
        "StandardOutPath": "/dev/null",
    }
    if installed.user is not None:
        told["UserName"] = installed.user
    return plistlib.dumps(told, sort_keys=False)

"""The service manager's door: systemd is told over its socket that the daemon is ready, alive, and about to stop.

The protocol is sd_notify(3)'s: a datagram of lines to the socket that NOTIFY_SOCKET names, "@" standing for the zero
byte of an abstract one. Where nobody asked to be told, nothing is said.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

LOG = logging.getLogger(__name__)


class Manager:
    """systemd as far as it listens; saying something never raises and never waits."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path
        self._said = ""

    @property
    def listens(self) -> bool:
        """Whether a service manager wants to be told."""
        return bool(self._path)

    def ready(self) -> None:
        """Say that everything is running."""
        self._tell("READY=1")

    def alive(self, status: str) -> None:
        """Say that all threads move, and how things are in one line; each time counts as a sign of life."""
        news = f"\nSTATUS={status}" if status != self._said else ""
        self._said = status
        self._tell(f"WATCHDOG=1{news}")

    def stopping(self) -> None:
        """Say that it ends because it was asked to."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._path:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking:
                speaking.settimeout(0)
                speaking.sendto(message.encode(), self._path)
        except OSError as trouble:
            # Nobody would be helped by a daemon that falls for want of a listener.
            LOG.debug("the service manager can't be told: %s", trouble)

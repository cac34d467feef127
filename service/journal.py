"""The journal's door: what is logged goes to systemd-journald with its fields, by its native protocol.

`journalctl -u reeldrop REELDROP_THREAD="lane gpu"` then finds what one thread said. The protocol is described at
systemd.io/JOURNAL_NATIVE_PROTOCOL; a line of text, or a name and a length for what holds line breaks.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

JOURNAL = Path("/run/systemd/journal/socket")
#: syslog's priorities, as the journal counts.
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}


def is_listening(environment: Mapping[str, str] = os.environ, stream_fd: int | None = None) -> bool:
    """Return whether standard error goes to the journal. JOURNAL_STREAM alone doesn't say so: children inherit it."""
    try:
        found = os.fstat(sys.stderr.fileno() if stream_fd is None else stream_fd)
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}" and JOURNAL.exists()


class Journal(logging.Handler):
    """Sends each record as one datagram; one that the journal can't take is said on standard error instead."""

    def __init__(self, path: Path = JOURNAL) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A journal that hangs must not hang us.
        self._socket.settimeout(0)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(_PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": "reeldrop",
            "REELDROP_ROOM": record.name,
            "REELDROP_THREAD": record.threadName or "",
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
        }
        try:
            self._socket.sendto(b"".join(map(_field, fields.items())), str(self._path))
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def _field(field: tuple[str, str]) -> bytes:
    name, value = field[0].encode(), field[1].encode("utf-8", "replace")
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"

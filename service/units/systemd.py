"""A unit for systemd, checked with `systemd-analyze verify` and `security`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service.units import Installation

#: systemd kills and starts again a daemon that hasn't said for so long that its threads move (seconds).
WATCHDOG_S = 120
#: Stopping is a crash that we chose, so there is little to wait for; ffmpeg and the embedded engine go with it.
_STOP_S = 30
_START_S = 900

#: Needs no privileges, so it holds for a user's own service as well. Where a user's manager can't make the mounts that
#: some of it needs, systemd passes over those.
_SANDBOX = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
DevicePolicy=closed
DeviceAllow=char-drm rw
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @mount @debug @cpu-emulation @obsolete
SystemCallFilter=sched_setaffinity sched_setscheduler setpriority ioprio_set
SystemCallErrorNumber=EPERM"""


def unit(installed: Installation) -> str:
    """Return the unit file of a service; paths may hold spaces, quotes and percent signs."""
    return "\n".join(_lines(installed)) + "\n"


def _lines(installed: Installation) -> Iterator[str]:
    yield "# Written by `reeldrop service install`; `reeldrop service uninstall` removes it."
    yield "[Unit]"
    yield "Description=Reeldrop: drop a file, get a video"
    if installed.system:
        yield "After=network-online.target remote-fs.target"
        yield "Wants=network-online.target"
        yield f"RequiresMountsFor={_listed(installed.needed)}"
    # A machine that comes back from a long outage tries on; a broken configuration doesn't fill the journal.
    yield "StartLimitIntervalSec=600"
    yield "StartLimitBurst=20"
    yield ""
    yield "[Service]"
    yield "Type=notify"
    # The engine and the examiners are children and say nothing.
    yield "NotifyAccess=main"
    yield f"ExecStart={_listed(installed.command, exec_line=True)}"
    yield f"WorkingDirectory={_percent(str(installed.working_dir))}"
    yield "Restart=on-failure"
    yield "RestartSec=5"
    # Wrong settings: only their owner can mend them.
    yield "RestartPreventExitStatus=2"
    # Before it is ready it takes up what an earlier life left, which may be tens of thousands of drops.
    yield f"TimeoutStartSec={_START_S}"
    yield f"WatchdogSec={WATCHDOG_S}"
    yield f"TimeoutStopSec={_STOP_S}"
    yield "KillMode=mixed"
    yield "UMask=0022"
    if installed.user is not None:
        yield f"User={installed.user}"
        # It sees the open writers of files that belong to others, so that a drop is taken the moment it is whole.
        yield "AmbientCapabilities=CAP_LEASE"
        yield "CapabilityBoundingSet=CAP_LEASE"
    yield f"ReadWritePaths={_listed(installed.written)}"
    yield _SANDBOX
    yield ""
    yield "[Install]"
    yield f"WantedBy={'multi-user' if installed.system else 'default'}.target"


def _listed(words: tuple[str, ...] | tuple[Path, ...], *, exec_line: bool = False) -> str:
    return " ".join(_quoted(str(word), exec_line=exec_line) for word in words)


def _quoted(word: str, *, exec_line: bool) -> str:
    """Quote a word as systemd.syntax(7) and systemd.service(5) say: escapes count in quotes, % begins a specifier."""
    escaped = _percent(word).replace("\\", "\\\\").replace('"', '\\"')
    # In a command line $ begins a variable.
    return f'"{escaped.replace("$", "$$")}"' if exec_line else f'"{escaped}"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")

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

#: Holds for a user's own service as well. Where a user's manager can't make the mounts that some of it needs, systemd
#: passes over those.
_SANDBOX = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp={private_tmp}
ProtectKernelTunables=yes
ProtectControlGroups=yes
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
DeviceAllow=char-nvidia-frontend rw
DeviceAllow=char-nvidia rw
DeviceAllow=char-nvidia-uvm rw
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @mount @debug @cpu-emulation @obsolete
SystemCallFilter=sched_setaffinity sched_setscheduler setpriority ioprio_set
SystemCallErrorNumber=EPERM"""
#: These take capabilities away, which a user's own manager can't: the service would end with 218/CAPABILITIES
#: (https://github.com/systemd/systemd/issues/4959).
_SYSTEM = ("ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectClock=yes")
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - named to keep them visible


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
    # A share that is away for a night is waited for; only wrong settings end the trying, by their exit code.
    yield "StartLimitIntervalSec=0"
    yield ""
    yield "[Service]"
    yield "Type=notify"
    # The engine and the examiners are children and say nothing.
    yield "NotifyAccess=main"
    yield f"ExecStart={_listed(installed.command, exec_line=True)}"
    folder = str(installed.working_dir)
    # This key takes no quotes, so what ends or joins lines can't be said in it; the daemon needs it for nothing.
    if folder.isprintable() and not folder.endswith("\\"):
        yield f"WorkingDirectory={_percent(folder)}"
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
        yield from _SYSTEM
    yield f"ReadWritePaths={_listed(installed.written)}"
    yield _SANDBOX.format(private_tmp="no" if _in_tmp(installed) else "yes")
    yield ""
    yield "[Install]"
    yield f"WantedBy={'multi-user' if installed.system else 'default'}.target"


def _in_tmp(installed: Installation) -> bool:
    """Return whether something of it would be hidden by a /tmp of its own."""
    used = (Path(installed.command[0]), installed.working_dir, *installed.written)
    return any(path.is_relative_to(folder) for path in used for folder in _TEMPORARY)


def _listed(words: tuple[str, ...] | tuple[Path, ...], *, exec_line: bool = False) -> str:
    first, *rest = map(str, words)
    # After a colon $ begins no variable, in the program's own path either, where it couldn't be doubled.
    return " ".join(_quoted(word) for word in (f":{first}" if exec_line else first, *rest))


def _quoted(word: str) -> str:
    """Quote a word as systemd.syntax(7) says: escapes count in quotes, % begins a specifier."""
    escaped = _percent(word).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")

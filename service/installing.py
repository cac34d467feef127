"""Installing: Reeldrop's unit is put where a service manager looks for it, and the manager is told; and all that back.

Every program is run with a deadline and no input; what it says on failure is passed on.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.config import Config
from service.disk import Disk
from service.errors import Problem, Rejected
from service.units import LABEL, NAME, Installation
from service.units.launchd import plist
from service.units.systemd import unit

_DEADLINE_S = 90.0


@dataclass(frozen=True)
class Place:
    """Where a service manager looks for our file, and how it is asked; `kind` is systemd or launchd."""

    kind: str
    file: Path
    system: bool

    @property
    def control(self) -> tuple[str, ...]:
        """How the manager is asked, up to its verb."""
        if self.kind == "launchd":
            return ("launchctl",)
        return ("systemctl",) if self.system else ("systemctl", "--user")

    @property
    def domain(self) -> str:
        """launchd's name for where our job lives."""
        return "system" if self.system else f"gui/{os.getuid()}"


def place(*, system: bool, platform: str = sys.platform, home: Path | None = None) -> Place:
    """Return where our file goes on this machine."""
    home = home or Path.home()
    if platform == "darwin":
        folder = Path("/Library/LaunchDaemons") if system else home / "Library/LaunchAgents"
        return Place("launchd", folder / f"{LABEL}.plist", system)
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    folder = Path("/etc/systemd/system") if system else config_home / "systemd/user"
    return Place("systemd", folder / f"{NAME}.service", system)


def installation(config: Config, config_file: Path, program: Sequence[str], user: str | None) -> Installation:
    """Return what a service manager must know of this Reeldrop; `program` is how it is called, without a verb."""
    shared = [backend.shared_folder for backend in config.backends]
    written = (config.inbox_dir, config.output_dir, config.state_dir, config.workflows_dir, config.models_dir)
    folders = dict.fromkeys(
        Path(folder).absolute() for folder in (*written, config.temp_dir, *shared) if folder is not None
    )
    # Without a file everything is at its default; naming one that isn't there would be a mistake.
    named = ("--config", str(config_file.absolute())) if config_file.is_file() else ()
    command = (*program, "run", *named)
    return Installation(command, config_file.absolute().parent, tuple(folders), tuple(folders), user)


def content(where: Place, installed: Installation) -> bytes:
    """Return the file for a service manager."""
    if where.kind == "launchd":
        logs = Path("/Library/Logs") if where.system else Path.home() / "Library/Logs"
        return plist(installed, logs / "Reeldrop.log")
    return unit(installed).encode()


def install(where: Place, installed: Installation) -> Iterator[str]:
    """Put the file there and start the service; yield what was done, each in one sentence.

    Safe to repeat: it is written anew and restarted. Raises Rejected with the cure where that can't be done.
    """
    _check(where)
    _check_user(installed)
    for folder in installed.written:
        _make(folder, installed.user)
    try:
        where.file.parent.mkdir(parents=True, exist_ok=True)
        Disk().write_durable(where.file, content(where, installed))
    except OSError as trouble:
        raise _not_written(where, trouble) from trouble
    yield f"{where.file} is written."
    if where.kind == "launchd":
        _run(*where.control, "bootout", f"{where.domain}/{LABEL}", quietly=True)
        _run(*where.control, "bootstrap", where.domain, str(where.file))
    else:
        _run(*where.control, "daemon-reload")
        _run(*where.control, "enable", where.file.name)
        _run(*where.control, "restart", where.file.name)
    yield "The service runs, and starts again by itself."
    if where.kind == "systemd" and not where.system:
        yield f"To have it run without anybody logged in: sudo loginctl enable-linger {_user_name()}"


def uninstall(where: Place) -> Iterator[str]:
    """Stop the service and take its file away; what the user has stays. Yields what was done; safe to repeat."""
    _check(where)
    if not where.file.exists():
        yield f"No service is installed ({where.file} isn't there)."
        return
    if where.kind == "launchd":
        _run(*where.control, "bootout", f"{where.domain}/{LABEL}", quietly=True)
    else:
        _run(*where.control, "disable", "--now", where.file.name, quietly=True)
    try:
        where.file.unlink()
    except OSError as trouble:
        raise _not_written(where, trouble) from trouble
    if where.kind == "systemd":
        _run(*where.control, "daemon-reload", quietly=True)
        _run(*where.control, "reset-failed", where.file.name, quietly=True)
    yield f"The service is stopped, and {where.file} is gone."
    yield "Inbox, outbox, var, models and workflows are as they were."


def state(where: Place) -> str:
    """Return what the service manager says of our service, in one word or a few; never raises."""
    if not where.file.exists():
        return "not installed"
    if shutil.which(where.control[0]) is None:
        return "unknown"
    if where.kind == "launchd":
        loaded = _run(*where.control, "print", f"{where.domain}/{LABEL}", quietly=True)
        return "loaded" if loaded is not None else "not loaded"
    active = _run(*where.control, "is-active", where.file.name, quietly=True, keep=True)
    return (active or "unknown").strip()


def _check(where: Place) -> None:
    if shutil.which(where.control[0]) is None or (where.kind == "systemd" and not _has_systemd(where)):
        title = "This machine isn't run by systemd." if where.kind == "systemd" else "launchctl isn't here."
        fix = "Use the container (docs/service.md), or let what starts programs here run what `service print` shows."
        raise Rejected(Problem("no_service_manager", title, fix))
    if where.system and os.geteuid() != 0:
        title = "A service of the system can be installed by root alone."
        raise Rejected(Problem("not_root", title, "Call it with sudo, or leave --system out for a service of yours."))


def _has_systemd(where: Place) -> bool:
    # sd_booted(3): it is there exactly when systemd is the init.
    if not Path("/run/systemd/system").is_dir():
        return False
    return where.system or _run(*where.control, "is-system-running", quietly=True, keep=True) is not None


def _check_user(installed: Installation) -> None:
    if installed.user is None:
        return
    try:
        pwd.getpwnam(installed.user)
    except KeyError:
        title = f"There is no user {installed.user} on this machine."
        raise Rejected(Problem("no_such_user", title, "Name one with --user.")) from None


def _make(folder: Path, user: str | None) -> None:
    # systemd refuses to start what shall write to a folder that isn't there.
    if folder.is_dir():
        return
    try:
        if not folder.parent.is_dir():
            _make(folder.parent, user)
        folder.mkdir(exist_ok=True)
        if user is not None:
            whose = pwd.getpwnam(user)
            os.chown(folder, whose.pw_uid, whose.pw_gid)
    except OSError as trouble:
        title = f"{folder} can't be made: {trouble.strerror}."
        raise Rejected(
            Problem("not_writable", title, "Give its folder to the user that Reeldrop runs as.")
        ) from trouble


def _not_written(where: Place, trouble: OSError) -> Rejected:
    fix = "Make it writable, or take what `reeldrop service print` shows and put it there yourself."
    return Rejected(Problem("not_writable", f"{where.file} can't be changed: {trouble.strerror}.", fix))


def _user_name() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _run(*argv: str, quietly: bool = False, keep: bool = False) -> str | None:
    """Run a program; return what it said, None where it failed and that doesn't matter (`keep`: even then)."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as trouble:
        if quietly:
            return None
        title = f"`{' '.join(argv)}` doesn't end." if isinstance(trouble, subprocess.TimeoutExpired) else str(trouble)
        raise Rejected(Problem("service_manager", title, "See what the service manager's own log says.")) from trouble
    if done.returncode == 0 or keep:
        return done.stdout
    if quietly:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    title = f"`{' '.join(argv)}` failed: {said[-1] if said else f'exit code {done.returncode}'}"
    raise Rejected(Problem("service_manager", title, "Mend that, then run it again: it can be repeated."))

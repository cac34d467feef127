"""reeldrop service: install, uninstall, print and status of what starts Reeldrop with the machine."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from service import installing
from service.commands.health import PROBLEMS, findings_of, lines_of
from service.commands.speech import home, settings, tell_problems
from service.errors import Rejected
from service.health import Verdict, worst
from service.installing import Place
from service.units import Installation

_SYSTEM = click.option("--system", is_flag=True, help="A service of the machine, not of the one who calls; needs root.")
_USER = click.option("--user", default=None, help="With --system: whose process it is; who called sudo unless given.")


@click.group()
def service() -> None:
    """Start Reeldrop with the machine, and again after a crash: systemd on Linux, launchd on macOS."""


@service.command("install")
@_SYSTEM
@_USER
def install(system: bool, user: str | None, config_file: Path | None) -> None:
    """Write the unit, enable it and start it; may be repeated."""
    where, installed = _meant(system, user, config_file)
    _say(installing.install(where, installed))


@service.command("uninstall")
@_SYSTEM
def uninstall(system: bool, config_file: Path | None) -> None:
    """Stop the service and remove its file; the user's files stay."""
    settings(config_file)
    _say(installing.uninstall(installing.place(system=system)))


@service.command("print")
@_SYSTEM
@_USER
def show(system: bool, user: str | None, config_file: Path | None) -> None:
    """Print the unit, and change nothing."""
    where, installed = _meant(system, user, config_file)
    click.echo(installing.content(where, installed).decode(), nl=False)


@service.command("status")
@_SYSTEM
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def status(system: bool, as_json: bool, config_file: Path | None) -> None:
    """Say what the service manager knows of it, and whether the daemon lives; exit code 3 where it doesn't."""
    config, where = settings(config_file), installing.place(system=system)
    findings = list(findings_of(config, live=True))
    state = installing.state(where)
    if as_json:
        found = [finding.as_json() for finding in findings]
        click.echo(json.dumps({"file": str(where.file), "state": state, "findings": found}, ensure_ascii=False))
    else:
        click.echo(f"{where.kind}: {state} ({where.file})")
        for finding in findings:
            for line in lines_of(finding):
                click.echo(line)
    if worst(findings) is Verdict.FAIL:
        raise click.exceptions.Exit(PROBLEMS)


def _meant(system: bool, user: str | None, config_file: Path | None) -> tuple[Place, Installation]:
    config = settings(config_file)
    whose = (user or os.environ.get("SUDO_USER") or getpass.getuser()) if system else None
    file = config_file or home() / "config.yaml"
    return installing.place(system=system), installing.installation(config, file, _program(), whose)


def _program() -> list[str]:
    """Return how this very Reeldrop is called, whatever the PATH is at the next start."""
    front = home() / "daemon.py"
    if front.exists():
        return [sys.executable, str(front)]
    return [shutil.which("reeldrop") or str(Path(sys.executable).with_name("reeldrop"))]


def _say(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            click.echo(line)
    except Rejected as rejected:
        tell_problems(rejected, as_json=False)
        raise click.exceptions.Exit(1) from None

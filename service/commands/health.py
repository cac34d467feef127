"""reeldrop health: whether the daemon lives, moves and can work; exit code 3 where something is wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from service import health as rules
from service import heartbeat
from service.commands.fleet import FleetReport
from service.commands.speech import printable, settings
from service.config import Config
from service.health import Finding, Verdict
from service.inbox.lease import is_locked
from service.store import Store

PROBLEMS = 3


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--live", is_flag=True, help="Only whether the daemon lives and moves: for service managers.")
def health(as_json: bool, live: bool, config_file: Path | None) -> None:
    """Say how the running daemon is; exit code 3 where something is wrong."""
    findings = list(findings_of(settings(config_file), live=live))
    verdict = rules.worst(findings)
    if as_json:
        said = {"verdict": str(verdict), "findings": [finding.as_json() for finding in findings]}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            for line in lines_of(finding):
                click.echo(printable(line))
    if verdict is Verdict.FAIL or (verdict is Verdict.WARN and not live):
        raise click.exceptions.Exit(PROBLEMS)


def findings_of(config: Config, *, live: bool = False) -> Iterator[Finding]:
    """Yield how the daemon of a configuration is; with `live` nothing but whether it moves."""
    beat = heartbeat.read(config.state_dir)
    locked = is_locked(config.state_dir / "lock")
    daemon = list(
        rules.of_daemon(
            locked=locked, age_s=beat.age_s if beat else None, pulses=beat.pulses if beat is not None else {}
        )
    )
    yield from daemon
    database = config.state_dir / "reeldrop.db"
    if live or rules.worst(daemon) is Verdict.FAIL or not database.exists():
        return
    try:
        with closing(Store(database, read_only=True)) as store:
            yield from rules.of_notices(store.notices())
            yield from rules.of_backends(FleetReport(config, store, alive=locked).backends())
            yield from rules.of_holds(store.holds())
    except sqlite3.OperationalError as trouble:
        fix = "Put var/ on a local disk that is not full, then ask again."
        yield Finding("database", Verdict.FAIL, f"The database can't be read: {trouble}.", fix)


def lines_of(finding: Finding) -> Iterator[str]:
    """Yield a finding as people read it."""
    yield f"{finding.verdict:4}  {finding.name}: {finding.title}"
    if finding.fix and finding.verdict is not Verdict.OK:
        yield f"      {finding.fix}"

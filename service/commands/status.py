"""reeldrop status: what is in the queue and what became of the newest jobs."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import click

from service.commands.lines import plain
from service.commands.speech import settings
from service.drops import group
from service.inbox.look import look
from service.job import State
from service.library import load
from service.status import document
from service.store import Store


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many of the newest jobs.")
def status(as_json: bool, limit: int, config_file: Path | None) -> None:
    """Show the queue, the newest jobs, and files that are left alone."""
    config = settings(config_file)
    database = config.state_dir / "reeldrop.db"
    report: dict[str, Any] = {"daemon": None, "counts": {}, "jobs": [], "left_alone": []}
    jobs = []
    if database.exists():
        store = Store(database, read_only=True)
        jobs = store.newest(limit)
        queued = [job.id for job in store.in_states(State.QUEUED)]
        report["counts"] = store.counts()
        daemon = f"{socket.gethostname()}/{os.getpid()}"
        for job in jobs:
            place = queued.index(job.id) + 1 if job.id in queued else None
            report["jobs"].append({**document(job, daemon), "place": place})
        store.close()
    if config.inbox_dir.is_dir():
        tasks = list(load(config).tasks)
        report["left_alone"] = list(group(look(config.inbox_dir, tasks).files, tasks)[1])
        report["daemon"] = _owner(config.inbox_dir)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    click.echo(f"daemon: {report['daemon'] or 'none is running'}")
    click.echo("jobs: " + (", ".join(f"{n} {state}" for state, n in sorted(report["counts"].items())) or "none yet"))
    for job, shown in zip(jobs, report["jobs"], strict=True):
        note = f" (number {shown['place']} in the queue)" if shown["place"] else ""
        click.echo(f"  {plain(job)}{note}")
    for path in report["left_alone"]:
        click.echo(f"  left alone: {path}")


def _owner(inbox: Path) -> str | None:
    """Return who owns the inbox by its lease; a killed daemon's stays until the next one takes it."""
    try:
        lease = json.loads((inbox / ".reeldrop" / "lease.json").read_bytes())
    except (OSError, ValueError):
        return None
    return None if lease.get("released") else str(lease.get("owner"))

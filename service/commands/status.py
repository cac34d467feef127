"""reeldrop status: what is in the queue and what became of the newest jobs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from service.commands.lines import plain
from service.commands.speech import settings
from service.config import Config
from service.drops import group
from service.inbox.lease import holder
from service.inbox.look import look
from service.job import State
from service.library import load
from service.status import document
from service.store import Store

#: Control files and re-dropped status files: promised, and left alone until they are built.
_UNBUILT = re.compile(r"(\.cancel|(^|/)PAUSE|\.status\.json)(\.txt)?$")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many of the newest jobs.")
def status(as_json: bool, limit: int, config_file: Path | None) -> None:
    """Show the queue, the newest jobs, and files that are left alone."""
    config = settings(config_file)
    report = report_of(config, limit)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    click.echo(f"daemon: {report['daemon'] or 'none is running'}")
    click.echo("jobs: " + (", ".join(f"{n} {state}" for state, n in sorted(report["counts"].items())) or "none yet"))
    for shown in report["jobs"]:
        note = f" (number {shown['place']} in the queue)" if shown["place"] else ""
        click.echo(f"  {shown['line']}{note}")
    for path in report["left_alone"]:
        note = ", which is not built yet" if _UNBUILT.search(path) else ""
        click.echo(f"  left alone: {printable(path)}{note}")


def report_of(config: Config, limit: int) -> dict[str, Any]:
    """Return what `status --json` prints: daemon, counts by state, the newest jobs, files left alone."""
    report: dict[str, Any] = {"daemon": holder(config.inbox_dir), "counts": {}, "jobs": [], "left_alone": []}
    database = config.state_dir / "reeldrop.db"
    if database.exists():
        store = Store(database, read_only=True)
        queued = {job.id: place for place, job in enumerate(store.in_states(State.QUEUED), start=1)}
        report["counts"] = store.counts()
        for job in store.newest(limit):
            shown = {**document(job, report["daemon"] or ""), "place": queued.get(job.id), "line": plain(job)}
            report["jobs"].append(shown)
        store.close()
    if config.inbox_dir.is_dir():
        library = load(config)
        tasks = list(library.tasks)
        report["left_alone"] = list(group(look(config.inbox_dir, tasks), tasks, library.prompted)[1])
    return report


def printable(text: str) -> str:
    """Return a file's name so that it can't play with the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)

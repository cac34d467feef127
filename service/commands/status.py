"""reeldrop status: what is in the queue, what troubles the daemon, and what became of the newest jobs."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from service.catalogue import Library
from service.cohorts import held_words
from service.commands.fleet import FleetReport, lines_of_backends
from service.commands.lines import plain
from service.commands.speech import printable, settings
from service.config import Config
from service.drops import RESERVED, group, is_junk, is_junk_folder, left_outside
from service.forecast import Forecast
from service.inbox.lease import holder
from service.inbox.look import look
from service.inbox.pauses import paused_in
from service.inbox.roots import kind_of
from service.inbox.watch import mode_of
from service.job import Job, State
from service.library import load
from service.status import document
from service.store import Store

_SHOWN = 20
#: A daemon that has just begun may take so long to bring its database up to date.
_MIGRATION_S = 5.0
_NAMED = 1000


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--limit", default=_SHOWN, show_default=True, type=click.IntRange(1), help="How many jobs at most.")
def status(as_json: bool, limit: int, config_file: Path | None) -> None:
    """Show the daemon, the queue, the newest jobs, what waits and why, and files that are left alone."""
    report = report_of(settings(config_file), limit)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    for line in lines_of(report):
        click.echo(printable(line))


def report_of(config: Config, limit: int) -> dict[str, Any]:
    """Return what `status --json` prints; lists are cut at a length, and their totals stand beside them."""
    tasks, left = [], []
    if config.inbox_dir.is_dir():
        library = load(config)
        tasks = list(library.tasks)
        left = left_alone(config.inbox_dir, library)
    mode = mode_of(kind_of(config.inbox_dir), config.watch.mode)
    report: dict[str, Any] = {
        "daemon": holder(config.inbox_dir),
        "watching": {"mode": mode.name, "reason": mode.reason, "rescan_seconds": config.watch.rescan_seconds},
        "notices": [],
        "paused": paused_in(config.inbox_dir, tasks),
        "outside_window": {},
        "backends": [],
        "held": [],
        "counts": {},
        "jobs": [],
        "waiting": [],
        "left_alone": left[:_NAMED],
        "left_alone_total": len(left),
    }
    database = config.state_dir / "reeldrop.db"
    until_s = time.monotonic() + _MIGRATION_S
    while database.exists():
        try:
            with closing(Store(database, read_only=True)) as store:
                _fill(report, config, store, limit)
            break
        except sqlite3.OperationalError as trouble:
            # A daemon that has just begun makes its tables step by step.
            if not str(trouble).startswith("no such ") or time.monotonic() > until_s:
                raise
            time.sleep(0.05)
    return report


def _fill(report: dict[str, Any], config: Config, store: Store, limit: int) -> None:
    report["notices"] = store.notices()
    report["counts"] = store.counts()
    fleet = FleetReport(config, store, alive=report["daemon"] is not None)
    report["backends"] = fleet.backends()
    for cohort in store.held_groups():
        title, fix = held_words(cohort)
        report["held"].append({"kind": cohort.kind, "name": cohort.name, "title": title, "fix": fix})
    closed = fleet.closed_tasks(store.queued_tasks())
    report["outside_window"] = {task: opening.isoformat() for task, opening in closed.items()}
    forecasts = fleet.forecasts([*report["paused"], *closed])

    def shown(job: Job) -> dict[str, Any]:
        coming = forecasts.get(job.id)
        said = document(job, report["daemon"] or "")
        if coming is not None:
            said["eta_seconds"] = None if coming.done_s is None else round(coming.done_s)
        return {**said, "place": coming.place if coming else None, "line": line_of(job, coming)}

    running = store.in_states(State.RUNNING, limit=limit)
    known = {job.id for job in running}
    newest = [job for job in store.newest(limit) if job.id not in known and job.state is not State.WAITING]
    report["jobs"] = [shown(job) for job in [*running, *newest][:limit]]
    report["waiting"] = [shown(job) for job in store.in_states(State.WAITING, limit=limit)]


def line_of(job: Job, coming: Forecast | None) -> str:
    """Return one job as a line: its state and why, how far it is, its place in the queue and when it will be done."""
    notes = [f"number {coming.place} in the queue"] if coming else []
    if coming and coming.done_s is not None:
        notes.append(f"done in about {_duration(coming.done_s)}")
    if job.state is State.RUNNING:
        left = f"about {job.eta_seconds} s left" if job.eta_seconds else ""
        notes = [part for part in (f"{job.progress:.0%}", job.stage, left) if part]
    return plain(job) + (f" ({', '.join(notes)})" if notes else "")


def _duration(seconds: float) -> str:
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def lines_of(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report as people read it."""
    yield f"daemon: {report['daemon'] or 'none is running'}"
    watching = report["watching"]
    how = "by file events, and" if watching["mode"] == "events" else "by looking"
    yield f"watching: {how} every {watching['rescan_seconds']:g} s ({watching['reason']})"
    for notice in report["notices"]:
        yield f"trouble since {notice['since']}: {notice['title']} {notice['fix']}"
    for task in report["paused"]:
        yield f"paused: {task or 'everything'} (`reeldrop resume{' ' + task if task else ''}` ends it)"
    for task, opening in report["outside_window"].items():
        yield f"outside its time window: {task}, until {datetime.fromisoformat(opening):%Y-%m-%d %H:%M}"
    yield from lines_of_backends(report["backends"])
    for held in report["held"]:
        yield f"held: {held['title']} {held['fix']}"
    counts = sorted(report["counts"].items())
    yield "jobs: " + (", ".join(f"{jobs} {state}" for state, jobs in counts) or "none yet")
    for job in report["jobs"]:
        yield f"  {job['line']}"
    if report["waiting"]:
        yield "waiting:"
        yield from (f"  {job['line']}" for job in report["waiting"])
        yield from _more(report["counts"].get("waiting", 0) - len(report["waiting"]))
    for path in report["left_alone"][:_SHOWN]:
        yield f"  left alone: {path}"
    yield from _more(report["left_alone_total"] - min(_SHOWN, len(report["left_alone"])))


def _more(number: int) -> Iterator[str]:
    if number > 0:
        yield f"  and {number} more"


def left_alone(inbox: Path, library: Library) -> list[str]:
    """Return the files that nobody touches: in task folders, in the inbox itself, and folders of no task as NAME/."""
    tasks = list(library.tasks)
    outside, strange = [], []
    for entry in inbox.iterdir():
        if not entry.is_dir() or entry.is_symlink():
            outside.append(entry.name)
        elif entry.name not in tasks and entry.name.lower() not in RESERVED and not is_junk_folder(entry.name):
            strange.append(f"{entry.name}/")
    # Orders are obeyed, not left alone.
    _, left = group(look(inbox, tasks), tasks, library.prompted, presets=library.presets)
    return [*left, *left_outside((name for name in outside if not is_junk(name)), tasks), *sorted(strange)]

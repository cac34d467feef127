"""reeldrop quarantine: results that the nudity screen keeps from everybody but the operator."""

from __future__ import annotations

import getpass
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from service.commands.speech import ask_daemon, complain, printable, settings, tell_problems
from service.config import Config
from service.errors import Problem, Rejected
from service.job import Quarantined
from service.quarantine import KEEP_DAYS, NEVER_RELEASED, find
from service.quarantine import purge as purge_one
from service.store import Store


@click.group()
def quarantine() -> None:
    """List, release or purge results in which the screen found nudity."""


@quarantine.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def list_(as_json: bool, config_file: Path | None) -> None:
    """List what is kept: job, score, the frame that has it, and until when."""
    config = settings(config_file)
    store = _store(config, read_only=True)
    try:
        entries = [_shown(config, store, entry) for entry in store.quarantine_list()] if store is not None else []
    finally:
        if store is not None:
            store.close()
    if as_json:
        click.echo(json.dumps({"quarantine": entries}, indent=2, ensure_ascii=False))
        return
    for entry in entries:
        click.echo(printable(f"{entry['name']}: {_words(entry)}, since {entry['at']}, released: {entry['released']}"))
        click.echo(printable(f"  {entry['path']} (job {entry['job']})"))
    if not entries:
        click.echo("The quarantine is empty.")


@quarantine.command()
@click.argument("target", metavar="NAME|ID")
@click.option("--why", required=True, help="Why it is a false alarm; it is logged with your name.")
@click.option("--yes", is_flag=True, help="Don't ask again: for scripts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def release(target: str, why: str, yes: bool, as_json: bool, config_file: Path | None) -> None:
    """Publish a result that was kept by a false alarm. From a score of 0.8 on nothing is released.

    Its job goes back to the queue for that, and its files come back from inbox/rejected/; nothing is rendered again.
    The daemon must be running.
    """
    config = settings(config_file)
    store = _store(config, read_only=True)
    try:
        entry = _found(store, target)
        shown = _shown(config, store, entry) if store is not None else {}
    except Rejected as rejected:
        tell_problems(rejected, as_json=as_json)
        raise click.exceptions.Exit(1) from None
    finally:
        if store is not None:
            store.close()
    if not why.strip():
        raise click.UsageError("--why needs a reason.")
    if not yes:
        _confirm(f"{shown['name']}: {_words(shown)}. You have looked at it ({shown['path']}), and publish it?")
    ask_daemon(config, "quarantine release", entry.job, as_json=as_json, more={"who": _who(), "why": why.strip()})


@quarantine.command()
@click.argument("targets", metavar="[NAME|ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that is kept.")
@click.option("--yes", is_flag=True, help="Don't ask again: for scripts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def purge(targets: tuple[str, ...], everything: bool, yes: bool, as_json: bool, config_file: Path | None) -> None:
    """Remove what is kept, for good. It goes by itself after 30 days."""
    if bool(targets) == everything:
        raise click.UsageError("Name what is to be purged, or say --all.")
    config = settings(config_file)
    store = _store(config)
    try:
        found = (
            store.quarantine_list() if everything and store is not None else [_found(store, each) for each in targets]
        )
        if found and not yes:
            _confirm(f"Remove {len(found)} of the quarantine's files for good?")
        for entry in found:
            assert store is not None
            purge_one(config.state_dir / "quarantine", store, entry.job, f"by {_who()}")
    except Rejected as rejected:
        tell_problems(rejected, as_json=as_json)
        raise click.exceptions.Exit(1) from None
    finally:
        if store is not None:
            store.close()
    said = f"{len(found)} purged."
    click.echo(json.dumps({"said": said, "purged": [entry.job for entry in found]}) if as_json else said)


def _confirm(question: str) -> None:
    """Ask a person; whoever pipes an answer in is none."""
    if not sys.stdin.isatty():
        complain("Nobody is at the terminal to confirm this. Say --yes if it is meant.")
        raise click.exceptions.Exit(2)
    click.confirm(question, abort=True)


def _store(config: Config, *, read_only: bool = False) -> Store | None:
    path = config.state_dir / "reeldrop.db"
    return Store(path, read_only=read_only) if path.exists() else None


def _found(store: Store | None, target: str) -> Quarantined:
    if store is None:
        fix = "`reeldrop quarantine list` names everything."
        raise Rejected(Problem("not_found", f"Nothing in the quarantine goes by {target}.", fix))
    return find(store, target)


def _shown(config: Config, store: Store, entry: Quarantined) -> dict[str, Any]:
    job = store.get(entry.job)
    return {
        "name": f"{job.folder}/{job.name}" if job is not None else entry.job,
        **asdict(entry),
        "path": str(config.state_dir / "quarantine" / entry.file),
        "released": entry.released_at is not None,
        "may_be_released": entry.score < NEVER_RELEASED,
        "kept_days": KEEP_DAYS,
    }


def _words(entry: dict[str, Any]) -> str:
    return f"score {entry['score']:.2f} at frame {entry['frame']} of {entry['samples']} looked at"


def _who() -> str:
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return str(os.getuid())

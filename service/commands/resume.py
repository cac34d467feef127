"""reeldrop resume: go on after a pause, or with a workflow or model whose jobs failed alike."""

from __future__ import annotations

import json
from pathlib import Path

import click

from service.commands.pausing import drain_backend, folder_for
from service.commands.speech import ask_or_act, settings
from service.config import Config
from service.disk import Disk
from service.inbox.pauses import paused_in, pauses_in
from service.library import load
from service.setbacks import resume_group


@click.command()
@click.argument("task", metavar="[TASK | backend NAME | workflow NAME | model FILE]", required=False)
@click.argument("name", metavar="", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def resume(task: str | None, name: str | None, as_json: bool, config_file: Path | None) -> None:
    """Remove the PAUSE file of TASK, or of the inbox itself; let a backend, a workflow or a model go on.

    No daemon is needed for it.
    """
    config = settings(config_file)
    if name is not None:
        _resume_named(config, task or "", name, as_json=as_json)
        return
    found = pauses_in(folder_for(config, task))
    for path in found:
        Disk().unlink(path)
    left = paused_in(config.inbox_dir, list(load(config).tasks))
    if as_json:
        click.echo(json.dumps({"resumed": task or "", "was_paused": bool(found), "paused": left}))
        return
    what = task or "everything"
    click.echo(f"{what} goes on." if found else f"{what} was not paused.")
    for still in left:
        words = f" {still}" if still else ""
        click.echo(f"{still or 'everything'} is still paused; `reeldrop resume{words}` ends that.")


def _resume_named(config: Config, kind: str, name: str, *, as_json: bool) -> None:
    if kind == "backend":
        drain_backend(config, name, draining=False, as_json=as_json)
    elif kind in ("workflow", "model"):
        ask_or_act(config, f"resume {kind}", name, lambda store: resume_group(store, kind, name), as_json=as_json)
    else:
        raise click.UsageError(f"{kind} has no names to resume: write backend, workflow or model before {name}.")

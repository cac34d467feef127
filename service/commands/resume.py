"""reeldrop resume: go on after a pause."""

from __future__ import annotations

import json
from pathlib import Path

import click

from service.commands.pausing import folder_for
from service.commands.speech import settings
from service.disk import Disk
from service.inbox.pauses import paused_in, pauses_in
from service.library import load


@click.command()
@click.argument("task", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def resume(task: str | None, as_json: bool, config_file: Path | None) -> None:
    """Remove the PAUSE file of TASK, or of the inbox itself. It works without the daemon too."""
    config = settings(config_file)
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

"""reeldrop pause: let nothing new be taken in or sent, in one task or in all."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click

from service.commands.pausing import folder_for
from service.commands.speech import settings
from service.disk import Disk
from service.inbox.pauses import pauses_in

_TEXT = "Written by `reeldrop pause`. While this file lies here nothing is taken in or sent; remove it to go on.\n"


@click.command()
@click.argument("task", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def pause(task: str | None, as_json: bool, config_file: Path | None) -> None:
    """Pause TASK, or everything: what runs goes on, nothing else is begun. It works without the daemon too."""
    config = settings(config_file)
    folder = folder_for(config, task)
    already = bool(pauses_in(folder))
    if not already:
        disk = Disk()
        disk.make_folders(folder)
        with suppress(FileExistsError):
            disk.create(folder / "PAUSE", _TEXT.encode())
    if as_json:
        click.echo(json.dumps({"paused": task or "", "already": already}))
        return
    what = task or "everything"
    click.echo(f"{what} was paused already." if already else f"{what} is paused; `reeldrop resume` ends it.")

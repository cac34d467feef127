"""reeldrop pause: let nothing new be taken in or sent, in one task or in all; or nothing new by one backend."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click

from service.commands.pausing import drain_backend, folder_for
from service.commands.speech import settings
from service.disk import Disk
from service.inbox.pauses import pauses_in

_TEXT = "Written by `reeldrop pause`. While this file lies here nothing is taken in or sent; remove it to go on.\n"


@click.command()
@click.argument("task", metavar="[TASK | backend NAME]", required=False)
@click.argument("name", metavar="", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def pause(task: str | None, name: str | None, as_json: bool, config_file: Path | None) -> None:
    """Pause TASK, a backend, or everything: what runs goes on, nothing else is begun. No daemon is needed for it."""
    config = settings(config_file)
    if name is not None:
        if task != "backend":
            raise click.UsageError("Write `reeldrop pause`, `reeldrop pause TASK` or `reeldrop pause backend NAME`.")
        drain_backend(config, name, draining=True, as_json=as_json)
        return
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

"""reeldrop submit: drop files into the inbox as a careful person would, media first."""

from __future__ import annotations

from pathlib import Path

import click

from service import jobfile
from service.commands.speech import settings
from service.disk import Disk
from service.drops import media_kind
from service.errors import Problem, Rejected
from service.library import load

_JOB_ENDINGS = {".yaml", ".yml", ".json"}


@click.command()
@click.argument("task")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check the job files, drop nothing.")
def submit(task: str, files: tuple[Path, ...], dry_run: bool, config_file: Path | None) -> None:
    """Copy FILES (job files, prompts, media) whole into the inbox folder of TASK."""
    config = settings(config_file)
    tasks = list(load(config).tasks)
    if task not in tasks:
        raise Rejected(Problem("unknown_task", f"There is no task {task}.", f"Use one of: {', '.join(tasks)}."))
    for file in files:
        if file.suffix.lower() in _JOB_ENDINGS:
            jobfile.parse(file.read_bytes())
    if dry_run:
        click.echo("Nothing is wrong with the job files themselves; nothing was dropped.")
        return
    folder = config.inbox_dir / task
    folder.mkdir(parents=True, exist_ok=True)
    # Media first: when the job file appears, all that it needs is there.
    for file in sorted(files, key=lambda file: media_kind(file.name) is None):
        click.echo(f"dropped {drop_whole(file, folder)}")


def drop_whole(file: Path, folder: Path) -> Path:
    """Copy a file so that it appears in the folder whole or not at all; raises Rejected where the name is taken."""
    target = folder / file.name
    part = folder / f".{file.name}.part"
    disk = Disk()
    try:
        disk.copy_content(file, part)
        disk.rename_new(part, target)
    except FileExistsError:
        fix = "Wait until it has been taken, or rename yours."
        raise Rejected(Problem("name_taken", f"{target} is already there.", fix)) from None
    finally:
        part.unlink(missing_ok=True)
    return target

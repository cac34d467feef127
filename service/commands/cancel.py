"""reeldrop cancel: end a job that waits, is queued or runs."""

from __future__ import annotations

from pathlib import Path

import click

from service.commands.speech import ask_daemon, settings


@click.command()
@click.argument("target", metavar="NAME|ID")
@click.option("--task", help="Only a job of this task folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def cancel(target: str, task: str | None, as_json: bool, config_file: Path | None) -> None:
    """Cancel the job or batch that goes by NAME, by a path such as text-to-video/harbour, or by ID.

    Its files go to inbox/rejected/. The daemon must be running; without it, put an empty file NAME.cancel beside the
    job's status file.
    """
    ask_daemon(settings(config_file), "cancel", target, task, as_json=as_json)

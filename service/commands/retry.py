"""reeldrop retry: render a failed or cancelled job again."""

from __future__ import annotations

from pathlib import Path

import click

from service.commands.speech import ask_daemon, settings


@click.command()
@click.argument("target", metavar="NAME|ID")
@click.option("--task", help="Only a job of this task folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def retry(target: str, task: str | None, as_json: bool, config_file: Path | None) -> None:
    """Queue the failed or cancelled job that goes by NAME or ID again; of a batch only what isn't done.

    Its files come back from inbox/rejected/. The daemon must be running; without it, move them up by hand.
    """
    ask_daemon(settings(config_file), "retry", target, task, as_json=as_json)

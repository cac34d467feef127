"""reeldrop once: render what lies in the inbox now, then end."""

from __future__ import annotations

from pathlib import Path

import click

from service.app import App
from service.commands.lines import Lines
from service.commands.speech import keep_log, on_terminal, serve, settings
from service.job import Job, State


@click.command()
def once(config_file: Path | None) -> None:
    """Render everything that lies in the inbox now, then end; exit code 1 if a job failed or was rejected."""
    config = settings(config_file)
    live = on_terminal()
    keep_log(config, to_terminal=False)
    app = App(config)
    bad: set[str] = set()

    def hear(job: Job) -> None:
        if job.state in {State.FAILED, State.REJECTED}:
            bad.add(job.id)
        lines.hear(job)

    def over() -> bool:
        lines.refresh()
        return app.finished()

    with Lines(live=live) as lines:
        app.on_change = hear
        serve(app, over, interval_s=0.25)
    if bad:
        raise click.exceptions.Exit(1)

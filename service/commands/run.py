"""reeldrop run: watch the inbox until asked to stop."""

from __future__ import annotations

from pathlib import Path

import click

from service.app import App
from service.commands.lines import Lines
from service.commands.speech import keep_log, on_terminal, serve, settings


@click.command()
def run(config_file: Path | None) -> None:
    """Watch the inbox and render what is dropped, until Ctrl-C or SIGTERM."""
    config = settings(config_file)
    live = on_terminal()
    keep_log(config, to_terminal=not live)
    app = App(config)
    if not live:
        serve(app)
        return
    click.echo(f"Watching {config.inbox_dir}; results go to {config.output_dir}. Ctrl-C stops.")
    with Lines(live=True) as lines:
        app.on_change = lines.hear
        serve(app, lines.refresh, interval_s=0.25)

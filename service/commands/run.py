"""reeldrop run: watch the inbox until asked to stop."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service.app import App
from service.commands.lines import Lines
from service.commands.speech import keep_log, on_terminal, serve, settings

_SWITCH_S = 0.0005


@click.command()
@click.option("--log-file", is_flag=True, help="Log to var/reeldrop.log, which rotates.")
def run(log_file: bool, config_file: Path | None) -> None:
    """Watch the inbox and render what is dropped, until Ctrl-C or SIGTERM."""
    config = settings(config_file)
    live = on_terminal()
    keep_log(config, to_terminal=not (live or log_file))
    # At Python's own 5 ms whoever comes back from the disk waits that long behind a thread that reckons: with many
    # drops at once that was a tenth of the time.
    sys.setswitchinterval(_SWITCH_S)
    app = App(config)
    click.echo(f"Watching {config.inbox_dir}; results go to {config.output_dir}. Ctrl-C stops.")
    if not config.backends and config.engine != "off":
        click.echo("No ComfyUI is named under backends in config.yaml, so the preview engine draws.")
    with Lines(live=live) as lines:
        app.on_change = lines.hear
        serve(app, lines.refresh, interval_s=0.25)
    click.echo("Stopped. What was being rendered goes on at the next start.")

"""reeldrop once: render what lies in the inbox now, then end."""

from __future__ import annotations

import time
from pathlib import Path

import click

from service.app import App
from service.commands.lines import Lines
from service.commands.speech import keep_log, on_terminal, serve, settings
from service.job import Job, State

#: When every job that is left waits for somebody else for so long, there is nothing more to do here and now.
_PATIENCE_S = 60.0
_LOOK_S = 0.25


@click.command()
def once(config_file: Path | None) -> None:
    """Render everything that lies in the inbox now, then end.

    Exit code 1 if a job failed or was rejected, or if what is left has been on hold for a minute.
    """
    config = settings(config_file)
    live = on_terminal()
    keep_log(config, to_terminal=False)
    app = App(config)
    bad: set[str] = set()
    moved_s = [time.monotonic()]

    def hear(job: Job) -> None:
        moved_s[0] = time.monotonic()
        if job.state in {State.FAILED, State.REJECTED}:
            bad.add(job.id)
        lines.hear(job)

    def over() -> bool:
        lines.refresh()
        if app.stuck() and time.monotonic() - moved_s[0] > _PATIENCE_S:
            bad.add("what waits for somebody else")
            return True
        return app.finished()

    with Lines(live=live) as lines:
        app.on_change = hear
        serve(app, over, interval_s=_LOOK_S)
    if bad:
        raise click.exceptions.Exit(1)

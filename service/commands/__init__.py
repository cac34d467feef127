"""The commands: one verb a file, and the only rooms that print."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service import __version__
from service.commands import (
    cancel,
    demo,
    health,
    importing,
    models,
    once,
    pause,
    priority,
    quarantine,
    resume,
    retry,
    run,
    schema,
    services,
    status,
    submit,
    verify,
    workflows,
)
from service.commands.speech import WRONG_USE, complain
from service.errors import Rejected, Unavailable

_CONFIG = click.Option(
    ["--config", "config_file"],
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The settings file; config.yaml beside daemon.py unless given.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reeldrop")
def commands() -> None:
    """Drop a file, get a video: a watch folder in front of ComfyUI."""


_VERBS = (
    run.run,
    once.once,
    demo.demo,
    submit.submit,
    status.status,
    health.health,
    cancel.cancel,
    retry.retry,
    priority.priority,
    pause.pause,
    resume.resume,
    verify.verify,
    schema.schema,
)
for verb in _VERBS:
    verb.params.append(_CONFIG)
    commands.add_command(verb)
workflows.workflows.add_command(importing.import_)
for group in (workflows.workflows, models.models, quarantine.quarantine, services.service):
    for verb in group.commands.values():
        verb.params.append(_CONFIG)
    commands.add_command(group)


def main() -> None:
    """Run one command; exit codes: 0 fine, 1 something failed, 2 wrong use."""
    try:
        # Without standalone mode click returns the code of an Exit instead of raising it.
        sys.exit(commands.main(standalone_mode=False) or 0)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Rejected as rejected:
        for problem in rejected.problems:
            complain(problem.sentence())
        sys.exit(WRONG_USE)
    except Unavailable as away:
        complain(f"{away.title} {away.fix}")
        sys.exit(1)

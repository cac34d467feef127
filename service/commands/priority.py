"""reeldrop priority: let a queued job come sooner or later."""

from __future__ import annotations

from pathlib import Path

import click

from service.commands.speech import ask_or_act, settings
from service.priorities import prioritise


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target", metavar="NAME|ID")
@click.argument("priority", metavar="low|normal|high|-100..100")
@click.option("--task", help="Only a job of this task folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a sentence.")
def priority(target: str, priority: str, task: str | None, as_json: bool, config_file: Path | None) -> None:
    """Give the queued job or batch that goes by NAME, by a path or by ID another priority.

    Higher ones come first. What is only queued on a server comes back for one that now comes before it; what renders
    already goes on. No daemon is needed for it.
    """
    ask_or_act(
        settings(config_file),
        "priority",
        target,
        lambda store: prioritise(store, target, task, priority),
        task=task,
        more={"priority": priority},
        as_json=as_json,
    )

"""reeldrop models pull: fetch the files that a workflow needs, after showing what they cost and under which terms."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from service.commands.speech import complain, on_terminal, printable, settings
from service.commands.transfer_lines import TransferLines, size_words
from service.config import Config
from service.downloads import Fetched
from service.errors import Problem, Rejected, Unavailable
from service.library import load
from service.model_folder import look, read_list
from service.model_list import Model
from service.model_stock import Plan, is_free, named, plan, workflow_models
from service.pulling import Puller, alone, refuse_without_room
from service.sums import Sums

_INTERRUPTED = 130


@click.command()
@click.argument("workflow", required=False)
@click.option("--file", "file", default=None, help="Only this file, by its name; without WORKFLOW any that is listed.")
@click.option("--yes", is_flag=True, help="Don't ask. Licences that restrict use still need --accept-licence.")
@click.option("--accept-licence", "accepted", multiple=True, metavar="NAME", help="A licence that you accept.")
def pull(
    workflow: str | None, file: str | None, yes: bool, accepted: tuple[str, ...], config_file: Path | None
) -> None:
    """Fetch the model files that WORKFLOW needs and that aren't there; an interrupted pull goes on where it stopped."""
    config = settings(config_file)
    chosen = _chosen(config, workflow, file)
    todo = plan(chosen, {place: found.size for place, found in look(config.models_dir).files.items()})
    _tell(todo)
    left = bool(todo.by_hand or todo.taken)
    if todo.wanted:
        refuse_without_room(todo.size_bytes, config.models_dir)
        _agree(todo, yes=yes, accepted=accepted)
        with alone(config.models_dir):
            left = not _fetch_all(config, todo.wanted) or left
    if left:
        raise click.exceptions.Exit(1)


def _chosen(config: Config, workflow: str | None, file: str | None) -> Sequence[Model]:
    listed = read_list(config.models_dir)
    if workflow is None and file is None:
        raise click.UsageError("Name a workflow, or a file with --file.")
    chosen: Sequence[Model] = listed
    if workflow is not None:
        chosen = workflow_models(listed, workflow, load(config).workflows)
    return named(chosen, file) if file is not None else chosen


def _tell(todo: Plan) -> None:
    for model in todo.present:
        click.echo(f"there already: {model.place}")
    for model in todo.taken:
        complain(f"{model.place} is there with another size than models.yaml says: look at it, or move it away.")
    for model in todo.by_hand:
        complain(f"{model.place} can't be fetched by a command: get it from {model.source or 'its makers'}.")
    for model in todo.wanted:
        click.echo(printable(f"to fetch: {model.place}, {size_words(model.size_bytes)}, from {model.source}"))


def _agree(todo: Plan, *, yes: bool, accepted: Sequence[str]) -> None:
    """Have each licence accepted once, by a word on the command line or an answer; raise Rejected where it isn't."""
    asking = sys.stdin.isatty() and not yes
    for terms, models in todo.terms.items():
        if terms in accepted:
            continue
        if asking:
            for line in _terms_lines(terms, models):
                click.echo(line)
            if click.confirm("Do you accept it?", default=False):
                continue
        elif is_free(models) and yes:
            continue
        raise _unaccepted(terms, models)
    if asking:
        unknown = sum(model.size_bytes is None for model in todo.wanted)
        more = f", and {unknown} whose size isn't known before they are asked for" if unknown else ""
        click.confirm(f"Fetch {len(todo.wanted)} files, {size_words(todo.size_bytes)}{more}?", default=True, abort=True)


def _terms_lines(terms: str, models: Sequence[Model]) -> list[str]:
    names = ", ".join(model.name for model in models)
    lines = [printable(f"{names}: {terms}")]
    if any(model.commercial == "no" for model in models):
        lines.append("  It does NOT allow commercial use.")
    elif any(model.commercial == "unknown" for model in models):
        lines.append("  Whether it allows commercial use is not known here: read it.")
    if any(model.gated for model in models):
        lines.append("  It must be accepted on its page too, and a token is needed.")
    return [*lines, *(f"  {page}" for page in dict.fromkeys(model.source for model in models))]


def _unaccepted(terms: str, models: Sequence[Model]) -> Rejected:
    said = " ".join(line.strip() for line in _terms_lines(terms, models)[1:])
    fix = f'Read it, then add --accept-licence "{terms}"' + (" (--yes alone is enough)." if is_free(models) else ".")
    names = ", ".join(model.name for model in models)
    title = f"{names}: the licence is not accepted ({terms})."
    return Rejected(Problem("licence_not_accepted", title, fix, said))


def _fetch_all(config: Config, models: Sequence[Model]) -> bool:
    """Fetch one after another; return whether all are there. What one file lacks doesn't keep the others."""
    with TransferLines(live=on_terminal()) as lines:
        puller = Puller(
            config.models_dir, config.model_hosts, os.environ, Sums(config.state_dir / "model_sums.json"), lines.told
        )
        whole = True
        try:
            for model in models:
                lines.begin(model.name)
                whole = _fetch(puller, model, lines) and whole
        except KeyboardInterrupt:
            lines.say("Interrupted: what came so far is kept, and the same command goes on from there.")
            raise click.exceptions.Exit(_INTERRUPTED) from None
        finally:
            puller.close()
    return whole


def _fetch(puller: Puller, model: Model, lines: TransferLines) -> bool:
    try:
        fetched = puller.pull(model)
    except Rejected as refused:
        for problem in refused.problems:
            lines.say(problem.sentence())
        return False
    except Unavailable as away:
        if away.code in ("disk_full", "not_writable"):
            raise
        lines.say(f"{away.title} {away.fix}")
        return False
    lines.say(f"fetched {model.place}: {_sum_words(fetched)}")
    return True


def _sum_words(fetched: Fetched) -> str:
    if fetched.checked_by is None:
        return f"nobody says what its SHA-256 must be; it is {fetched.sha256}"
    return f"SHA-256 {fetched.sha256}, as {fetched.checked_by} says"

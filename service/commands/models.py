"""reeldrop models: which model files there are and which are missing, and how a ComfyUI shares their folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from service import model_links, sharing
from service.commands.models_pull import pull
from service.commands.models_verify import verify
from service.commands.speech import complain, printable, settings
from service.commands.transfer_lines import size_words
from service.config import Config
from service.library import load
from service.model_folder import Shelf, look, read_list
from service.model_stock import Stock, take_stock, workflow_models

_LONGEST_LIST = 50
_STATES = {
    "present": "there",
    "missing": "MISSING",
    "wrong_size": "THERE, BUT OF ANOTHER SIZE",
    "unused": "there, no workflow needs it",
    "optional": "not there, no workflow needs it",
}


@click.group()
def models() -> None:
    """List the model files, fetch them, check them, share them with ComfyUI."""


def _as_json(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")(command)


@models.command(name="list")
@click.option("--workflow", default=None, help="Only what this workflow needs.")
@_as_json
def list_(workflow: str | None, as_json: bool, config_file: Path | None) -> None:
    """Say what of the listed models is there, missing or unused, and which files nobody lists; nothing is read."""
    config = settings(config_file)
    listed = read_list(config.models_dir)
    shelf = look(config.models_dir)
    chosen = listed if workflow is None else workflow_models(listed, workflow, load(config).workflows)
    stock = take_stock(chosen, {place: found.size for place, found in shelf.files.items()})
    if as_json:
        report = {"models": list(stock.rows), "unknown": [] if workflow else list(stock.unknown), "whole": shelf.whole}
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    for line in _list_lines(config, stock, shelf, workflow):
        click.echo(printable(line))


@models.command()
@click.option("--comfyui", type=click.Path(path_type=Path, file_okay=False, exists=True), help="A ComfyUI's folder.")
@click.option("--write", is_flag=True, help="Write its extra_model_paths.yaml; what others wrote there stays.")
@click.option("--symlinks", is_flag=True, help="Make links for the packs that don't read that file.")
@_as_json
def link(comfyui: Path | None, write: bool, symlinks: bool, as_json: bool, config_file: Path | None) -> None:
    """Print or write the extra_model_paths.yaml by which a ComfyUI finds models_dir, and say who doesn't read it."""
    config = settings(config_file)
    base = str(config.models_dir)
    text = model_links.paths(base)
    if (write or symlinks) and comfyui is None:
        raise click.UsageError("--write and --symlinks need --comfyui DIR.")
    written: bool | None = None
    links: list[dict[str, str]] = []
    if comfyui is not None:
        comfyui = comfyui.resolve()
        sharing.refuse_unless_comfyui(comfyui)
        written = sharing.write_paths(comfyui, text) if write else None
        links = sharing.make_links(comfyui, config.models_dir) if symlinks else []
    notes = model_links.notes(base, shlex.quote(str(comfyui)) if comfyui else None)
    if as_json:
        report = {"extra_model_paths": text, "written": written, "links": links, "notes": list(notes)}
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _say_links(comfyui, text, written, links, notes)
    if any(each["state"] == "not_made" for each in links):
        raise click.exceptions.Exit(1)


models.add_command(pull)
models.add_command(verify)


# as lines ------------------------------------------------------------------------------------------------------------


def _list_lines(config: Config, stock: Stock, shelf: Shelf, workflow: str | None) -> Iterator[str]:
    by_workflow: dict[str, list[Mapping[str, Any]]] = {}
    for row in stock.rows:
        for name in row["workflows"] if workflow is None else [workflow]:
            by_workflow.setdefault(name, []).append(row)
    for name, rows in by_workflow.items():
        missing = sum(row["state"] == "missing" for row in rows)
        yield f"{name}: {f'{missing} of {len(rows)} files missing' if missing else 'all files are there'}"
        yield from (f"  {_row_words(row)}" for row in rows)
    if workflow is not None:
        if not by_workflow:
            yield f"{workflow} needs no model files."
        return
    others = [row for row in stock.rows if not row["workflows"]]
    if others:
        yield "Listed, and needed by no workflow:"
        yield from (f"  {_row_words(row)}" for row in others)
    yield from _unknown_lines(stock.unknown)
    if not shelf.whole:
        yield f"There are more files in {config.models_dir} than were looked at ({len(shelf.files)})."
    yield "`reeldrop models pull WORKFLOW` fetches what is missing, `reeldrop models verify` checks what is there."


def _unknown_lines(unknown: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not unknown:
        return
    yield "There, and not in models.yaml (any of them may be in use):"
    yield from (f"  {each['file']}  {size_words(each['size_bytes'])}" for each in unknown[:_LONGEST_LIST])
    if len(unknown) > _LONGEST_LIST:
        yield f"  and {len(unknown) - _LONGEST_LIST} more; --json names them all"


def _row_words(row: Mapping[str, Any]) -> str:
    terms = row["licence"] or "licence not known"
    commerce = {"yes": "", "no": ", NOT for commercial use", "unknown": ", commercial use not known"}[row["commercial"]]
    parts = [f"{row['file']}: {_STATES[row['state']]}", size_words(row["size_bytes"]), f"{terms}{commerce}"]
    if row["gated"]:
        parts.append("its terms must be accepted")
    if row["adult"]:
        parts.append("for adult content")
    if row["state"] == "missing" and row["source"]:
        parts.append(row["source"] if row["can_be_pulled"] else f"by hand from {row['source']}")
    return "; ".join(parts)


def _say_links(
    comfyui: Path | None, text: str, written: bool | None, links: Sequence[Mapping[str, str]], notes: Sequence[str]
) -> None:
    if written is None:
        click.echo(text, nl=False)
    else:
        how = "was written: restart ComfyUI" if written else "is as it must be"
        click.echo(f"{comfyui}/{sharing.PATHS_FILE} {how}.")
    words = {"linked": "linked", "already": "was linked already", "in_the_way": "lies there already and stays"}
    for each in links:
        click.echo(f"{each['link']} {words.get(each['state']) or 'can’t be linked: ' + each['why']}")
    # On standard error, so that the file can be made by redirecting what is printed.
    for note in notes:
        complain(note)

"""reeldrop models verify: whether the model files that are there are the ones that the list names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from service.commands.speech import on_terminal, printable, settings
from service.commands.transfer_lines import TransferLines
from service.config import Config
from service.library import load
from service.model_folder import read_list
from service.model_list import Model
from service.model_stock import workflow_models
from service.sums import Sums

_INTERRUPTED = 130
_COUNTED = {"right": "right", "not_known": "without a known sum", "wrong": "wrong", "missing": "not there"}


@click.command()
@click.option("--workflow", default=None, help="Only what this workflow needs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def verify(workflow: str | None, as_json: bool, config_file: Path | None) -> None:
    """Read the files that are there and compare their SHA-256; exit code 1 where one is wrong.

    What was read once and hasn't changed since is not read again.
    """
    config = settings(config_file)
    listed: Sequence[Model] = read_list(config.models_dir)
    if workflow is not None:
        listed = workflow_models(listed, workflow, load(config).workflows)
    try:
        found = _verify_all(config, listed, quiet=as_json)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(_INTERRUPTED) from None
    if as_json:
        click.echo(json.dumps({"models": found}, indent=2, ensure_ascii=False))
    else:
        for line in _lines(found, named=workflow is not None):
            click.echo(printable(line))
    if any(each["state"] in ("wrong", "unreadable") for each in found):
        raise click.exceptions.Exit(1)


def _verify_all(config: Config, models: Sequence[Model], *, quiet: bool) -> list[dict[str, Any]]:
    sums = Sums(config.state_dir / "model_sums.json")
    with TransferLines(live=on_terminal() and not quiet) as lines:
        return [_verify(config.models_dir, model, sums, None if quiet else lines) for model in models]


def _verify(models_dir: Path, model: Model, sums: Sums, lines: TransferLines | None) -> dict[str, Any]:
    file = models_dir / model.folder / model.name
    told: dict[str, Any] = {"file": model.place, "sha256": None, "known": model.sha256}
    try:
        size = file.stat().st_size
        if model.size_bytes is not None and size != model.size_bytes:
            return {**told, "state": "wrong", "why": f"it has {size} bytes, not {model.size_bytes}"}
        read = [0]

        def hear(count: int) -> None:
            read[0] += count
            if lines is not None:
                lines.told("reading", read[0], size)

        if lines is not None:
            lines.begin(model.name)
        digest = sums.of(file, hear)
    except FileNotFoundError:
        return {**told, "state": "missing"}
    except OSError as trouble:
        return {**told, "state": "unreadable", "why": trouble.strerror or str(trouble)}
    if model.sha256 is None:
        return {**told, "sha256": digest, "state": "not_known"}
    right = digest == model.sha256
    return {
        **told,
        "sha256": digest,
        "state": "right" if right else "wrong",
        **({} if right else {"why": "its content"}),
    }


def _lines(found: Sequence[Mapping[str, Any]], *, named: bool) -> Iterator[str]:
    for each in found:
        if each["state"] == "right":
            yield f"right: {each['file']}"
        elif each["state"] == "not_known":
            yield f"no SHA-256 is known of {each['file']}; it has {each['sha256']}"
        elif each["state"] == "unreadable":
            yield f"can't be read: {each['file']}: {each['why']}"
        elif each["state"] == "wrong":
            detail = f" (SHA-256 {each['sha256']}, not {each['known']})" if each["sha256"] else f" ({each['why']})"
            yield f"WRONG: {each['file']}{detail}: move it away and pull it again"
        elif named:
            yield f"missing: {each['file']}"
    counts = {state: sum(each["state"] == state for each in found) for state in _COUNTED}
    yield ", ".join(f"{counts[state]} {words}" for state, words in _COUNTED.items())

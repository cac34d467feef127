"""reeldrop schema: the JSON Schemas that editors check against."""

from __future__ import annotations

import json
from pathlib import Path

import click

from service.schemas import schema as schema_of


@click.command()
@click.argument("kind", type=click.Choice(["job", "config", "manifest", "status"]))
def schema(kind: str, config_file: Path | None) -> None:  # noqa: ARG001  every command takes --config
    """Print the JSON Schema of job files, config.yaml, manifests or status files."""
    click.echo(json.dumps(schema_of(kind), indent=2, ensure_ascii=False))

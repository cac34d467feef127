"""The JSON schemas of everything that people write or read, for editors and scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service import config, jobfile, manifest
from service.status import StatusDocument

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """Return the schema of a job file, config.yaml, a manifest or a status file; raise KeyError for another kind."""
    return {"$schema": _DRAFT, **SCHEMAS[kind]()}


def _status() -> dict[str, Any]:
    return {**StatusDocument.model_json_schema(by_alias=True), "title": "Reeldrop status file"}


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "job": jobfile.schema,
    "config": config.schema,
    "manifest": manifest.schema,
    "status": _status,
}

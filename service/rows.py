"""A job and a drop as rows of SQLite, and back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, fields
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from service.job import Drop, Expected, Hold, Job, Parts, Render, Span, State

COLUMNS = tuple(column.name for column in fields(Job))
JSON_COLUMNS = frozenset(
    {"settings", "adjusted", "inputs", "outputs", "warnings", "error", "models", "consent", "trouble"}
)


def json_text(value: Any) -> str:
    """Return a value as JSON that SQLite takes; what stands in a file name for bytes that are no UTF-8 becomes `?`."""
    try:
        # Several times faster than the standard library's, which alone takes such names.
        return to_json(value).decode()
    except PydanticSerializationError:
        return sound(json.dumps(value, ensure_ascii=False))


def sound(text: str) -> str:
    """Return a text that SQLite takes: what stands in a file name for bytes that are no UTF-8 becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def text_of(path: str) -> str:
    """Return a path as its column holds it, exactly: one whose bytes are no UTF-8 as JSON in ASCII."""
    return path if sound(path) == path else json.dumps(path)


def path_of(text: str) -> str:
    """Return the path that a column holds; none begins with a quotation mark itself, for tasks don't."""
    return json.loads(text) if text.startswith('"') else text


def stored(column: str, value: Any) -> Any:
    """Return a job's value as its column holds it."""
    if column in JSON_COLUMNS:
        if not value:
            # Most of them: nothing is to be encoded.
            return None if value is None else "[]" if isinstance(value, list) else "{}"
        return json_text(value)
    if isinstance(value, Hold):
        return json_text(asdict(value))
    return sound(value) if isinstance(value, str) else value


def row_of(job: Job) -> dict[str, Any]:
    """Return a job as column → value."""
    return {column: stored(column, getattr(job, column)) for column in COLUMNS}


def job_of(row: sqlite3.Row) -> Job:
    """Return the job that a row holds."""
    values = dict(row)
    for column in JSON_COLUMNS:
        text = values[column]
        if text is not None:
            values[column] = [] if text == "[]" else {} if text == "{}" else json.loads(text)
    values["hold"] = Hold(**json.loads(values["hold"])) if values["hold"] else None
    values["state"] = State(values["state"])
    values["cancel"] = bool(values["cancel"])
    values["aside"] = bool(values["aside"])
    return Job(**values)


def drop_of(row: sqlite3.Row) -> Drop:
    """Return the drop that a row holds."""
    return Drop(
        id=row["id"],
        task=row["task"],
        grouping=row["grouping"],
        name=row["name"],
        kind=row["kind"],
        members=tuple(json.loads(row["members"])),
        claimed=bool(row["claimed"]),
        returned_to=path_of(row["returned_to"]) if row["returned_to"] else None,
        record=json.loads(row["record"]) if row["record"] else None,
    )


def render_of(row: sqlite3.Row) -> Render:
    """Return the plan that a row holds."""
    return Render(
        job=row["job"],
        prompt_id=row["prompt_id"],
        graph=json.loads(row["graph"]),
        output_node=row["output_node"],
        expected=Expected(**json.loads(row["expected"])),
        weights=json.loads(row["weights"]),
        uploads=json.loads(row["uploads"]),
        interpolation=row["interpolation"],
        parts=_parts_of(json.loads(row["parts"])) if row["parts"] else None,
    )


def _parts_of(saved: dict[str, Any]) -> Parts:
    skip, take, made = (tuple((one, other) for one, other in saved[name]) for name in ("skip", "take", "made"))
    return Parts(tuple(Span(*span) for span in saved["spans"]), skip, take, saved["sound"], made)


def parts_text(parts: Parts | None) -> str | None:
    """Return parts as a row holds them."""
    if parts is None:
        return None
    spans = [(span.skip, span.frames) for span in parts.spans]
    return json_text({**vars(parts), "spans": spans})

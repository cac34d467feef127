"""Kinds of values that several keys of config.yaml share: folders, and texts of a sane length."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from service.declaration import mistake


def as_path(value: Any) -> Any:
    """Let a path be written as text; anything else is left to be refused."""
    if not isinstance(value, str):
        return value
    if not value.strip() or "\x00" in value:
        raise mistake("bad_path", "{field} is empty.", "Write a folder, or take the line out.")
    if re.search(r"\$\w|\$\{|%\w+%", value):
        raise mistake("bad_path", "{field} holds a variable, which isn't replaced here.", "Write the whole path.")
    if value.startswith("~") and value[1:2] not in ("", "/"):
        raise mistake("bad_path", "{field} begins with another user's home.", "Write the whole path.")
    return Path(value)


Folder = Annotated[Path, BeforeValidator(as_path), WithJsonSchema({"type": "string"})]
Text = Annotated[str, Field(min_length=1, max_length=400)]

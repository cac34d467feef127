"""What declarations are made of: closed models, validators that speak to people, schemas for editors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from service.errors import Problem
from service.strict_yaml import number_like
from service.yaml_slips import quote


class Declared(BaseModel):
    """What people write in a file: closed, frozen, no value converted in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)


def mistake(code: str, title: str, fix: str, field: str | None = None) -> PydanticCustomError:
    """Return what a validator of ours raises; {field} in the title is the field's name, `field` where it stands."""
    return PydanticCustomError("mistake", "{title}", {"code": code, "title": title, "fix": fix, "field": field})


def _check_slug(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", text):
        raise mistake("bad_value", "{field} may hold only a-z, 0-9, - and _, at most 64.", "Write another name.")
    return text


#: No name of ours is longer, and comparing costs the product of both lengths.
_LONGEST_WORD = 80

#: A short name for folders and the like.
Slug = Annotated[
    str, AfterValidator(_check_slug), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"})
]


def not_built(field: str, fix: str = "Leave it out.") -> PydanticCustomError:
    """Return the refusal of a part that isn't built yet."""
    return mistake("not_built_yet", f"{field} is not built yet.", fix)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems in the order of their places."""
    return tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word that was probably meant: a slip or two away, or begun alike; None where none is near."""
    if len(word) > _LONGEST_WORD:
        return None
    meant = _plain(word)
    rated = [(_distance(meant, _plain(each)), each) for each in words]
    close = [(slips, each) for slips, each in rated if slips <= max(1, len(meant) // 4)]
    if close:
        return min(close, key=lambda pair: pair[0])[1]
    return next((each for _, each in rated if _begin_alike(meant, _plain(each))), None)


def _plain(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")


def _begin_alike(one: str, other: str) -> bool:
    """Whether the one is the other and more, as "inbox" and "inbox_dir", "negative" and "negative_prompt"."""
    short, long = sorted((one, other), key=len)
    return len(short) >= 3 and long.startswith(short) and (len(short) * 2 >= len(long) or long[len(short)] == "_")


def _distance(one: str, other: str) -> int:
    """How many slips lie between two words: a letter more, less, other, or two that changed places."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def did_you_mean(word: str, words: Sequence[str], otherwise: str) -> str:
    """Return the cure for an unknown word."""
    close = nearest(word, words)
    return f"Did you mean {close}?" if close else otherwise


def written(value: Any) -> str:
    """Return a value as it would be written in the file, on one line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    if isinstance(value, str):
        return value if value and not number_like(value) and not set(value) & set(":#{}[]&*!|>'\"%@`") else quote(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, float):
        text = f"{value:.10g}"
        return text if set(text) & set(".en") else f"{text}.0"
    return str(value)


def limits(info: FieldInfo) -> str:
    """Return a number's limits in words, or nothing."""
    found = {key: getattr(each, key) for each in info.metadata for key in ("ge", "le") if hasattr(each, key)}
    return f" From {written(found['ge'])} to {written(found['le'])}." if len(found) == 2 else ""


def reference(model: type[BaseModel]) -> str:
    """Return the table of a model's fields in Markdown, for the documentation."""
    rows = ["| field | what it is | example |", "| --- | --- | --- |"]
    for name, info in model.model_fields.items():
        example = f"`{written(info.examples[0])}`" if info.examples else ""
        rows.append(f"| `{info.alias or name}` | {info.description or ''}{limits(info)} | {example} |")
    return "\n".join(rows) + "\n"


def json_plain(value: Any) -> Any:
    """Return a JSON schema without the 'or null' that optional fields bring: a field that isn't set is left out."""
    if isinstance(value, dict):
        rest = [each for each in value.get("anyOf", ()) if each != {"type": "null"}]
        if len(rest) < len(value.get("anyOf", ())):
            value = {**{key: each for key, each in value.items() if key != "anyOf"}, **_one_or_any(rest)}
            if value.get("default", 0) is None:
                del value["default"]
        return {key: json_plain(each) for key, each in value.items()}
    return [json_plain(each) for each in value] if isinstance(value, list) else value


def _one_or_any(choices: list[Any]) -> dict[str, Any]:
    return dict(choices[0]) if len(choices) == 1 else {"anyOf": choices}

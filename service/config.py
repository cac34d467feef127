"""config.yaml: read, checked, completed with defaults, and written out with each key documented where it stands."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.backend_keys import BACKEND_PATHS, Backend, hide_secrets
from service.config_keys import FOLDERS, GROUPS, TASKS, Config, Watch
from service.declaration import in_order, json_plain, limits, written
from service.errors import Problem, Rejected
from service.notify_keys import Target
from service.signing_keys import SIGNING_PATHS, Signing
from service.strict_yaml import Document
from service.strict_yaml import read as read_yaml
from service.typed_yaml import locate, read

__all__ = ["Backend", "Config", "Watch", "default", "generate", "parse", "reference", "schema"]

#: Lists whose entries have keys of their own.
_ENTRIES: dict[str, type[BaseModel]] = {"backends": Backend, "notify": Target}
_HEAD = """\
# Reeldrop's configuration. Every key stands here with its default: change what you need, take out what you don't.
# Relative paths are relative to this file.
"""


def parse(text: str | bytes, folder: Path, name: str = "config.yaml") -> Config:
    """
    Read a configuration whose relative paths start at a folder; raise Rejected with every mistake and its place.

    Absent keys have their defaults. `name` is the file's, for what is said of it.
    """
    try:
        return _parse(text, folder)
    except Rejected as refusal:
        told = hide_secrets(refusal.problems, text)
        raise Rejected(*(replace(problem, file=name) for problem in told)) from None


def _parse(text: str | bytes, folder: Path) -> Config:
    document = _read(text)
    config, problems = read(Config, document, {}, "key")
    problems = (*problems, *_twins(document))
    if config is not None:
        config = _with_folders(config, folder)
        overlaps = (_overlaps, _root_overlaps, _shared_overlaps)
        problems = (*problems, *(problem for each in overlaps for problem in each(config, document)))
    if problems or config is None:
        raise Rejected(*in_order(problems))
    return config


def default(folder: Path) -> Config:
    """Return the configuration of an empty file in a folder."""
    return _with_folders(Config.model_validate({}), folder)


def generate() -> str:
    """Return the whole config.yaml: every key at its default, documented where it stands."""
    parts = [_HEAD]
    for title, names in GROUPS.items():
        lines = "\n".join(_key(name, Config.model_fields[name]) for name in names)
        parts.append(f"# {title} {'-' * (116 - len(title))}\n\n{lines}")
    return "\n".join(parts)


def reference() -> str:
    """Return the table of all keys in Markdown, for the documentation."""
    rows = ["| key | default | what it does |", "| --- | --- | --- |"]
    for name, info in _all_keys():
        value = "must be set" if info.is_required() else f"`{written(_plain(info.default)) or 'none'}`"
        rows.append(f"| `{name}` | {value} | {info.description}{limits(info)} |")
    return "\n".join(rows) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of config.yaml, for editors."""
    document: dict[str, Any] = json_plain(Config.model_json_schema())
    return {**document, "title": "Reeldrop configuration"}


def _read(text: str | bytes) -> Document:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    try:
        return read_yaml(data)
    except Rejected as refusal:
        if [problem.code for problem in refusal.problems] != ["empty"]:
            raise
    return read_yaml(b"{}")


def _twins(document: Document) -> Iterator[Problem]:
    """Two lanes on one server would take each other's prompts for other people's."""
    node = document.root.fields.get("backends")
    for key, fix in (("name", "Give each a name of its own."), ("url", "Name each server once.")):
        seen: set[str] = set()
        for entry in node.items if node is not None else ():
            value = entry.fields.get(key)
            if value is None or value.kind in ("list", "fields", "refused", "nothing"):
                continue
            text = value.text.rstrip("/").lower()
            if text in seen:
                title = f"Two backends have the {key} {value.text}."
                yield Problem("conflict", title, fix, field=f"backends.{key}").at(value.line, value.column)
            seen.add(text)


def _with_folders(config: Config, folder: Path) -> Config:
    def whole(path: Path) -> Path:
        return Path(os.path.normpath(Path(folder).absolute() / path.expanduser()))

    folders = {name: whole(getattr(config, name)) for name in FOLDERS}
    roots = tuple(map(whole, config.media_roots))
    tasks = {**TASKS, **config.tasks}
    backends = tuple(
        backend.model_copy(
            update={key: whole(path) for key in BACKEND_PATHS if isinstance(path := getattr(backend, key), Path)}
        )
        for backend in config.backends
    )
    update: dict[str, Any] = {**folders, "media_roots": roots, "tasks": tasks, "backends": backends}
    if config.c2pa is not None:
        update["c2pa"] = config.c2pa.model_copy(update={key: whole(getattr(config.c2pa, key)) for key in SIGNING_PATHS})
    return config.model_copy(update=update)


def _overlaps(config: Config, document: Document) -> Iterator[Problem]:
    """A folder inside another would make the one's files the other's: results taken for drops, drops for models."""
    for one, other in combinations(FOLDERS, 2):
        inner, outer = (one, other) if getattr(config, one).is_relative_to(getattr(config, other)) else (other, one)
        if not getattr(config, inner).is_relative_to(getattr(config, outer)):
            continue
        if (inner, outer) == ("temp_dir", "state_dir") and config.temp_dir != config.state_dir:
            continue
        same = getattr(config, inner) == getattr(config, outer)
        title = f"{inner} and {outer} are the same folder." if same else f"{inner} lies inside {outer}."
        named = inner if inner in document.root.keys else outer
        problem = Problem("conflict", title, "Give each a folder of its own, side by side.", field=named)
        yield problem.at(*document.root.keys.get(named, (1, 1)))


def _root_overlaps(config: Config, document: Document) -> Iterator[Problem]:
    """Files that are only read must not be those that we move, or that nobody may name."""
    for number, root in enumerate(config.media_roots):
        others = {name: getattr(config, name) for name in ("inbox_dir", "state_dir", "temp_dir")}
        near = (name for name, each in others.items() if root.is_relative_to(each) or each.is_relative_to(root))
        if (name := next(near, None)) is not None:
            how = "is" if root == others[name] else "lies inside" if root.is_relative_to(others[name]) else "holds"
            title = f"{root} in media_roots {how} {name}."
            problem = Problem(
                "conflict", title, "Name another folder; inbox/media needs no naming.", field="media_roots"
            )
            yield problem.at(*locate(document, ("media_roots", number)))


def _shared_overlaps(config: Config, document: Document) -> Iterator[Problem]:
    """What the server throws away in its own folders must not be ours, nor what lies in ours be its own."""
    for number, backend in enumerate(config.backends):
        if backend.shared_folder is None:
            continue
        shared = [backend.shared_folder / each for each in ("input", "output", "temp")]
        for name in ("inbox_dir", "output_dir", "state_dir", "temp_dir"):
            ours = getattr(config, name)
            if any(each.is_relative_to(ours) or ours.is_relative_to(each) for each in shared):
                title = f"The shared_folder of {backend.name} and {name} overlap."
                problem = Problem("conflict", title, "Give each a folder of its own.", field="backends.shared_folder")
                yield problem.at(*locate(document, ("backends", number, "shared_folder")))
                break


def _key(name: str, info: FieldInfo, indent: str = "") -> str:
    """Return one key with its comment; keys of keys are indented below it."""
    note = f"{info.description}{limits(info)}"
    lines = textwrap.wrap(note, 116 - len(indent), initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
    value = info.default
    if isinstance(value, BaseModel):
        lines.append(f"{indent}{name}:")
        fields = type(value).model_fields.items()
        lines += [_key(each, field, indent + "  ").rstrip("\n") for each, field in fields]
    elif isinstance(value, dict) and value:
        lines.append(f"{indent}{name}:")
        lines += [f"{indent}  {key}: {written(each)}" for key, each in value.items()]
    elif value is None:
        # A key that has no value but another's absence stands as a comment.
        lines.append(f"# For example: {name}: {written((info.examples or [''])[0])}")
        lines += _entry_keys(Signing, "")
    else:
        if value in ((), {}) and info.examples:
            lines.append(f"{indent}# For example: {name}: {written(info.examples[0])}")
        if name in _ENTRIES:
            lines += _entry_keys(_ENTRIES[name], indent)
        lines.append(f"{indent}{name}: {written(_plain(value))}")
    return "\n".join(lines) + "\n"


def _entry_keys(model: type[BaseModel], indent: str) -> Iterator[str]:
    """Yield what an entry may hold: an empty list or an absent key has no place for it but a comment."""
    yield f"{indent}# {'It' if model is Signing else 'Each of them'} may have:"
    for name, info in model.model_fields.items():
        value = "" if info.is_required() else written(_plain(info.default))
        usual = f" Default: {value}." if value else " It must be given." if info.is_required() else ""
        note = f"{name}: {info.description}{limits(info)}{usual} For example {written((info.examples or [''])[0])}."
        start = f"{indent}#   "
        yield from textwrap.wrap(note, 116 - len(indent), initial_indent=start, subsequent_indent=f"{start}  ")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return f"./{value}"
    if isinstance(value, BaseModel):
        return "see below"
    return value


def _all_keys() -> Iterator[tuple[str, FieldInfo]]:
    for names in GROUPS.values():
        for name in names:
            info = Config.model_fields[name]
            if isinstance(info.default, BaseModel):
                yield from ((f"{name}.{each}", field) for each, field in type(info.default).model_fields.items())
            else:
                yield name, info
            inner = next((each for each in get_args(info.annotation) if isinstance(each, type)), None)
            if inner is not None and issubclass(inner, BaseModel):
                many = "" if info.default is None else "[]"
                yield from ((f"{name}{many}.{each}", field) for each, field in inner.model_fields.items())

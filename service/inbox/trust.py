"""Whoever may write to the share may write to claim.json: a record is believed only where it is what we would write."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from service.drops import said_by
from service.naming import clean, fold

_RECORD = "claim.json"
#: Ids become names of folders.
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_FACTS = ("size", "mtime_ns", "ctime_ns", "inode", "device", "links")
_PROBLEM = ("code", "title", "fix")
#: What a claim must say so that its drop can be taken up again.
_OF_A_DROP = ("task", "grouping", "name", "kind", "job", "found", "named", "animated", "problem")


def check(record: Any, drop_id: str) -> None:
    """Raise ValueError for a record that says anything that we would not have written of this drop."""
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    for key in ("drop", "stage", "members"):
        if key not in record:
            raise ValueError(f"it lacks {key}")
    if record["drop"] != drop_id:
        raise ValueError("drop is not what its folder says")
    for key, is_right in _KEYS.items():
        if key in record and not is_right(record[key]):
            raise ValueError(f"{key} is not what we write there, or points outside of the inbox")
    if not all(_is_in_place(entry, record.get("folder")) for entry in record["members"]):
        raise ValueError("members are not where we put them")
    for key, value in _said_by_first(record).items():
        if key in record and record[key] != value:
            raise ValueError(f"{key} is not where its files come from")


def check_drop(record: Mapping[str, Any]) -> None:
    """Raise ValueError for a record without all that a drop needs to be taken up again."""
    missing = [key for key in _OF_A_DROP if key not in record]
    if missing or not record["members"]:
        raise ValueError(f"it lacks {', '.join(missing or ['its files'])}")


def is_inside(path: str) -> bool:
    """Tell whether a relative POSIX path stays below the folder that it is joined to."""
    return bool(path) and not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def _is_in_place(entry: Mapping[str, Any], folder: str | None) -> bool:
    if folder is None:
        return "/" not in entry["stored"]
    return bool(entry["path"].startswith(f"{folder}/")) and entry["stored"] == stored_below(folder, entry["path"])


def stored_below(folder: str, path: str) -> str:
    """Return where a file of a dropped folder lies in the claim: in a folder whose name can't be one of ours."""
    return f"dropped{path.removeprefix(folder)}"


def _said_by_first(record: Mapping[str, Any]) -> dict[str, str]:
    if not record["members"]:
        return {}
    return dict(
        zip(("task", "grouping", "name"), said_by(record["members"][0]["path"], record.get("folder")), strict=True)
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and is_inside(value)


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _is_member(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and _is_path(entry.get("path"))
        and "/" in entry["path"]
        and _is_path(entry.get("stored"))
        and all(_is_whole(entry.get(fact)) for fact in _FACTS)
    )


def _are_members(value: Any) -> bool:
    if not isinstance(value, list) or not all(map(_is_member, value)):
        return False
    names = [_RECORD, *(fold(entry["stored"]) for entry in value)]
    return len(names) == len(set(names))


def _are_jobs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict) and each.keys() == {"id", "prompt_id"} and all(map(_is_id, each.values()))
        for each in value
    )


def _is_problem(value: Any) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and value.keys() <= {*_PROBLEM, "detail"}
        and all(isinstance(value.get(key, ""), str) for key in (*_PROBLEM, "detail"))
        and all(key in value for key in _PROBLEM)
    )


def _are_found(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_key, value.values()))


def _is_key(value: Any) -> bool:
    """A file is named by its path in the inbox, or by its whole path in a read-only folder of the configuration."""
    return _is_path(value) or (isinstance(value, str) and value.startswith("/") and is_inside(value[1:]))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_sources(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_path(path) and path.startswith("rejected/") for path in value.values())


def _are_facts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_key(path) and isinstance(facts, list) and len(facts) == 3 and all(map(_is_whole, facts))
        for path, facts in value.items()
    )


def _is_return(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("where") not in ("done", "rejected", "scheduled", "inbox"):
        return False
    if value["where"] == "inbox":
        return True
    reason, inodes = value.get("reason"), value.get("inodes")
    return (
        isinstance(value.get("folder"), str)
        and (reason is None or isinstance(reason, str))
        and isinstance(inodes, dict)
        and all(map(_is_whole, inodes.values()))
    )


_KEYS: Mapping[str, Callable[[Any], bool]] = {
    "stage": _one_of("copying", "claiming", "claimed", "returning"),
    "members": _are_members,
    "returning": _is_return,
    "task": _is_text,
    "grouping": _is_text,
    "name": _is_text,
    "folder": lambda value: value is None or _is_path(value),
    "sources": _are_sources,
    "kind": _one_of("job_file", "text", "media", "again"),
    "job": _is_id,
    "found": _are_found,
    "animated": _are_texts,
    "named": _are_facts,
    "problem": _is_problem,
    "seed": lambda value: _is_whole(value) and 0 <= value < 1 << 53,
    "jobs": _are_jobs,
    "shelved": lambda value: isinstance(value, bool),
    "copied": lambda value: isinstance(value, str) and clean(value) == value,
    "outbox_name": lambda value: isinstance(value, str) and clean(value) == value,
}

"""Which live jobs somebody means by a name, an id, or a path such as text-to-video/harbour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from service.drops import name_of
from service.errors import Problem, Rejected
from service.naming import fold

Row = Mapping[str, str]


def meant_by(target: str, task: str | None, live: Sequence[Row]) -> list[Row]:
    """
    Return the rows (`store.live_names`) of the one drop or batch, or of the one job, that goes by a target.

    Raises Rejected where none does (with the nearest names), or several drops do (with their ids).
    """
    found = _of(target, task, [row for row in live if task in (None, row["task"])])
    drops = {row["drop"] for row in found}
    if len(drops) > 1:
        title = f"{len(drops)} drops that are under way go by the name {target}."
        choices = "; ".join(sorted({f"{row['drop']} ({path_of(row)}, {row['state']})" for row in found}))
        raise Rejected(Problem("several_match", title, f"Name one of them by its id: {choices}."))
    return found


def path_of(row: Row) -> str:
    """Return folder and name of a job."""
    return "/".join(part for part in (row["task"], row["grouping"], row["name"]) if part)


def _of(target: str, task: str | None, live: Sequence[Row]) -> list[Row]:
    wanted, dropped = fold(target), fold(name_of(target))
    # The first of these that fits anything is meant: ids are unique, names of results nearly so.
    tiers: tuple[Callable[[Row], bool], ...] = (
        lambda row: wanted in (row["id"], row["drop"], row["batch"]),
        lambda row: wanted in map(fold, (path_of(row), row["name"], row["batch_name"], _batch_path(row))),
        lambda row: wanted == fold(row["drop_name"]),
        lambda row: dropped in (fold(row["name"]), fold(row["drop_name"])),
    )
    for fits in tiers:
        if found := [row for row in live if fits(row)]:
            return found
    names = sorted({each for row in live for each in (row["name"], row["drop_name"], path_of(row))})
    near = get_close_matches(target, names, n=3)
    where = f" in {task}" if task else ""
    fix = f"Did you mean {' or '.join(near)}?" if near else "`reeldrop status` lists what is there."
    raise Rejected(Problem("not_found", f"No job that is under way{where} goes by {target}.", fix))


def _batch_path(row: Row) -> str:
    return path_of({**row, "name": row["batch_name"]}) if row["batch_name"] else ""

"""The bench: rows are dropped into one daemon, and each must come to what it says; no byte of any may be lost."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.line.odd.rows import Row
from tests.line.world import World


def drop(world: World, path: str | bytes, content: bytes) -> bytes:
    """Put a file of any name bytes into the inbox, written aside and renamed in; return its whole path."""
    target = os.path.join(os.fsencode(world.config.inbox_dir), os.fsencode(path))
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    part = os.path.join(folder, b".%d.part" % hash(target))
    with open(part, "wb") as file:
        file.write(content)
    os.rename(part, target)
    return target


def contents(world: World) -> dict[str, int]:
    """Return how often each content lies in the inbox, claims and all, by SHA-256."""
    found: dict[str, int] = {}
    for folder, _, names in os.walk(os.fsencode(world.config.inbox_dir)):
        for path in (os.path.join(folder, name) for name in names):
            # The daemon's own notes in its claims come and go meanwhile.
            ours = os.path.basename(path).startswith(b"publish-")
            if not ours and os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                found[digest] = found.get(digest, 0) + 1
    return found


def run(world: World, rows: Sequence[Row], *, good: str, deadline_s: float = 25) -> None:
    """Drop every row and a plain good job, wait for all, drop another good job, and find every byte again."""
    # What the server has is known before anything is judged by it.
    drop(world, "text-to-video/good-before.yaml", good.replace("seed: 7", "seed: 6").encode())
    world.until_state("text-to-video/good-before", "done")
    expected: dict[str, int] = {}
    for row in rows:
        for path, content in row.files.items():
            drop(world, path, content)
            digest = hashlib.sha256(content).hexdigest()
            expected[digest] = expected.get(digest, 0) + 1
    drop(world, "text-to-video/good-beside.yaml", good.encode())
    _wait(world, [row for row in rows if row.comes != "alone"], deadline_s)
    wrong = [trouble for row in rows for trouble in _wrong(world, row)]
    assert not wrong, "\n".join(wrong)
    world.until_state("text-to-video/good-beside", "done")
    drop(world, "text-to-video/good-after.yaml", good.replace("seed: 7", "seed: 8").encode())
    world.until_state("text-to-video/good-after", "done")
    there = contents(world)
    assert {digest: count for digest, count in expected.items() if there.get(digest, 0) < count} == {}


def _wait(world: World, rows: Sequence[Row], deadline_s: float) -> None:
    left = list(rows)

    def met() -> bool:
        left[:] = [row for row in left if not _came(world, row)]
        return not left

    try:
        world.until(met, "every row", deadline_s)
    except AssertionError:
        raise AssertionError(
            "\n".join(f"{row.key} never came to {row.comes}: {_status(world, row)}" for row in left)
        ) from None


def _status(world: World, row: Row) -> dict[str, Any]:
    try:
        return world.status(row.status)
    except FileNotFoundError:
        return {}


def _came(world: World, row: Row) -> bool:
    status = _status(world, row)
    if row.comes.startswith("hold "):
        return bool(status) and (status.get("hold") or {}).get("code") == row.comes[5:]
    if not status or status["state"] in ("waiting", "queued", "running"):
        return False
    if status["state"] != "done" and not _reason(world, row):
        return False
    return all(_is_back(world, row, path) for path in row.files)


def _is_back(world: World, row: Row, path: str | bytes) -> bool:
    return not os.path.lexists(os.path.join(os.fsencode(world.config.inbox_dir), os.fsencode(path))) and not any(
        world.config.inbox_dir.glob(f".reeldrop/claims/*/{row.status}.*")
    )


def _wrong(world: World, row: Row) -> list[str]:
    if row.comes == "alone":
        left = [path for path in row.files if not os.path.lexists(_whole(world, path))]
        return [f"{row.key}: {path!r} was touched" for path in left]
    status = _status(world, row)
    if row.comes.startswith("hold "):
        said = status["hold"]["title"] + " " + status["hold"]["fix"]
    elif status["state"] != row.comes:
        return [f"{row.key}: {status['state']} {status['error']}"]
    elif row.comes == "rejected":
        said = _reason(world, row)
    else:
        said = str(status)
    wrong = [f"{row.key}: no {word!r} in {said!r}" for word in row.words if word.casefold() not in said.casefold()]
    if "Traceback" in said or "pydantic" in said:
        wrong.append(f"{row.key}: {said}")
    if row.comes == "rejected":
        wrong += _misplaced(row, said)
    settings = status.get("settings") or {}
    told = {**(status.get("inputs") or [{}])[0], **status, **settings}
    return wrong + [
        f"{row.key}: {name} is {told.get(name)!r}" for name, value in row.facts.items() if told.get(name) != value
    ]


def _misplaced(row: Row, said: str) -> list[str]:
    wrong = []
    if row.place is not None:
        line, column = row.place
        place = f"Line {line}, column {column}: " if column else f"Line {line}, column "
        if place not in said:
            wrong.append(f"{row.key}: not at {row.place}: {said!r}")
    if not all(len(part.strip()) > 5 for part in said.split("To try again", maxsplit=1)[0].split("\n  ")):
        wrong.append(f"{row.key}: no cure in {said!r}")
    return wrong


def _reason(world: World, row: Row) -> str:
    path = world.config.inbox_dir / "rejected" / f"{row.status}.reason.txt"
    found = [path] if path.exists() else sorted(path.parent.rglob(f"{path.name}"))
    return found[0].read_text(encoding="utf-8") if found else ""


def _whole(world: World, path: str | bytes) -> bytes:
    return os.path.join(os.fsencode(world.config.inbox_dir), os.fsencode(path))


def rejected(world: World, path: str) -> Path:
    """Return where a rejected file lies."""
    return world.config.inbox_dir / "rejected" / path

"""Earlier: what is still known of a job that ran before, when somebody asks for it once more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from service.again import jobfile_of_recipe
from service.ending import named_beside
from service.inbox.lookup import Lookup
from service.jobfile import JobFile, named_files
from service.naming import fold
from service.store import Store


class Earlier:
    """Tells by the store which job a video or status file of ours is of, and by the disk where its files lie now."""

    def __init__(self, store: Store, lookup: Lookup) -> None:
        self._store = store
        self._lookup = lookup

    def job_of_video(self, tags: Mapping[str, str]) -> JobFile | None:
        """
        Return the job that made a video of ours, None for another video; raises Rejected where it can't be told.

        What a video doesn't say of itself (metadata: minimal) is known where this daemon made it.
        """
        told = {name.lower(): text for name, text in tags.items()}
        if "reeldrop" not in told and (job := self._store.get(told.get("reeldrop_job", ""))) is not None:
            recipe = {"workflow": job.workflow, "seed": job.seed, "settings": job.settings, "inputs": job.inputs}
            told["reeldrop"] = json.dumps(recipe)
        return jobfile_of_recipe(told)

    def drop_of_video(self, tags: Mapping[str, str]) -> str | None:
        """Return the id of the drop that a video of ours came from, None where that isn't known here."""
        told = {name.lower(): text for name, text in tags.items()}
        job = self._store.get(told.get("reeldrop_job", ""))
        return job.drop if job is not None else None

    def find_all(self, home: str, job: JobFile, drop_id: str | None) -> dict[str, str]:
        """Return the key of each file that a job names, as far as one is there; `home` is its folder in the inbox."""
        places = ((name, self._lookup.find(home, name) or self.file_of(drop_id, name)) for name in named_files(job))
        return {name: key for name, key in places if key is not None}

    def identity(self, key: str) -> list[int]:
        """Return what tells the file of a key from another one later."""
        facts = self._lookup.facts(key)
        return [facts.size, facts.mtime_ns, facts.inode] if facts else [0, 0, 0]

    def file_of(self, drop_id: str | None, name: str) -> str | None:
        """Return the key of a file that a drop went back with, if it lies there unchanged; `name` as its job had it."""
        drop = self._store.drop(drop_id) if drop_id else None
        if drop is None or drop.record is None:
            return None
        for said, key, size, mtime_ns in _returned(drop.record):
            if fold(said) == fold(name):
                facts = self._lookup.facts(key)
                if facts is not None and (facts.size, facts.mtime_ns) == (size, mtime_ns):
                    return key
        return None


def drop_of_status(data: bytes) -> str | None:
    """Return the id of the drop that a status file tells of, None where it tells none."""
    try:
        drop_id = json.loads(data)["drop"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return drop_id if isinstance(drop_id, str) else None


def _returned(record: Mapping[str, Any]) -> Iterator[tuple[str, str, int, int]]:
    """Yield of each file that went back: its name for a job, its key, its size and time."""
    place = record.get("returning", {}).get("folder", "")
    own = record.get("folder")
    for entry in record.get("members", ()):
        said = entry["path"].removeprefix(f"{own}/") if own else PurePosixPath(entry["path"]).name
        below = f"{PurePosixPath(own).name}/{said}" if own else said
        yield said, f"{place}/{below}", entry["size"], entry["mtime_ns"]
    for path, (size, mtime_ns, _) in named_beside(record).items():
        name = PurePosixPath(path).name
        yield name, f"{place}/{name}", size, mtime_ns

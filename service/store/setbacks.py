"""Which groups of jobs failed alike, as rows, and which of them are held for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.cohorts import OWN_FAULT, Cohort, Name, after_failure, after_success, names_of, signature_of
from service.job import Job
from service.rows import sound
from service.store.connection import Connection

_COLUMNS = "kind, name, signature, failures, workflow, title, held_since"


class Setbacks(Connection):
    """Groups of jobs by workflow and by model."""

    def note_ending(self, job: Job, code: str | None, node_class: str = "", title: str = "") -> list[Cohort]:
        """
        Count how a job ended: `code` is its error's, None where it is done; returns the groups that are held from now.

        Of what is the job's own fault nothing is counted.
        """
        if code in OWN_FAULT:
            return []
        with self.transaction():
            known = [self._cohort(name) for name in names_of(job.workflow or "", job.models)]
            if code is None:
                now = after_success(known)
            else:
                now = after_failure(known, job.workflow or "", signature_of(code, node_class), sound(title))
            for before, after in zip(known, now, strict=True):
                if after != before:
                    self._save(after, was_held=before.held)
        return [after for before, after in zip(known, now, strict=True) if after.held and not before.held]

    def held_groups(self) -> list[Cohort]:
        """Return the groups that are held, the oldest first."""
        rows = self._rows(f"SELECT {_COLUMNS} FROM cohorts WHERE held_since IS NOT NULL ORDER BY held_since, name")
        return [_cohort_of(row) for row in rows]

    def release_group(self, kind: str, name: str) -> bool:
        """End a group's hold and forget its failures; return whether it was held."""
        with self.transaction():
            values = (kind, sound(name))
            held = self._rows("SELECT 1 FROM cohorts WHERE kind = ? AND name = ? AND held_since IS NOT NULL", values)
            self._connection.execute("DELETE FROM cohorts WHERE kind = ? AND name = ?", values)
            if held:
                self.log("group_resumed", detail=f"{kind} {name}")
        return bool(held)

    def _cohort(self, name: Name) -> Cohort:
        kind, text = name[0], sound(name[1])
        rows = self._rows(f"SELECT {_COLUMNS} FROM cohorts WHERE kind = ? AND name = ?", (kind, text))
        return _cohort_of(rows[0]) if rows else Cohort(kind, text)

    def _save(self, cohort: Cohort, *, was_held: bool) -> None:
        if cohort.held and not was_held:
            self.log("group_held", detail=f"{cohort.kind} {cohort.name}: {cohort.title}")
        self._connection.execute(
            f"""INSERT INTO cohorts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (kind, name) DO UPDATE SET signature = excluded.signature, failures = excluded.failures,
                workflow = excluded.workflow, title = excluded.title,
                held_since = coalesce(held_since, excluded.held_since)""",
            (
                cohort.kind, cohort.name, cohort.signature, cohort.failures, cohort.workflow, cohort.title,
                self._now() if cohort.held else None,
            ),
        )  # fmt: skip

    def groups_of(self, jobs: Sequence[Job]) -> dict[str, Cohort]:
        """Return, by job id, the held group that each of these jobs belongs to; none for those of no such group."""
        held = {cohort.key: cohort for cohort in self.held_groups()}
        found = {}
        for job in jobs if held else ():
            mine = (held[name] for name in names_of(job.workflow or "", job.models) if name in held)
            if (cohort := next(mine, None)) is not None:
                found[job.id] = cohort
        return found


def _cohort_of(row: Any) -> Cohort:
    values = dict(row)
    return Cohort(**{key: each for key, each in values.items() if key != "held_since"}, held=bool(values["held_since"]))

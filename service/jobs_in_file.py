"""One file, several jobs: YAML documents and `jobs:` with shared fields above it become one tree for each job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from service.errors import Problem
from service.strict_yaml import Document, Node, empty
from service.yaml_slips import quote

#: What one file may ask for, its takes counted.
MAX_JOBS = 1000

_LENGTHS = frozenset({"frames", "seconds"})


@dataclass(frozen=True)
class _Entry:
    """One job as it is written, and what is shared above it."""

    text: str
    own: Node
    shared: Node | None = None

    def filled(self) -> Document:
        return Document(self.text, _merged(self.shared, self.own) if self.shared else self.own, [])

    def takes(self) -> int:
        """How many takes it asks for; a count that is wrong is said elsewhere."""
        node = self.own.fields.get("count") or (self.shared and self.shared.fields.get("count"))
        takes = node.value() if node and node.kind == "whole" else 1
        return int(takes) if 1 <= takes <= MAX_JOBS else 1


def jobs_of(documents: Iterable[Document]) -> tuple[Iterator[Document], tuple[Problem, ...]]:
    """
    Return each job of a file as a document of its own, its shared fields filled in, and what is wrong with the lists.

    Documents that say nothing are passed over, unless none says anything. At most MAX_JOBS jobs come, each made when
    it is asked for: a thousand jobs below a thousand fields that don't exist would be a bomb.
    """
    entries: list[_Entry] = []
    problems: list[Problem] = []
    said = [document for document in documents if document.root.kind != "nothing"]
    for document in said:
        found, wrong = _of_document(document)
        entries += found
        problems += wrong
    if not said:
        problems.append(empty())
    problems += _too_many(entries)
    return (entry.filled() for entry in entries[:MAX_JOBS]), tuple(problems)


def _of_document(document: Document) -> tuple[list[_Entry], list[Problem]]:
    root, text = document.root, document.text
    if sum(item.kind == "fields" for item in root.items) > 1:
        # Read as what was meant, so that the mistakes in it are told too.
        problem = Problem("not_fields", "The file is a list, not fields.", "Write jobs: in a line above the list.")
        return [_Entry(text, item) for item in root.items if item.kind == "fields"], [
            problem.at(root.line, root.column)
        ]
    if root.kind != "fields" or "jobs" not in root.fields:
        return [_Entry(text, root)], []
    written, place = root.fields["jobs"], root.keys["jobs"]
    shared = _without(root, {"jobs"})
    entries: list[_Entry] = []
    problems: list[Problem] = []
    if written.kind == "list" and written.items:
        for number, item in enumerate(written.items, start=1):
            if item.kind == "fields":
                problems += _inner_jobs(item)
                entries.append(_Entry(text, _without(item, {"jobs"}), shared))
            elif item.kind != "refused":
                problems.append(_no_job(item, number))
    elif written.kind != "refused":
        problems.append(_no_list(written, place))
    # Where no job could be read, the shared fields are still looked at.
    return entries or [_Entry(text, shared)], problems


def _without(node: Node, names: set[str]) -> Node:
    fields = {name: value for name, value in node.fields.items() if name not in names}
    return replace(node, fields=fields, keys={name: node.keys[name] for name in fields})


def _merged(shared: Node, job: Node) -> Node:
    """Fill a job up with the shared fields: its own win, a length wins over the other length, output part by part."""
    outer = _without(shared, {*_LENGTHS}) if _LENGTHS & set(job.fields) else shared
    fields = {**outer.fields, **job.fields}
    pair = outer.fields.get("output"), job.fields.get("output")
    if pair[0] is not None and pair[1] is not None and {pair[0].kind, pair[1].kind} == {"fields"}:
        fields["output"] = _merged(pair[0], pair[1])
    return replace(job, fields=fields, keys={**outer.keys, **job.keys})


def _inner_jobs(job: Node) -> list[Problem]:
    if "jobs" not in job.keys:
        return []
    problem = Problem("bad_value", "jobs can't stand inside jobs.", "Write all jobs in one list.", field="jobs")
    return [problem.at(*job.keys["jobs"])]


def _no_list(written: Node, place: tuple[int, int]) -> Problem:
    fix = "Write each job below it, with a dash in front: - prompt: a harbour"
    if written.kind in ("nothing", "list"):
        return Problem("empty_field", "jobs holds no job.", f"{fix}, or take the line out.", field="jobs").at(*place)
    what = "fields" if written.kind == "fields" else "one value"
    return Problem("wrong_type", f"jobs must be a list, not {what}.", f"{fix}.", field="jobs").at(*place)


def _no_job(item: Node, number: int) -> Problem:
    text = item.text if item.kind not in ("list", "nothing") and item.text.strip() else "a harbour"
    short = text if len(text) <= 60 and "\n" not in text else "a harbour"
    fix = f"Write its fields: - prompt: {short if short.replace(' ', '').isalnum() else quote(short)}"
    return Problem("not_fields", f"Entry {number} of jobs is no job.", fix, field="jobs").at(item.line, item.column)


def _too_many(entries: list[_Entry]) -> Iterator[Problem]:
    total, over = 0, None
    for entry in entries:
        total += entry.takes()
        over = entry.own if over is None and total > MAX_JOBS else over
    if over is not None:
        title = f"The file asks for {total:,} jobs, and one file may ask for {MAX_JOBS:,}."
        yield Problem("too_many_jobs", title, "Drop several files.").at(over.line, over.column)

"""One file, several jobs: YAML documents, `jobs:` below shared fields, and matrices become one tree for each job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from service.errors import Problem
from service.matrix import matrix_of, named_in, without
from service.strict_yaml import Document, Node, empty
from service.yaml_slips import quote

#: What one file may ask for where config.yaml says nothing else, its takes and combinations counted.
MAX_JOBS = 1000
_UNCOUNTED = 10**12

_LENGTHS = frozenset({"frames", "seconds"})
#: Fields of which each part counts by itself.
_BY_PARTS = ("output", "sliders", "switches", "matrix")


@dataclass(frozen=True)
class _Entry:
    """One job as it is written, and what is shared above it."""

    text: str
    own: Node
    shared: Node | None = None

    def filled(self) -> Document:
        return Document(self.text, _merged(self.shared, self.own) if self.shared else self.own, [])

    def cells(self) -> int:
        """How many takes it asks for, combinations counted; a count that is wrong is said elsewhere."""
        node = self.own.fields.get("count") or (self.shared and self.shared.fields.get("count"))
        takes = node.value() if node and node.kind == "whole" else 1
        takes = int(takes) if 1 <= takes <= MAX_JOBS else 1
        # Of the shared fields only the matrix: filling in thousands for each of thousands of jobs would be a bomb.
        above = _only_matrix(self.shared) if self.shared else None
        if "matrix" not in self.own.fields and not (above and above.fields):
            return takes
        return takes * matrix_of(_Entry(self.text, self.own, above).filled()).count()


@dataclass(frozen=True)
class Asked:
    """One job that a file asks for: as a document of its own, and which of the jobs written it comes from."""

    document: Document
    #: Counted from 0; jobs of one matrix have the same.
    written: int
    #: What is wrong with its matrix.
    problems: tuple[Problem, ...] = ()


def jobs_of(documents: Iterable[Document], most: int = MAX_JOBS) -> tuple[Iterator[Asked], tuple[Problem, ...]]:
    """
    Return each job of a file as a document of its own, its shared fields filled in, and what is wrong with the lists.

    Documents that say nothing are passed over, unless none says anything. At most `most` jobs come, each made when
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
    problems += _too_many(entries, most)
    return islice(_each(entries, most), most), tuple(problems)


def _each(entries: Iterable[_Entry], most: int) -> Iterator[Asked]:
    for number, entry in enumerate(entries):
        job = entry.filled()
        matrix = matrix_of(job)
        for made in matrix.fill(job, most):
            yield Asked(made, number, matrix.problems)


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
    return replace(node, fields=fields, keys={name: node.keys[name] for name in fields if name in node.keys})


def _only_matrix(node: Node) -> Node:
    found = node.fields.get("matrix")
    if found is None:
        return replace(node, fields={}, keys={})
    return replace(node, fields={"matrix": found}, keys={"matrix": node.keys["matrix"]})


def _merged(shared: Node, job: Node) -> Node:
    """Fill a job up with the shared fields: its own win, a length wins over the other, output and such part by part."""
    outer = _without(shared, {*_LENGTHS}) if _LENGTHS & set(job.fields) else shared
    if (matrix := job.fields.get("matrix")) is not None:
        outer = _without(outer, {*named_in(matrix)})
    if (matrix := outer.fields.get("matrix")) is not None and matrix.kind == "fields":
        left = without(matrix, job)
        outer = replace(outer, fields={**outer.fields, "matrix": left}) if left.fields else _without(outer, {"matrix"})
    fields = {**outer.fields, **job.fields}
    for name in _BY_PARTS:
        pair = outer.fields.get(name), job.fields.get(name)
        if pair[0] is not None and pair[1] is not None and {pair[0].kind, pair[1].kind} == {"fields"}:
            fields[name] = _merged(pair[0], pair[1])
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


def _too_many(entries: list[_Entry], most: int) -> Iterator[Problem]:
    total, over = 0, None
    for entry in entries:
        total += entry.cells()
        over = entry.own if over is None and total > most else over
    if over is not None:
        asked = f"{total:,}" if total < _UNCOUNTED else "countless"
        title = f"The file asks for {asked} jobs, and one file may ask for {most:,}."
        fix = "Ask for fewer, or divide them among several files."
        yield Problem("too_many_jobs", title, fix).at(over.line, over.column)

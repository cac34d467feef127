"""A job file becomes the settings of its jobs, or every mistake in it with its place and cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.declaration import in_order, json_plain, nearest
from service.errors import Problem, Rejected
from service.job_fields import BOTH_LENGTHS, PROMPT_MAX, SEED_MAX, SYNONYMS, UNBUILT, JobSettings, Sliders
from service.job_output import Output
from service.jobs_in_file import MAX_JOBS, jobs_of
from service.matrix import PROMPTS, as_prompt
from service.plain_text import decode as decode_text
from service.recurrence import Recurrence
from service.strict_yaml import MAX_PROBLEMS, Document, Node, read_all
from service.strict_yaml import read as read_yaml
from service.typed_yaml import read, read_partly
from service.yaml_slips import quote

__all__ = [
    "MAX_JOBS", "PROMPT_MAX", "SEED_MAX", "UNBUILT", "Draft", "JobFile", "JobSettings", "Output", "Sliders",
    "draft", "expand", "from_text", "named_files", "parse", "recurrence_of", "schema", "without_file",
]  # fmt: skip

Place = tuple[int, int]


@dataclass(frozen=True)
class JobFile:
    """One job file read: the settings of each of its jobs, in the order written, and where each field stands."""

    jobs: tuple[JobSettings, ...]
    #: For each job, line and column of its fields; parts of output as "output.name".
    places: tuple[Mapping[str, Place], ...]
    #: Where each job begins.
    starts: tuple[Place, ...]
    #: Whether nobody wrote it: it is what a status file or a result of ours tells of an earlier job.
    again: bool = False
    #: For each job, which of the jobs written (counted from 0) it comes from; empty where each is one of its own.
    written: tuple[int, ...] = ()

    @property
    def settings(self) -> JobSettings:
        """The settings of the first job, which is mostly the only one."""
        return self.jobs[0]

    def written_as(self, number: int) -> int:
        """Return which of the jobs written a job comes from, both counted from 0: a matrix makes several of one."""
        return self.written[number] if self.written else number

    def place(self, name: str, number: int = 0) -> Place:
        """Return line and column of a job's field; of the job's beginning where it isn't written."""
        return self.places[number].get(name, self.starts[number])

    def placed(self, problems: Iterable[Problem], number: int = 0) -> tuple[Problem, ...]:
        """Return problems found later in a job (counted from 0) with the places of the fields that they name."""
        return tuple(self._placed(problem, number) for problem in problems)

    def _placed(self, problem: Problem, number: int) -> Problem:
        if problem.line is not None:
            return problem
        if problem.field in self.places[number]:
            return problem.at(*self.places[number][problem.field or ""])
        # Of several jobs it must be said which one is meant.
        return problem.at(*self.starts[number]) if len(self.jobs) > 1 else problem


@dataclass(frozen=True)
class Draft:
    """A job file read as far as it goes: each job without the fields that are wrong, and everything that is wrong."""

    file: JobFile
    problems: tuple[Problem, ...] = ()
    #: For each job, the names of its fields that are wrong and so left out.
    broken: tuple[frozenset[str], ...] = (frozenset(),)


def parse(data: bytes, most: int = MAX_JOBS) -> JobFile:
    """Read a job file of at most so many jobs; raise Rejected with every mistake of every job, its place and cure."""
    read_so_far = draft(data, most)
    if read_so_far.problems:
        raise Rejected(*read_so_far.problems)
    return read_so_far.file


def draft(data: bytes, most: int = MAX_JOBS) -> Draft:
    """Read a job file of at most so many jobs as far as it goes; raise Rejected where nothing of it can be read."""
    documents = read_all(data)
    jobs, wrong = jobs_of(documents, most)
    problems = [*(problem for document in documents for problem in document.problems), *wrong]
    settings: list[JobSettings] = []
    broken: list[frozenset[str]] = []
    roots: list[Node] = []
    written: list[int] = []
    for job in jobs:
        made, found, bad = _read_one(job.document)
        settings.append(made)
        broken.append(bad)
        roots.append(job.document.root)
        written.append(job.written)
        if found or job.problems:
            # What is wrong with a shared field is wrong in every job, and said once.
            problems = list(dict.fromkeys((*problems, *job.problems, *found)))
        if len(problems) >= MAX_PROBLEMS:
            break
    if not any(problem.field in ("start_at", "every") for problem in problems):
        problems += _several_times(settings, roots)
    problems = list(in_order(problems)[:MAX_PROBLEMS])
    if not settings:
        raise Rejected(*problems)
    places = tuple(map(_places, roots))
    starts = tuple((root.line, root.column) for root in roots)
    file = JobFile(tuple(settings), places, starts, written=tuple(written))
    return Draft(file, tuple(problems), tuple(broken))


def recurrence_of(job: JobFile) -> Recurrence:
    """Return when the jobs of a file are to start: all of them at once."""
    return Recurrence(job.settings.start_at, job.settings.every)


def from_text(text: str | bytes) -> JobFile:
    """Read a plain text file, whose whole text is the prompt; raise Rejected if it can't be one."""
    words = (decode_text(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")).strip()
    if not words:
        raise Rejected(Problem("empty", "The text file is empty.", "Write the prompt into it."))
    document = read_yaml(b"prompt: x")
    prompt = replace(document.root.fields["prompt"], kind="text", text=words, block=True, line=1, column=1)
    document.root.fields["prompt"] = prompt
    settings, problems = read(JobSettings, document, {})
    if settings is None:
        raise Rejected(*problems)
    return _single(settings)


def without_file() -> JobFile:
    """Return the job of media that was dropped alone: nothing set."""
    return _single(JobSettings.model_validate({}))


def expand(settings: JobSettings) -> tuple[JobSettings, ...]:
    """Return the single jobs that count asks for: take k has seed + k - 1; the seed must be set for more than one."""
    if settings.count is None:
        return (settings,)
    if settings.count > 1 and settings.seed is None:
        raise ValueError("draw a seed before expanding count")
    takes = range(settings.count)
    return tuple(settings.model_copy(update={"count": None, "seed": _seed(settings.seed, take)}) for take in takes)


def named_files(job: JobFile) -> tuple[str, ...]:
    """Return the files that the jobs of a file name themselves, as written, each once."""
    return tuple(dict.fromkeys(name for settings in job.jobs for name in settings.named_media().values()))


def schema() -> dict[str, Any]:
    """Return the JSON schema of a job file, for editors."""
    job: dict[str, Any] = json_plain(JobSettings.model_json_schema())
    inner = job.pop("$defs", {})
    one_length = {"not": {"required": ["frames", "seconds"]}}
    entries = {
        "type": "array",
        "items": {"$ref": "#/$defs/Job"},
        "minItems": 1,
        "maxItems": MAX_JOBS,
        "description": "Several jobs in one file; the fields above count as being in each of them.",
    }
    return {
        **job,
        **one_length,
        "title": "Reeldrop job file",
        "description": "What one video shall be, or, under jobs, several.",
        "properties": {**job["properties"], "jobs": entries},
        "$defs": {**inner, "Job": {**job, **one_length, "title": "Job", "description": "One of several jobs."}},
    }


def _single(settings: JobSettings) -> JobFile:
    return JobFile((settings,), ({},), ((1, 1),))


def _seed(first: int | None, take: int) -> int | None:
    return first if first is None else (first + take) % (SEED_MAX + 1)


def _places(root: Node) -> dict[str, Place]:
    parts = ((name, root.fields[name].keys) for name in ("output", "sliders", "switches") if name in root.fields)
    return {**root.keys, **{f"{name}.{inner}": place for name, keys in parts for inner, place in keys.items()}}


def _read_one(job: Document) -> tuple[JobSettings, tuple[Problem, ...], frozenset[str]]:
    for name in PROMPTS:
        if name in job.root.fields:
            job.root.fields[name] = as_prompt(job, job.root.fields[name])
    made, problems, bad = read_partly(JobSettings, job, UNBUILT, SYNONYMS)
    problems = (*problems, *_cut_texts(job), *_both_lengths(job, problems))
    # Who writes "promt" is told that, and not that the prompt is missing.
    unknown = (problem.field for problem in problems if problem.code == "unknown_field" and problem.field)
    meant = {
        near for name in unknown if (near := nearest(name, JobSettings.model_fields) or SYNONYMS.get(name)) is not None
    }
    return made or JobSettings.model_validate({}), problems, bad | meant


def _several_times(jobs: Sequence[JobSettings], roots: Sequence[Node]) -> Iterator[Problem]:
    """A file rests, and comes up again, as a whole."""
    for job, root in zip(jobs, roots, strict=True):
        if (job.start_at, job.every) != (jobs[0].start_at, jobs[0].every):
            field = "every" if job.every != jobs[0].every else "start_at"
            fix = f"Write {field} above them, or give each a file of its own."
            problem = Problem("conflict", f"The jobs of one file have several values of {field}.", fix, field=field)
            yield problem.at(*root.keys.get(field, (root.line, root.column)))
            return


def _both_lengths(document: Document, found: Iterable[Problem]) -> Iterable[Problem]:
    """The declaration looks at two fields together only when each is right; people want to hear all at once."""
    keys = document.root.keys
    if "frames" in keys and "seconds" in keys and all(problem.code != "conflict" for problem in found):
        yield Problem("conflict", BOTH_LENGTHS["title"], BOTH_LENGTHS["fix"], field="seconds").at(*keys["seconds"])


def _cut_texts(document: Document) -> Iterable[Problem]:
    """A # after a space begins a comment: nobody who writes #ff0000 into a prompt means one."""
    for name, node in document.root.fields.items():
        if name in JobSettings.model_fields and node.kind == "text" and (lost := document.swallowed(node)):
            title = f"'{lost}' in {name} would be taken for a comment and lost."
            fix = f"Put the text in quotes: {name}: {quote(node.text + ' ' + lost)} (for a comment: a space after #)."
            yield Problem("cut_text", title, fix, field=name).at(node.line, node.column)

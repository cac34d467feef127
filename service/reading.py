"""Reading a drop: its text and the names beside it → what is to be rendered from what, or every reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

from service import again, jobfile
from service.catalogue import Library
from service.choosing import choose
from service.declaration import in_order
from service.errors import Problem, Rejected
from service.job import MediaKind
from service.jobfile import MAX_JOBS, Draft, JobFile, JobSettings, named_files
from service.matrix import PROMPTS
from service.presets import Preset, preset_of
from service.roles import Cast, Dropped, Missing, cast
from service.strict_yaml import MAX_PROBLEMS
from service.wildcards import unknown
from service.workflow import Workflow, check

__all__ = ["Dropped", "Library", "Missing", "Reading", "named_files", "parse", "read"]


#: So much text may be remembered.
_SHORT_BYTES = 8192


@dataclass(frozen=True)
class Reading:
    """What one job of a drop asks for; its count is not expanded."""

    job: JobFile
    #: Which of the file's jobs it is, counted from 0.
    number: int
    #: The job's own settings, and its preset's where it is silent.
    settings: JobSettings
    preset: str | None
    workflow: Workflow
    why: str
    #: role → the file that plays it: a name that the drop owns, or the name as the job has it.
    roles: Mapping[str, str]
    #: What of the preset this workflow doesn't take, a sentence each.
    left_out: tuple[str, ...] = ()
    #: The same job by the later workflows of its task that take it too, for where no backend can run this one.
    others: tuple[Reading, ...] = ()


def parse(kind: str, text: bytes | None, most: int = MAX_JOBS) -> JobFile:
    """Return the jobs, at most so many, that a drop's own text is; raises Rejected."""
    made = _draft(kind, text, most)
    if made.problems:
        raise Rejected(*made.problems)
    return made.file


def read(dropped: Dropped, library: Library, job: JobFile | None = None) -> tuple[Reading, ...]:
    """
    Return what a drop asks for, one reading for each job in its file; `job` is its text where that is parsed already.

    Raises Rejected with every mistake of every job, or Missing for media that may still come.
    """
    library = library.now()
    if dropped.kind == "again":
        dropped = replace(dropped, media=_taken(dropped, library))
    draft = (
        Draft(job, (), (frozenset(),) * len(job.jobs))
        if job is not None
        else _draft(dropped.kind, dropped.text, library.max_cells)
    )
    readings: list[Reading] = []
    problems: list[Problem] = []
    missing: Missing | None = None
    owned = (dropped.owned(file) for file in named_files(draft.file))
    named = frozenset(file for file in owned if file is not None)
    for number in range(len(draft.file.jobs)):
        reader = _Reader(dropped, library, draft.file, number, named)
        try:
            readings.append(reader.read())
        except Rejected as refusal:
            problems += (each for each in refusal.problems if each.field not in draft.broken[number])
        except Missing as still:
            missing = missing or still
        if len(problems) > MAX_PROBLEMS:
            break
    everything = tuple(dict.fromkeys((*draft.problems, *problems)))
    if everything:
        placed = in_order(each for each in everything if each.line)
        raise Rejected(*(*placed, *(each for each in everything if not each.line))[:MAX_PROBLEMS])
    if missing is not None:
        raise missing
    return tuple(readings)


def _taken(dropped: Dropped, library: Library) -> tuple[str, ...]:
    """Return the media that can play a role in the task; beside a status file of ours lies its result, which can't."""
    kinds = {kind for flow in library.of(dropped.task) for kind in flow.roles.values()}
    return tuple(file for file in dropped.media if kinds.intersection(dropped.kinds(file)))


def _draft(kind: str, text: bytes | None, most: int) -> Draft:
    # A drop is read when it is looked at, and once more from the bytes that were claimed: mostly the same ones.
    return (_read_lately if text is not None and len(text) <= _SHORT_BYTES else _read_anew)(kind, text, most)


@lru_cache(maxsize=256)
def _read_lately(kind: str, text: bytes | None, most: int) -> Draft:
    return _read_anew(kind, text, most)


def _read_anew(kind: str, text: bytes | None, most: int) -> Draft:
    if kind == "media":
        return Draft(jobfile.without_file())
    if text is None:
        # Whoever has no text because it is refused must not get the job of an empty one.
        raise Rejected(Problem("not_readable", "What the file says can't be read.", "Correct it and drop it again."))
    if kind == "again":
        return Draft(again.jobfile_of_status(text))
    if kind == "text":
        return Draft(jobfile.from_text(text))
    return jobfile.draft(text, most)


@dataclass(frozen=True)
class _Trial:
    """What came of trying one workflow for a job."""

    flow: Workflow
    cast: Cast
    refusals: tuple[Problem, ...]


@dataclass(frozen=True)
class _Reader:
    """One job of a drop, tried with each workflow of its task."""

    dropped: Dropped
    library: Library
    file: JobFile
    number: int
    #: Files of its own that a job of the file names: they play only where they are named.
    named: frozenset[str]

    @property
    def job(self) -> JobSettings:
        return self.file.jobs[self.number]

    def read(self) -> Reading:
        """Return the reading by the first workflow that takes everything; raises Rejected or Missing."""
        preset: Preset | None = None
        wrong: list[Problem] = []
        try:
            preset = preset_of(self.job, self.dropped.grouping, self.library.presets)
        except Rejected as refusal:
            wrong += refusal.problems
        try:
            reading = self._with(preset)
            if not wrong:
                return reading
        except Rejected as refusal:
            wrong += refusal.problems
        except Missing:
            if not wrong:
                raise
        raise Rejected(*self.file.placed(wrong, self.number))

    def _with(self, preset: Preset | None) -> Reading:
        """Read with the workflow that a preset names, or, where that doesn't take the job, without it."""
        flows = self._flows()
        wanted = preset.settings.get("workflow") if preset is not None and self.job.workflow is None else None
        if preset is None or wanted is None:
            return self._of(flows, preset)
        try:
            return self._of(
                [flow for flow in flows if flow.name == wanted], preset, f"named by the preset {preset.name}"
            )
        except (Rejected, Missing):
            reading = self._of(flows, preset)
            told = f"workflow of the preset {preset.name} is left out: {wanted} doesn't take this job"
            return replace(reading, left_out=(told, *reading.left_out))

    def _flows(self) -> list[Workflow]:
        task, wanted = self.dropped.task, self.job.workflow
        flows = self.library.of(task)
        if not flows:
            folders = ", ".join(f"inbox/{each}/" for each in self.library.tasks if self.library.of(each))
            title = f"No workflow for {task} is built yet."
            raise Rejected(Problem("not_built_yet", title, f"Drop it into one of: {folders}."))
        if wanted is None:
            return flows
        chosen = self.library.workflows.get(wanted)
        if chosen is None or (chosen.task != task and wanted not in self.library.tasks[task]):
            self._choose(wanted, {})
        return [self.library.workflows[wanted]]

    def _of(self, flows: Sequence[Workflow], preset: Preset | None, why: str | None = None) -> Reading:
        trials = [self._try(flow) for flow in flows]
        if self.dropped.kind == "media":
            trials = self._alone(trials)
        fitting = [trial for trial in trials if not trial.refusals]
        complete = [trial for trial in fitting if trial.cast.missing is None]
        if not complete:
            raise self._obstacle(fitting, trials, preset)
        chosen, *others = complete
        reading = self._by(chosen, flows, preset, why)
        return replace(reading, others=self._by_others(others, flows, preset)) if others else reading

    def _by(self, trial: _Trial, flows: Sequence[Workflow], preset: Preset | None, why: str | None = None) -> Reading:
        settings, left_out, problems = self._settled(trial.flow, preset)
        missing = (unknown(getattr(settings, name) or "", self.library.wildcards, name) for name in PROMPTS)
        if wrong := (*problems, *chain.from_iterable(missing)):
            raise Rejected(*wrong)
        name = preset.name if preset is not None else None
        why = why or self._why(trial.flow, flows)
        return Reading(self.file, self.number, settings, name, trial.flow, why, trial.cast.roles, left_out)

    def _by_others(
        self, trials: Sequence[_Trial], flows: Sequence[Workflow], preset: Preset | None
    ) -> tuple[Reading, ...]:
        found = []
        for trial in trials:
            with suppress(Rejected):
                found.append(self._by(trial, flows, preset))
        return tuple(found)

    def _obstacle(self, fitting: Sequence[_Trial], trials: Sequence[_Trial], preset: Preset | None) -> Exception:
        """What keeps a job from every workflow: media that may come, unless there are mistakes to correct first."""
        for trial in fitting:
            if not self._settled(trial.flow, preset)[2] and trial.cast.missing is not None:
                return trial.cast.missing
        nearest = min(trials, key=lambda trial: len(trial.refusals), default=None)
        if nearest is None:
            return Rejected(Problem("field_not_taken", "No workflow takes this job.", "Take workflow out."))
        # Who dropped a file where nothing takes it must hear where to drop it, not what a job there would need.
        others = self._settled(nearest.flow, preset)[2] if self.dropped.kind != "media" else ()
        return Rejected(*dict.fromkeys((*nearest.refusals, *others)))

    def _try(self, flow: Workflow) -> _Trial:
        takers = {kind: self.library.tasks_for(kind) for kind in MediaKind}
        made = cast(self.dropped, flow, self.job, self.named, takers)
        try:
            self._choose(flow.name, made.kinds)
            refused: tuple[Problem, ...] = ()
        except Rejected as refusal:
            refused = tuple(problem for problem in refusal.problems if problem.code != "media_missing")
        return _Trial(flow, made, (*made.problems, *refused))

    def _choose(self, wanted: str, media: Mapping[str, MediaKind]) -> None:
        """Raise Rejected with what a workflow refuses of the job, or because there is none such for the task."""
        order = self.library.tasks[self.dropped.task]
        asked = self._job_for(wanted).parts()
        choose(list(self.library.workflows.values()), self.dropped.task, order, wanted, media, asked)

    def _job_for(self, workflow: str) -> JobSettings:
        """Return the job; what is told of an earlier one has a seed, and every switch, even where no job sets them."""
        flow = self.library.workflows.get(workflow)
        if not self.file.again or flow is None:
            return self.job
        switches = self.job.switches or {}
        kept = {name: on for name, on in switches.items() if f"switches.{name}" in flow.fields}
        changed: dict[str, Any] = {} if "seed" in flow.fields else {"seed": None}
        return self.job.model_copy(update={**changed, "switches": kept or None})

    def _alone(self, trials: list[_Trial]) -> list[_Trial]:
        """Media alone is a job where the default workflow needs exactly that file and no word; else it waits."""
        first = trials[:1]
        if any(not trial.refusals for trial in trials) and (
            first[0].refusals
            or len(first[0].flow.required_roles) != 1
            or first[0].flow.needs_prompt
            or first[0].flow.needs_consent
        ):
            title = f"{self.dropped.task} needs more than {self.dropped.name} alone."
            what = (
                "consent: true, if everyone shown has agreed"
                if first[0].flow.needs_consent
                else "what the job shall be"
            )
            raise Missing(title, f"Drop {self.dropped.name}.yaml beside it, with {what}.")
        return first

    def _why(self, chosen: Workflow, flows: Sequence[Workflow]) -> str:
        if self.job.workflow is not None:
            return "named by the job"
        taken = "" if chosen is flows[0] else " that takes everything that the job sets"
        return f"first of {self.dropped.task}'s list{taken}"

    def _settled(
        self, flow: Workflow, preset: Preset | None
    ) -> tuple[JobSettings, tuple[str, ...], tuple[Problem, ...]]:
        """Return the settings with the preset's below, what of it is left out, and what is wrong with the job's own."""
        job, defaults = self._job_for(flow.name), self.library.defaults
        if preset is None:
            return job, (), check(flow, job, defaults)
        left: dict[str, str] = {}
        for name in preset.own(job):
            if name not in flow.fields:
                left[name] = f"{flow.name} takes no {name}"
        while True:
            settings = preset.below(job, without=left)
            problems = check(flow, settings, defaults)
            ours = {each.field: each.title.rstrip(".") for each in problems if each.field in preset.own(job)}
            beyond = {name: title for name, title in ours.items() if name is not None and name not in left}
            if not beyond:
                sentences = (f"{name} of the preset {preset.name} is left out: {why}" for name, why in left.items())
                return settings, tuple(sentences), problems
            left |= beyond

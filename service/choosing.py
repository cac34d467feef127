"""Which workflow a job gets: the one that it names, or the first of its task that takes all that it brings and sets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from service.adult_workflow import ADULT_TASK, ADULT_WORKFLOW
from service.declaration import did_you_mean
from service.errors import Problem, Rejected
from service.job import MediaKind
from service.workflow import Workflow, media_missing, not_taken


def choose(
    workflows: Sequence[Workflow],
    task: str,
    order: Sequence[str],
    wanted: str | None,
    media: Mapping[str, MediaKind],
    fields: Collection[str],
) -> tuple[Workflow, str]:
    """
    Return the workflow for a job and why it was chosen.

    That is the one that the job names, or the first of the task's list that takes its media (by role) and every field
    that it sets. Raises Rejected with what the nearest one refuses; code media_missing means that media may still come.
    """
    known = {workflow.name: workflow for workflow in workflows}
    if wanted is not None:
        chosen = _named(known, wanted, task, order)
        problems = _unavailable(chosen) or _refusals(chosen, media, fields)
        if problems:
            raise Rejected(*problems)
        return chosen, "named by the job"
    candidates = [known[name] for name in order if name in known and not _unavailable(known[name])]
    if not candidates:
        raise Rejected(Problem("not_built_yet", f"No workflow for {task} is built yet.", "Use another task's folder."))
    refusals = [_refusals(candidate, media, fields) for candidate in candidates]
    for candidate, refusal in zip(candidates, refusals, strict=True):
        if not refusal:
            taken = "" if candidate is candidates[0] else " that takes everything that the job sets"
            return candidate, f"first of {task}'s list{taken}"
    raise Rejected(*min(refusals, key=len))


def _named(known: Mapping[str, Workflow], wanted: str, task: str, order: Sequence[str]) -> Workflow:
    if wanted not in known:
        fix = did_you_mean(wanted, list(known), f"The workflows are: {', '.join(sorted(known))}.")
        raise Rejected(Problem("unknown_workflow", f"There is no workflow {wanted!r}.", fix, field="workflow"))
    chosen = known[wanted]
    if wanted == ADULT_WORKFLOW and task != ADULT_TASK:
        title = f"{ADULT_WORKFLOW} runs in inbox/{ADULT_TASK}/ alone, which is there if the operator has enabled it."
        raise Rejected(Problem("adult_workflow", title, "Drop the job there, or name another.", field="workflow"))
    if chosen.task != task and wanted not in order:
        title = f"The workflow {wanted} belongs to {chosen.task}, not to {task}."
        raise Rejected(Problem("wrong_task", title, f"Drop the job into inbox/{chosen.task}/.", field="workflow"))
    return chosen


def _unavailable(workflow: Workflow) -> list[Problem]:
    if workflow.manifest.unavailable is None:
        return []
    title = f"{workflow.name} can't be run: {workflow.manifest.unavailable}"
    return [Problem("workflow_unavailable", title, "Name another workflow, or take the line out.", field="workflow")]


def _refusals(workflow: Workflow, media: Mapping[str, MediaKind], fields: Collection[str]) -> list[Problem]:
    problems = [not_taken(workflow, name) for name in sorted(fields) if name not in workflow.fields]
    for role, kind in media.items():
        wanted = workflow.roles.get(role)
        if wanted is None and role not in fields:
            title = f"{workflow.name} takes no {kind} as {role}."
            problems.append(Problem("media_unwanted", title, "Drop the job without it."))
        elif wanted is not None and wanted is not kind:
            title = f"{workflow.name} takes a {wanted} as {role}, not a {kind}."
            problems.append(Problem("media_kind", title, f"Drop a {wanted} in its place."))
    return [*problems, *(media_missing(workflow, role) for role in sorted(workflow.required_roles - set(media)))]

"""Again: the job that a status file or a result of ours tells of, to be run once more; its graph is never taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from service.alternatives import escaped
from service.errors import Problem, Rejected
from service.job import State
from service.job_fields import ROLES, JobSettings
from service.job_output import Output
from service.jobfile import JobFile, draft
from service.matrix import PROMPTS
from service.plain_text import MAX_BYTES

#: What a status or a recipe may tell of a job; a name and a priority belong to the earlier one, and consent is never
#: taken from a file that anybody can write: the database knows whether it was given.
_TAKEN = frozenset(JobSettings.model_fields) - {
    *ROLES, "preset", "count", "priority", "output", "rerun", "workflow", "consent", "matrix", "start_at",
    "every",
}  # fmt: skip
_DROP_A_JOB = "Drop a job file instead."


def jobfile_of_status(data: bytes) -> JobFile:
    """
    Return the job that a NAME.status.json of ours tells of, with the settings and the seed that it ran with.

    It is rendered though the same exists. Raises Rejected where the file isn't ours, or is a batch's, or tells no job.
    """
    if len(data) > MAX_BYTES:
        raise Rejected(Problem("too_large", "The file is larger than 1 MB.", _DROP_A_JOB))
    status = _json(data)
    if not _is_status(status):
        title = "The file is named like a status file of Reeldrop, and isn't one."
        raise Rejected(Problem("not_ours", title, "Rename it, for example NAME.yaml, if it is a job file."))
    if status["kind"] == "batch":
        title = "The status file is a batch's, and only single jobs can be run again by theirs."
        raise Rejected(Problem("not_a_job", title, "Drop the job file again, or the status file of one of its jobs."))
    if not status["settings"] or not isinstance(status.get("workflow"), str):
        title = "The status file tells no settings: its job ended before they were known."
        raise Rejected(Problem("not_a_job", title, "Drop its job file again; inbox/rejected/ has it."))
    return _job(status)


def jobfile_of_recipe(tags: Mapping[str, str]) -> JobFile | None:
    """
    Return the job that made a video, by the metadata in it; None for a video that isn't ours.

    Raises Rejected where it is ours and doesn't say how it was made, or says what no job may.
    """
    known = {name.lower(): text for name, text in tags.items()}
    text, ours = known.get("reeldrop"), "reeldrop_job" in known
    if text is None and not ours:
        return None
    if text is not None and len(text) > MAX_BYTES:
        raise Rejected(Problem("too_large", "What the video says of itself is larger than 1 MB.", _DROP_A_JOB))
    recipe = _json(text) if text is not None else None
    if not isinstance(recipe, dict) or not isinstance(recipe.get("settings"), dict) or not recipe["settings"]:
        if not ours:
            return None
        title = "The video doesn't say how it was made: it has only the minimal metadata."
        raise Rejected(Problem("no_recipe", title, "Drop its NAME.status.json or its job file instead."))
    return _job(recipe)


def job_text_of_recipe(tags: Mapping[str, str]) -> str | None:
    """
    Return the job file of the job that made a video, by the metadata in it; None for a video that isn't ours.

    It can be dropped as it is; where its result still lies there, that one stands for it. Raises Rejected where it is
    ours and doesn't say how it was made, or says what no job may.
    """
    job = jobfile_of_recipe(tags)
    if job is None:
        return None
    asked = job.settings.model_dump(exclude_none=True, exclude={"rerun", "start_at", "every"}, mode="json")
    # What doesn't show, or turns a line around, is written as an escape.
    shows = str(asked).isprintable()
    text: str = yaml.safe_dump(asked, sort_keys=False, allow_unicode=shows, width=110)
    return text


def _json(text: bytes | str) -> Any:
    """Return what JSON says, and None for anything that is no JSON; numbers too long to read are none either."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_status(status: Any) -> bool:
    return (
        isinstance(status, dict)
        and status.get("schema") == 1
        and status.get("kind") in ("job", "batch")
        and isinstance(status.get("job"), str)
        and status.get("state") in {str(state) for state in State}
        and isinstance(status.get("settings"), dict)
    )


def _job(told: Mapping[str, Any]) -> JobFile:
    """Read the fields that are a job's as if somebody had written them into a job file."""
    settings: dict[str, Any] = {
        name: value for name, value in told["settings"].items() if name in _TAKEN and value is not None and value != ""
    }
    if "frames" in settings:
        # They say the same, and the frames exactly.
        settings.pop("seconds", None)
    for name in ("seed", "workflow"):
        if told.get(name) is not None:
            settings[name] = told[name]
    for name in PROMPTS:
        if isinstance(settings.get(name), str):
            # What was rendered is what its alternatives had become: they are not chosen again.
            settings[name] = escaped(settings[name])
    output = told["settings"].get("output")
    if isinstance(output, dict):
        # Who kept something out of the first result, or wanted it otherwise, wants the second so too; its name is new.
        wish = {name: output[name] for name in Output.model_fields if name in output and name != "name"}
        settings |= {"output": wish} if wish else {}
    made = draft(json.dumps({**settings, **_media(told.get("inputs")), "rerun": True}).encode())
    if made.problems:
        raise Rejected(*(replace(problem, line=None, column=None) for problem in made.problems))
    return JobFile(made.file.jobs, ({},), ((1, 1),), again=True)


def _media(inputs: Any) -> dict[str, Any]:
    """The files that the job worked on, as named by its roles."""
    entries = [each for each in inputs if isinstance(each, dict)] if isinstance(inputs, list) else []
    return {each["role"]: each.get("file") for each in entries if each.get("role") in ROLES}

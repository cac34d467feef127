"""Which job comes next: the higher priority first, then the order of arrival."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from service.job import Job, State


def next_job(jobs: Iterable[Job], backend: str, busy: Collection[str]) -> Job | None:
    """Return the job that this backend takes up now, or None.

    A running job of this backend that nobody works on (an earlier life left it) goes before every queued one: its
    prompt may be in the server already.
    """
    free = [job for job in jobs if job.id not in busy and job.kind == "job"]
    for job in free:
        if job.state is State.RUNNING and job.backend == backend:
            return job
    queued = [job for job in free if job.state is State.QUEUED]
    return min(queued, key=lambda job: (-job.priority, job.number), default=None)

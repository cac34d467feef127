"""A report: what a server says of one job on the way becomes progress, previews and a hold where it stands still."""

from __future__ import annotations

from collections.abc import Callable

from service.comfy.protocol import Event, Preview, Progress
from service.connection import PREVIEW_ENGINE
from service.job import Hold, Job
from service.pursuit import Lingering, Moved, Stalled
from service.register import Register
from service.store import utc_now

#: Fetching, verifying, screening and publishing are the rest of a job's progress.
_RENDER_SHARE = 0.95
#: Before this much is done, loading models says nothing about how long the rest takes.
_ETA_FROM = 0.1


class Report:
    """What the server says of one job on the way: progress with the time that is left, previews."""

    def __init__(
        self,
        register: Register,
        preview: Callable[[Job, bytes], None],
        job: Job,
        monotonic: Callable[[], float],
        embedded: bool,  # noqa: FBT001  of its server, which decides who restarts it
    ) -> None:
        self._register = register
        self._preview = preview
        self._job = job
        self._monotonic = monotonic
        self._whom = "Reeldrop" if embedded else "ComfyUI"
        self._began_s = monotonic()
        #: A render that is followed again, or sent again, goes on from what was shown: never backwards.
        self._highest = self._began_at = job.progress
        self._shown: tuple[float, str] | None = None

    def __call__(self, event: Event | Stalled | Moved | Lingering) -> None:
        """Pass one event on; one that found no room is made up for by the next look at the server."""
        if isinstance(event, Progress):
            self._highest = max(self._highest, event.fraction * _RENDER_SHARE)
            now = (self._highest, self._stage(event))
            if now != self._shown and self._register.progress(self._job.id, *now, self._eta()):
                self._shown = now
        elif isinstance(event, Preview):
            self._preview(self._job, event.data)
        elif isinstance(event, Stalled):
            long = f"{event.seconds / 60:.0f} minutes" if event.seconds >= 120 else f"{event.seconds:g} seconds"
            title = f"The server says that it renders this job, but nothing has moved for {long}."
            fix = f"Restart {self._whom}; the job is sent again by itself."
            self._register.hold(self._job.id, Hold("stalled", title, fix, utc_now()))
        elif isinstance(event, Lingering):
            title = "The server has been asked to stop this job, and has not stopped yet."
            fix = f"It stops at its next step; if it hangs, restart {self._whom}."
            self._register.hold(self._job.id, Hold("cancelling", title, fix, utc_now()))
        elif isinstance(event, Moved):
            self._register.hold(self._job.id, None)

    def _stage(self, event: Progress) -> str:
        # Nobody who reads it has a ComfyUI where our own engine draws.
        ours = (self._job.engine or "").startswith(PREVIEW_ENGINE)
        return event.stage.replace("ComfyUI's queue", "the preview engine's queue") if ours else event.stage

    def _eta(self) -> int | None:
        elapsed_s, done = self._monotonic() - self._began_s, self._highest - self._began_at
        if done < _ETA_FROM or elapsed_s < 1:
            return None
        return max(1, round(elapsed_s * (1 - self._highest) / done))

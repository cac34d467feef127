"""A report: what a server says of one job on the way becomes progress, previews and a hold where it stands still."""

from __future__ import annotations

from collections.abc import Callable

from service import durations, parts
from service.comfy.protocol import Event, NodeBegan, NodeEnded, Preview, Progress, Started
from service.connection import PREVIEW_ENGINE
from service.job import Hold, Job
from service.pursuit import Lingering, Moved, Stalled
from service.register import Register
from service.store import utc_now
from service.timing import Timing

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
        timing: Timing | None = None,
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
        self._shown_eta: int | None = None
        #: How long each node took that was heard from its beginning to its end.
        self.stopwatch = durations.Stopwatch()
        self._render = register.store.render(job.id)
        render = self._render if timing is not None else None
        self._plan = timing.plan(job, render) if timing is not None and render is not None else None
        #: The newest fraction of the render, and since when it is that.
        self._done, self._done_s = 0.0, self._began_s

    def __call__(self, event: Event | Stalled | Moved | Lingering) -> None:
        """Pass one event on; one that found no room is made up for by the next look at the server."""
        if isinstance(event, Progress):
            self._show(event)
        elif isinstance(event, Started | NodeBegan | NodeEnded):
            self._time(event)
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
        stage = event.stage.replace("ComfyUI's queue", "the preview engine's queue") if ours else event.stage
        return parts.told(self._render, stage)

    def _show(self, event: Progress) -> None:
        if event.fraction != self._done:
            self._done, self._done_s = event.fraction, self._monotonic()
        self._highest = max(self._highest, parts.overall(self._render, event.fraction * _RENDER_SHARE))
        now, eta = (self._highest, self._stage(event)), self._eta(event.node)
        if (now != self._shown or self._differs(eta)) and self._register.progress(self._job.id, *now, eta):
            self._shown, self._shown_eta = now, eta

    def _time(self, event: Started | NodeBegan | NodeEnded) -> None:
        now_s = self._monotonic()
        if isinstance(event, Started):
            self.stopwatch.start(now_s)
            self._done, self._done_s = 0.0, now_s
        elif isinstance(event, NodeBegan):
            self.stopwatch.begin(event.node, now_s)
        else:
            self.stopwatch.end(event.node, now_s)

    def _eta(self, node: str | None) -> int | None:
        left_s = self._left_s(node)
        return None if left_s is None else max(1, round(left_s))

    def _differs(self, eta: int | None) -> bool:
        """Tell whether the time left is worth a new file where nothing else has changed."""
        if eta is None or self._shown_eta is None:
            return eta is not self._shown_eta
        return abs(eta - self._shown_eta) > max(1, 0.05 * self._shown_eta)

    def _left_s(self, node: str | None) -> float | None:
        """Return the seconds that are left, from history; without any, from what went by so far."""
        now_s = self._monotonic()
        if self._plan is not None and self._plan.render_s is not None:
            later_s = parts.later(self._render) * (self._plan.total_s() or 0.0)
            if self.stopwatch.started_s is None and not self._done:
                return (self._plan.total_s() or 0.0) + later_s
            pace = durations.pace(self.stopwatch.node_seconds, self._plan.weights)
            left_s = self._plan.left_s(self._done, now_s - self._done_s, node, pace)
            return None if left_s is None else left_s + later_s
        elapsed_s, done = now_s - self._began_s, self._highest - self._began_at
        return elapsed_s * (1 - self._highest) / done if done >= _ETA_FROM and elapsed_s >= 1 else None

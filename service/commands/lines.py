"""A live line for each job on a terminal; plain lines, one a change of state, elsewhere."""

from __future__ import annotations

import threading
from collections import deque

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from service.job import ENDED, Job, State

_COLOURS = {
    State.WAITING: "yellow",
    State.QUEUED: "cyan",
    State.RUNNING: "bright_blue",
    State.DONE: "green",
    State.FAILED: "red",
    State.REJECTED: "red",
    State.CANCELLED: "magenta",
}
_BAR_CELLS = 24
_SHOWN = 20
#: Of so many jobs that ended it is known what was said, so that it isn't said twice.
_REMEMBERED = 200


class Lines:
    """Shows jobs as they move; `hear` is the register's listener and may be called from any thread."""

    def __init__(self, *, live: bool) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._told: dict[str, tuple[State, str]] = {}
        self._ended: deque[str] = deque()
        #: Plain lines that `refresh` prints: ten thousand jobs at once must not wait for whoever reads them.
        self._unsaid: list[str] = []
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False) if live else None

    def __enter__(self) -> Lines:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_trouble: object) -> None:
        self.refresh()
        if self._live:
            self._live.stop()

    def hear(self, job: Job) -> None:
        """Take note of a job's change."""
        if job.kind == "batch":
            # It was one waiting job until its file was read; its jobs have lines of their own.
            with self._lock:
                self._jobs.pop(job.id, None)
            return
        if self._live is None:
            self._tell(job)
            return
        with self._lock:
            # The newest stands last, so that a daemon that runs for months forgets the oldest, not what is live.
            self._jobs.pop(job.id, None)
            self._jobs[job.id] = job
            if job.state in ENDED:
                self._forget_oldest_ended()

    def _tell(self, job: Job) -> None:
        said = (job.state, job.hold.title if job.hold else "")
        with self._lock:
            if self._told.get(job.id) == said:
                return
            self._told[job.id] = said
            if job.state in ENDED:
                self._ended.append(job.id)
                if len(self._ended) > _REMEMBERED:
                    self._told.pop(self._ended.popleft(), None)
            self._unsaid.append(plain(job))

    def _forget_oldest_ended(self) -> None:
        ended = [known for known, job in self._jobs.items() if job.state in ENDED]
        for known in ended[:-_SHOWN]:
            del self._jobs[known]

    def refresh(self) -> bool:
        """Draw the live lines anew; returns False, so that it can be handed to a loop that ends on True."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, []
        if unsaid:
            click.echo("\n".join(unsaid))
        if self._live:
            jobs = self.jobs()
            self._live.update(table(jobs, self._unshown(len(jobs))), refresh=True)
        return False

    def jobs(self) -> list[Job]:
        """Return the jobs that have a line now, in their order."""
        with self._lock:
            return shown(list(self._jobs.values()), self._rows())

    def _rows(self) -> int:
        # One row for what is left out, one for the cursor: a list that is taller than its terminal can't be redrawn.
        return max(1, min(_SHOWN, self._console.size.height - 2)) if self._live else _SHOWN

    def _unshown(self, drawn: int) -> int:
        with self._lock:
            live = sum(job.state not in ENDED for job in self._jobs.values())
        return max(0, live - drawn)


def plain(job: Job) -> str:
    """Return one job's change as a line of text."""
    said = f"{job.folder}/{job.name}: {job.state}"
    if job.error:
        return f"{said}: {job.error['title']} {job.error['fix']}"
    if job.hold:
        return f"{said}, on hold: {job.hold.title} {job.hold.fix}"
    if job.state is State.DONE and job.outputs:
        out = job.outputs[0]
        return f"{said}: {out['file']}, {out['width']}x{out['height']}, {out['frames']} frames at {out['fps']:g} fps"
    return said


def shown(jobs: list[Job], rows: int = _SHOWN) -> list[Job]:
    """Return the lines that fit: what runs, what else is live in its order, then the newest that ended."""
    live = [job for job in jobs if job.state not in ENDED]
    live.sort(key=lambda job: (job.state is not State.RUNNING, job.seen_at, job.name))
    ended = [job for job in jobs if job.state in ENDED]
    return live[:rows] + ended[::-1][: max(0, rows - len(live))]


def table(jobs: list[Job], unshown: int = 0) -> Table:
    """Return jobs as lines, one row each however long: name, state, bar, what is being done; and how many more live."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=60)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for job in jobs:
        # As plain text: names and messages may hold what the library takes for its own markup.
        name, state = Text(f"{job.folder}/{job.name}"), Text(str(job.state), style=_COLOURS[job.state])
        grid.add_row(name, state, bar(job.progress), Text(words(job)))
    if unshown:
        grid.add_row(Text(f"and {unshown} more"))
    return grid


def bar(progress: float) -> Text:
    """Return a progress bar of a fixed width."""
    full = round(progress * _BAR_CELLS)
    return Text("━" * full, style="bright_blue") + Text("━" * (_BAR_CELLS - full), style="grey30")


def words(job: Job) -> str:
    """Return what a person wants to know of a job besides its state."""
    if job.error:
        return f"{job.error['title']} {job.error['fix']}"
    if job.hold:
        return f"{job.hold.title} {job.hold.fix}"
    if job.state is State.DONE and job.outputs:
        return ", ".join(output["file"] for output in job.outputs)
    return job.stage

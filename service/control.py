"""Control: what people ask of jobs that are under way. Cancel them, or let a task rest; the asking is saved first."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from service.disk import Disk
from service.drops import control_of, name_of
from service.ending import Ending
from service.errors import cancelled_problem, error_of
from service.job import Hold, State
from service.meant import meant_by
from service.naming import clean_folder
from service.register import SHARED_HOLD_FILES, Register
from service.store import ForbiddenMove, utc_now

LOG = logging.getLogger(__name__)
#: Outbox folders are listed at most this often, and for at most this part of the time where listing them is slow.
_LOOK_S = 1.0
_LOOK_SHARE = 0.05
#: A folder whose last job has just ended is looked at for a while yet, so that a file that came too late disappears.
_LINGER_S = 60.0
_PAUSED = "paused"
#: So many jobs at most are ended in one go, and for so long: whoever asks for ten thousand must not stop the intake.
_AT_ONCE = 1000
_AT_ONCE_S = 1.0


class Control:
    """
    Cancels jobs by name and holds those of paused tasks. All but the questions about pauses runs on the intake thread.

    `cancelling` is told of each running job that is to be cancelled, `resumed` when a task goes on; both at once.
    """

    def __init__(
        self,
        register: Register,
        ending: Ending,
        outbox: Path,
        disk: Disk,
        *,
        cancelling: Callable[[str], None],
        resumed: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._register = register
        self._store = register.store
        self._ending = ending
        self._outbox = outbox
        self._disk = disk
        self._cancelling = cancelling
        self._resumed = resumed
        self._monotonic = monotonic
        self._paused: frozenset[str] = frozenset()
        self._next_look_s = float("-inf")
        #: Outbox folders in which a NAME.cancel is looked for, and until when once nothing lives there.
        self._watched: dict[tuple[str, str], float] = {}
        #: Folders of jobs that have changed since the last look: one may live more briefly than we look.
        self._touched: set[tuple[str, str]] = set()
        register.listen(lambda job: self._touched.add((job.task, job.grouping)))
        #: Files that could not be removed: obeyed once, and left alone from then on.
        self._obeyed: set[Path] = set()

    # pause -----------------------------------------------------------------------------------------------------------

    @property
    def paused_tasks(self) -> frozenset[str]:
        """The task folders that are paused; "" stands for all of them."""
        return self._paused

    def paused(self, task: str) -> bool:
        """Return whether nothing of this task is taken in or sent now."""
        return not self._paused.isdisjoint(("", task))

    def hold_of(self, task: str) -> Hold | None:
        """Return what a waiting or queued job of a paused task says, None where it isn't paused."""
        if "" in self._paused:
            return Hold(_PAUSED, "Everything is paused.", "Remove inbox/PAUSE or run `reeldrop resume`.", utc_now())
        if task in self._paused:
            fix = f"Remove inbox/{task}/PAUSE or run `reeldrop resume {task}`."
            return Hold(_PAUSED, f"The task {task} is paused.", fix, utc_now())
        return None

    def note_pauses(self, tasks: Collection[str]) -> None:
        """Take note of which task folders hold a PAUSE file now; "" is the inbox itself."""
        now = frozenset(tasks)
        if now == self._paused:
            return
        LOG.info("paused: %s", ", ".join(task or "everything" for task in sorted(now)) or "nothing any more")
        self._paused = now
        self._release_holds()
        self._show_holds()
        self._resumed()

    def _show_holds(self) -> None:
        """Say it on the next queued jobs of each paused task; the others' files get it as they come up."""
        for task in self._store.queued_tasks() if self._paused else ():
            hold = self.hold_of(task)
            if hold is not None:
                for job_id in self._store.queued_without(_PAUSED, task, SHARED_HOLD_FILES):
                    self._register.hold(job_id, hold)

    def _release_holds(self) -> None:
        for job_id, task in self._store.held_for(_PAUSED):
            # Where another PAUSE holds it now, it says so in other words.
            self._register.hold(job_id, self.hold_of(task))

    # cancel ----------------------------------------------------------------------------------------------------------

    def cancel_named(self, task: str, grouping: str, name: str) -> int:
        """
        Cancel the live jobs of one folder that go by a name, and return how many there are.

        The name may be a job's outbox name or id, a batch's, the dropped NAME, or a drop's id. All that are live count,
        so call it after what came with the control file was seen.
        """
        folder = clean_folder(grouping)
        # People write harbour.yaml.cancel too.
        found = self._store.live_named(task, folder, name) or self._store.live_named(task, folder, name_of(name))
        self._cancel(found)
        LOG.info("%s: %d cancelled, asked by %s.cancel", "/".join(filter(None, (task, grouping))), len(found), name)
        return len(found)

    def cancel(self, target: str, task: str | None = None) -> str:
        """
        Cancel what goes by a name, an id or a path such as text-to-video/harbour, and return what was done.

        Raises Rejected where nothing live goes by it, or several drops do (then their ids are named).
        """
        found = meant_by(target, task, self._store.live_names())
        self._cancel([row["id"] for row in found])
        return " ".join(self._told(row["id"]) for row in found[:20]) + (
            f" And {len(found) - 20} more." if len(found) > 20 else ""
        )

    def _told(self, job_id: str) -> str:
        job = self._store.get(job_id)
        assert job is not None
        where = f"{job.folder}/{job.name}"
        if job.state is State.CANCELLED:
            return f"{where}: cancelled."
        return f"{where}: was {job.state}, is being cancelled."

    def _cancel(self, job_ids: Sequence[str]) -> None:
        # Saved before anything is done: a crash in between doesn't forget what was asked.
        self._store.ask_to_cancel(job_ids)
        # A running one is its lane's or its publisher's to end, a waiting one its intake's.
        for job_id in self._store.running_to_cancel():
            self._cancelling(job_id)
        self._end_queued()

    def _end_queued(self) -> None:
        """End the queued jobs that somebody asked to cancel; of very many the rest is left to the next looks."""
        until_s = self._monotonic() + _AT_ONCE_S
        for job_id in self._store.queued_to_cancel(_AT_ONCE):
            if self._monotonic() > until_s:
                return
            # A lane may take it up just now. It looks for the flag after that, so at least one of us sees the other.
            with suppress(ForbiddenMove):
                self._ending.end(job_id, State.CANCELLED, error=error_of([cancelled_problem()]))

    # by the clock ----------------------------------------------------------------------------------------------------

    def look(self) -> int:
        """
        Obey each NAME.cancel in the outbox folders of live jobs, and see to what was asked earlier; once a second.

        A file that is found there counts for every job that is live now. Returns how many were found.
        """
        began_s = self._monotonic()
        if began_s < self._next_look_s:
            return 0
        self._finish_what_was_asked()
        self._show_holds()
        while self._touched:
            self._watched[self._touched.pop()] = began_s + _LINGER_S
        self._watched |= dict.fromkeys(self._store.live_folders(), began_s + _LINGER_S)
        self._watched = {folder: until_s for folder, until_s in self._watched.items() if until_s > began_s}
        listing_s = self._monotonic()
        found = [(path, folder) for folder in self._watched for path in self._orders(self._outbox.joinpath(*folder))]
        # Only what listing costs: the next order must not wait for the carrying out of these.
        listing_s = self._monotonic() - listing_s
        for path, folder in found:
            self._obey(path, *folder)
        self._next_look_s = self._monotonic() + max(_LOOK_S, listing_s / _LOOK_SHARE)
        return len(found)

    def _finish_what_was_asked(self) -> None:
        """What was asked before a crash, or while a drop was just becoming jobs, is done now."""
        if late := self._store.batches_to_cancel():
            self._cancel(late)
        self._end_queued()

    def _orders(self, folder: Path) -> list[Path]:
        try:
            # By names alone: thousands of results may lie there.
            names = [name for name in os.listdir(folder) if ".cancel" in name.lower()]  # noqa: PTH208
        except OSError:
            # Not made yet, or its share is away: nothing to obey now.
            return []
        paths = (folder / name for name in names if _name_of(name) is not None)
        return [path for path in paths if path not in self._obeyed and not path.is_dir()]

    def _obey(self, path: Path, task: str, grouping: str) -> None:
        name = _name_of(path.name)
        assert name is not None
        self.cancel_named(task, grouping, name)
        try:
            self._disk.unlink(path)
        except OSError as trouble:
            self._obeyed.add(path)
            LOG.warning("%s was obeyed, but can't be removed: %s", path, trouble)


def _name_of(filename: str) -> str | None:
    """Return the NAME of a NAME.cancel; None for any other file."""
    order = control_of(f"outbox/{filename}")
    return order.name if order is not None and order.kind == "cancel" else None

"""Housekeeping: what happens by the clock. The timers decide nothing and hold no state; they tidy."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.background import BackgroundScheduler

from service.config import Config

LOG = logging.getLogger(__name__)
_KEEP_ENGINE_FILES_S = 24 * 3600.0
_TIDY_MINUTES = 30


class Housekeeping:
    """APScheduler's timers: a tidy engine folder. When to look at the inbox depends on what looking costs: see pace."""

    def __init__(self, config: Config, tidy_quarantine: Callable[[], None] = lambda: None) -> None:
        # Without a grace of None a run that comes late, after a sleep of the machine for example, is dropped.
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(job_defaults=defaults, timezone="UTC")
        self._engine_folder = config.state_dir / "engine" / "engine"
        self._scheduler.add_job(tidy_quarantine, "interval", minutes=_TIDY_MINUTES, id="quarantine")
        self._scheduler.add_job(self._tidy, "interval", minutes=_TIDY_MINUTES, id="tidy")
        self._scheduler.add_listener(_complain, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        """Start the timers on a thread of their own."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop the timers at once."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _tidy(self) -> None:
        tidy(self._engine_folder, time.time())


def tidy(engine_folder: Path, now_s: float) -> None:
    """Remove what the embedded engine rendered over a day ago; results are removed as soon as they are published."""
    for folder in (engine_folder / "output" / "reeldrop", engine_folder / "temp" / "reeldrop"):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if now_s - entry.stat().st_mtime > _KEEP_ENGINE_FILES_S:
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)


def _complain(event: JobEvent) -> None:
    LOG.error("timer %s: %s", event.job_id, getattr(event, "exception", None) or "a run was missed")

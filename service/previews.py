"""Previews: what a server shows of a job on the way, screened before anybody sees it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

from service.errors import Failed, Rejected, Unavailable
from service.examiner import Examiner
from service.job import PREVIEW_HIT, Job
from service.register import Register

LOG = logging.getLogger(__name__)
#: Previews are shown at most this often.
PREVIEW_INTERVAL_S = 0.5


class Previews:
    """Shows the newest previews beside everything else; one that can't be screened is not shown."""

    def __init__(
        self,
        register: Register,
        examiner: Examiner,
        submit: Callable[..., Any],
        busy: Callable[[], Collection[str]],
        monotonic: Callable[[], float],
        is_screened: Callable[[Job], bool],
    ) -> None:
        self._register = register
        self._examiner = examiner
        self._submit = submit
        self._busy = busy
        self._monotonic = monotonic
        self._is_screened = is_screened
        self._lock = threading.Lock()
        self._at_work: set[str] = set()
        self._shown_s: dict[str, float] = {}
        #: Jobs whose previews showed what must not be shown: none of theirs is published any more.
        self._blind: set[str] = set()

    def show(self, job: Job, data: bytes) -> None:
        """Screen and show a preview, at most two a second; what comes in between is dropped. Returns at once."""
        now = self._monotonic()
        with self._lock:
            soon = now - self._shown_s.get(job.id, -PREVIEW_INTERVAL_S) < PREVIEW_INTERVAL_S
            if soon or job.id in self._at_work or job.id in self._blind or job.trouble.get(PREVIEW_HIT):
                return
            self._at_work.add(job.id)
            self._shown_s = {each: at for each, at in self._shown_s.items() if now - at < PREVIEW_INTERVAL_S}
            self._shown_s[job.id] = now
        self._submit(self._show, job, data)

    def _remember(self, job_id: str) -> None:
        """Save it with the job: the daemon may be started again while its render goes on."""
        with self._register.store.transaction():
            job = self._register.store.get(job_id)
            if job is not None:
                self._register.store.change(job_id, trouble={**job.trouble, PREVIEW_HIT: True})

    def forget(self, job_id: str) -> None:
        """Forget a job that is over."""
        with self._lock:
            self._blind.discard(job_id)

    def _show(self, job: Job, data: bytes) -> None:
        try:
            jpeg, screening = self._examiner.preview(data)
            if screening.hit and self._is_screened(job):
                with self._lock:
                    self._blind.add(job.id)
                self._remember(job.id)
                self._register.unpreview(job)
                return
            if job.id not in self._busy():
                self._register.preview(job.id, jpeg)
        except (Failed, Rejected, Unavailable, OSError) as trouble:
            LOG.debug("%s: no preview: %s", job.name, trouble)
        except Exception:  # a preview must never fell its job
            LOG.exception("%s: a fault in Reeldrop while showing a preview", job.name)
        finally:
            with self._lock:
                self._at_work.discard(job.id)

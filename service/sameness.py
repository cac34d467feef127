"""Sameness: an earlier result that is what a new job would render stands for it, as long as it still lies there."""

from __future__ import annotations

import logging
from pathlib import Path

from service.disk import sha256_of
from service.job import Job
from service.store import Store

LOG = logging.getLogger(__name__)


class Sameness:
    """Finds by fingerprint; what is found is believed only by its content."""

    def __init__(self, store: Store, outbox: Path) -> None:
        self._store = store
        self._outbox = outbox

    def result_of(self, fingerprint: str) -> str | None:
        """Return the outbox-relative path of a result that can stand for a job of this fingerprint, or None."""
        for job in self._store.same(fingerprint):
            if (path := self._result(job)) is not None:
                return path
        return None

    def _result(self, job: Job) -> str | None:
        if not job.outputs:
            return None
        output = job.outputs[0]
        relative = f"{job.folder}/{output['file']}"
        path = self._outbox / relative
        try:
            # Its size is asked first: most of what isn't the same differs in that, and costs no reading.
            same = path.lstat().st_size == output["bytes"] and not path.is_symlink()
            return relative if same and sha256_of(path) == output["sha256"] else None
        except OSError as trouble:
            LOG.debug("%s can't stand for another: %s", relative, trouble)
            return None

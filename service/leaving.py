"""Leaving: as little as possible of a job that is over stays on the machine of its server."""

from __future__ import annotations

import logging

from service.comfy.client import Client
from service.comfy.fetch import Files
from service.comfy.shared_folder import SharedFolder
from service.errors import Unavailable
from service.job import Job

LOG = logging.getLogger(__name__)


def leave(job: Job, prompt_id: str, client: Client, files: Files, *, is_over: bool) -> None:
    """Have a server's history forget a prompt, and tidy the folder that is shared with it; a server in trouble keeps.

    `is_over` says that its whole drop is: its other jobs work on the same uploads.
    """
    try:
        if isinstance(files, SharedFolder):
            files.sweep("output", "reeldrop", job.id)
            if is_over:
                files.sweep("temp", f"reeldrop/{job.drop}")
        client.forget([prompt_id])
    except (Unavailable, OSError) as trouble:
        LOG.info("%s: something of it stays on the server: %s", job.name, trouble)

"""Neighbours: what a lane asks of its two sides, the server before it and the publisher behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from service.comfy.client import Client
from service.comfy.fetch import Files
from service.comfy.protocol import OutputFile
from service.job import Job, Render
from service.servers import Reach


class Server(Protocol):
    """Where the lane's ComfyUI is."""

    @property
    def embedded(self) -> bool:
        """Whether it is a child of ours."""

    @property
    def life(self) -> int:
        """Which of its lives it lives, as far as we start it ourselves."""

    def url(self) -> str:
        """Return the base URL; raises Unavailable while there is none."""

    def reach(self) -> Reach:
        """Return how it is spoken to; raises Unavailable where that can't be told now."""


class Publisher(Protocol):
    """What takes over a finished prompt."""

    def ready(self) -> None:
        """Return if what is sent now can be screened when it comes back; raises Unavailable if not."""

    def publish(
        self,
        job: Job,
        render: Render,
        outputs: tuple[OutputFile, ...],
        client: Client | None,
        files: Files | None = None,
    ) -> None:
        """Fetch (by `files` where it isn't the client), verify, screen, mark and publish beside the lane."""

    def published(self, job: Job) -> bool:
        """Return whether an earlier life has published the job's result."""

    def preview(self, job: Job, data: bytes) -> None:
        """Screen and show a preview beside the lane; may drop it."""

    def files(self, job: Job, render: Render) -> Iterator[tuple[str, Path]]:
        """Return (server reference, local path) of each file to upload; raises Failed where one is gone."""

    def busy(self) -> frozenset[str]:
        """Return the jobs that are being published."""

    def forget(self, job: Job) -> None:
        """Throw away what there is of a job's result on this machine."""

"""Sending: what a prompt needs is checked and uploaded, then the prompt is sent; on a thread beside the lane's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service import guard
from service.comfy import preflight
from service.connection import PREVIEW_ENGINE, Connection, Files
from service.errors import Problem, Rejected, Unavailable
from service.neighbours import Publisher
from service.pursuit import Pursuit, Where

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """How sending a prompt went; without trouble the server has it, or may have it (its answer was lost)."""

    pursuit: Pursuit
    trouble: Exception | None


class Unwanted(Exception):
    """Somebody asked to cancel the job before its prompt was sent."""


class Withheld(Exception):
    """Something of ours keeps a job from being sent; its server has no part in it."""

    def __init__(self, away: Unavailable) -> None:
        super().__init__(str(away))
        self.away = away


def ready_files(publisher: Publisher, pursuit: Pursuit) -> Iterator[tuple[str, Path]]:
    """Return the files that a prompt uploads; raises Withheld where its result could not be screened."""
    try:
        # Asked before each sending, the second one after a loss too.
        publisher.ready()
    except Unavailable as missing:
        raise Withheld(missing) from missing
    return publisher.files(pursuit.job, pursuit.render)


def send(
    pursuit: Pursuit,
    connection: Connection,
    files: Callable[[], Iterable[tuple[str, Path]]],
    unwanted: Callable[[], bool],
    told: Callable[[Sent], None],
) -> None:
    """Check, upload and send a prompt, and tell how that went; never raises."""
    trouble: Exception | None = None
    try:
        _send(pursuit, connection, files, unwanted)
    except Exception as caught:  # noqa: BLE001  whatever it is, the lane's thread is the one that judges it
        trouble = caught
    told(Sent(pursuit, trouble))


def _send(
    pursuit: Pursuit,
    connection: Connection,
    files: Callable[[], Iterable[tuple[str, Path]]],
    unwanted: Callable[[], bool],
) -> None:
    render = pursuit.render
    problems = _problems(pursuit, connection)
    if problems:
        # Models are put into a server's folders while it runs: what it said of itself may be old.
        connection.ask_again()
        problems = _problems(pursuit, connection)
    if problems:
        raise Rejected(*problems)
    _heed(unwanted)
    for reference, path in files():
        upload(connection.files, reference, path)
        _heed(unwanted)
    pursuit.posted(connection.client_id)
    pursuit.where = Where.SENT
    try:
        sent_as = pursuit.sent_as or connection.client_id
        connection.client.submit(render.prompt_id, render.graph, sent_as, connection.extra_data)
    except Unavailable as lost:
        if lost.refused:
            # Nothing listened, so nothing was taken.
            pursuit.where = Where.HERE
            raise
        # The answer is lost, the prompt perhaps not: it is looked for before anything is sent again.
        LOG.info("%s: no answer to its prompt (%s); looking for it", pursuit.job.name, lost.title)
    else:
        pursuit.was_taken = True


def _problems(pursuit: Pursuit, connection: Connection) -> tuple[Problem, ...]:
    render, consent = pursuit.render, pursuit.job.consent is not None
    references = {each["reference"] for each in render.uploads}
    known = connection.object_info
    # The job may have been queued before any server had said what its classes give out.
    problems = guard.check_graph(render.graph, references, guard.outputs_of(known), consent=consent)
    embedded = connection.engine.startswith(PREVIEW_ENGINE)
    return problems or preflight.check(render.graph, known, uploads=references, embedded=embedded)


def _heed(unwanted: Callable[[], bool]) -> None:
    if unwanted():
        raise Unwanted


def upload(files: Files, reference: str, path: Path) -> None:
    """Upload a file under the very reference that the graph names; raises Unavailable where the server renamed it."""
    subfolder, _, name = reference.removesuffix(" [temp]").rpartition("/")
    got = files.upload(path, name, subfolder)
    if got != reference:
        title = f"The server stored {reference} as {got}."
        raise Unavailable("upload_renamed", title, "Restart ComfyUI, so that it clears its temp folder.")

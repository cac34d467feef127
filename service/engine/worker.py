"""The one thread that runs prompts."""

from __future__ import annotations

import logging
import os
import threading
import time

from service.engine.execute import Executor, fell
from service.engine.progress import Audience
from service.engine.prompt_queue import PromptQueue, Ticket

log = logging.getLogger(__name__)

#: The exit code of an engine whose worker fell; its parent starts it again.
WORKER_FELL = 70


def start_worker(queue: PromptQueue, executor: Executor, audience: Audience) -> threading.Thread:
    """Start the thread that takes prompts for ever; if it falls, the whole process ends loudly."""
    thread = threading.Thread(target=_work, args=(queue, executor, audience), name="worker", daemon=True)
    thread.start()
    return thread


def _work(queue: PromptQueue, executor: Executor, audience: Audience) -> None:
    try:
        while True:
            ticket = queue.take()
            if ticket is None:
                executor.forget()
            else:
                serve(ticket, queue, executor, audience)
    except BaseException:
        # A server that answers but runs nothing is the worst kind; the one who started us can start us again.
        log.critical("The worker fell; the engine ends.", exc_info=True)
        os._exit(WORKER_FELL)


def serve(ticket: Ticket, queue: PromptQueue, executor: Executor, audience: Audience) -> None:
    """Run one prompt, put it into history, then tell its client that nothing of it runs any more."""
    began = time.monotonic()
    log.info("Prompt %s starts.", ticket.prompt_id)
    try:
        ending = executor.run(ticket)
    except Exception as trouble:
        # Ours to mend, but the prompt must end: one without an ending would be waited for, or sent again for ever.
        log.exception("Prompt %s felled the engine's own code.", ticket.prompt_id)
        ending = fell(ticket, trouble)
    log.info("Prompt %s: %s in %.2f s.", ticket.prompt_id, ending.status["status_str"], time.monotonic() - began)
    queue.finish(ticket, ending.outputs, ending.meta, ending.status)
    audience.tell_node(None, ticket.prompt_id, ticket.client)

"""The prompts that wait, the one that runs, and the history of those that ended."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

#: The oldest entry goes when one more comes. There it is ten times as many, each with its whole graph.
LONGEST_HISTORY = 1000


@dataclass(order=True)
class Ticket:
    """One queued prompt; order is (number, prompt id), then arrival."""

    number: float
    prompt_id: str
    arrival: int
    prompt: dict[str, Any] = field(compare=False)
    extra_data: dict[str, Any] = field(compare=False)
    outputs: list[str] = field(compare=False)

    @property
    def client(self) -> str | None:
        """Return the id of the client that hears about this prompt, or None for everybody."""
        return self.extra_data.get("client_id")

    def row(self) -> list[Any]:
        """Return the prompt as /queue and /history show it."""
        return [self.number, self.prompt_id, self.prompt, self.extra_data, self.outputs]


class PromptQueue:
    """One running prompt, a heap of waiting ones, a history; `changed(remaining)` is called under the lock."""

    def __init__(self, changed: Callable[[int], None]) -> None:
        self._changed = changed
        self._lock = threading.Condition(threading.RLock())
        self._arrivals = itertools.count()
        self._waiting: list[Ticket] = []
        self._running: Ticket | None = None
        self._history: dict[str, dict[str, Any]] = {}
        self._interrupted = threading.Event()
        self._forget = False

    @property
    def remaining(self) -> int:
        """Return how many prompts run or wait."""
        with self._lock:
            return len(self._waiting) + (self._running is not None)

    def put(
        self, number: float, prompt_id: str, prompt: dict[str, Any], extra_data: dict[str, Any], outputs: list[str]
    ) -> None:
        """Queue a prompt; the same id twice is two prompts."""
        with self._lock:
            ticket = Ticket(number, prompt_id, next(self._arrivals), prompt, extra_data, outputs)
            heapq.heappush(self._waiting, ticket)
            self._changed(self.remaining)
            self._lock.notify()

    def take(self) -> Ticket | None:
        """Wait for a prompt and make it the running one; None means: forget your cache, then ask again."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._forget)
            if self._forget:
                self._forget = False
                return None
            self._running = heapq.heappop(self._waiting)
            # An interrupt that came while nothing ran meant no prompt of the future.
            self._interrupted.clear()
            self._changed(self.remaining)
            return self._running

    def finish(self, ticket: Ticket, outputs: dict[str, Any], meta: dict[str, Any], status: dict[str, Any]) -> None:
        """Move the running prompt into history; only then is everybody told that the queue is shorter."""
        with self._lock:
            if len(self._history) >= LONGEST_HISTORY:
                self._history.pop(next(iter(self._history)))
            entry = {"prompt": ticket.row(), "outputs": outputs, "status": status, "meta": meta}
            self._history[ticket.prompt_id] = entry
            self._running = None
            self._changed(self.remaining)

    def rows(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """Return running and waiting prompts; the waiting ones lie as in the heap, not in running order."""
        with self._lock:
            running = [self._running.row()] if self._running else []
            return running, [ticket.row() for ticket in self._waiting]

    def delete(self, prompt_ids: Collection[Any]) -> None:
        """Take the first waiting prompt of each id out of the queue; running and unknown ones stay."""
        with self._lock:
            for prompt_id in prompt_ids:
                found = next((ticket for ticket in self._waiting if ticket.prompt_id == prompt_id), None)
                if found is not None:
                    self._waiting.remove(found)
                    heapq.heapify(self._waiting)
                    self._changed(self.remaining)

    def clear(self) -> None:
        """Take all waiting prompts out of the queue."""
        with self._lock:
            self._waiting.clear()
            self._changed(self.remaining)

    def interrupt(self, prompt_id: str | None) -> None:
        """Ask the running prompt to stop; with an id, only if that one runs."""
        with self._lock:
            if prompt_id is None or (self._running is not None and self._running.prompt_id == prompt_id):
                self._interrupted.set()

    @property
    def is_interrupted(self) -> bool:
        """Return whether the running prompt was asked to stop."""
        return self._interrupted.is_set()

    def forget(self) -> None:
        """Ask the worker to forget its cache before the next prompt."""
        with self._lock:
            self._forget = True
            self._lock.notify()

    def entry(self, prompt_id: str) -> dict[str, Any]:
        """Return {id: entry}, or {} for an id that history doesn't know."""
        with self._lock:
            return {prompt_id: self._history[prompt_id]} if prompt_id in self._history else {}

    def history(self, most: int | None, offset: int) -> dict[str, Any]:
        """Return up to `most` entries from `offset`; a negative offset with `most` means the last ones."""
        with self._lock:
            ids = list(self._history)
            if offset < 0:
                offset = max(0, len(ids) - most) if most is not None else 0
            stop = None if most is None else offset + max(0, most)
            return {prompt_id: self._history[prompt_id] for prompt_id in ids[offset:stop]}

    def wipe_history(self) -> None:
        """Forget all ended prompts."""
        with self._lock:
            self._history.clear()

    def drop_history(self, prompt_ids: Collection[Any]) -> None:
        """Forget some ended prompts; unknown ids are ignored."""
        with self._lock:
            for prompt_id in prompt_ids:
                self._history.pop(prompt_id, None)

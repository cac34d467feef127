"""How far each node of the running prompt is, and the messages that tell it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from service.engine import previews


class Audience(Protocol):
    """Who hears about a prompt; None as client means everybody."""

    def tell(self, event: str, data: dict[str, Any], client: str | None) -> None:
        """Send a JSON message."""

    def show(self, frame: bytes, client: str | None) -> None:
        """Send a binary frame."""

    def tell_node(self, node_id: str | None, prompt_id: str, client: str | None) -> None:
        """Say which node runs now; None after the last. Without a client nobody is told."""

    def listens(self, client: str | None) -> bool:
        """Return whether any socket would hear it."""

    def takes_metadata(self, client: str | None) -> bool:
        """Return whether this client asked for previews with metadata."""


class Progress:
    """The states of one prompt's nodes; every change is told to the prompt's client."""

    def __init__(self, prompt_id: str, client: str | None, audience: Audience) -> None:
        self._prompt_id = prompt_id
        self._client = client
        self._audience = audience
        self._nodes: dict[str, dict[str, Any]] = {}

    def start(self, node_id: str) -> None:
        """The node begins."""
        self._set(node_id, 0.0, 1.0, "running")

    def advance(self, node_id: str, value: int, maximum: int, jpeg: Callable[[], bytes] | None) -> None:
        """The node did value of maximum steps; jpeg draws its preview and is called only if somebody listens."""
        self._set(node_id, value, maximum, "running")
        with_metadata = self._audience.takes_metadata(self._client)
        drawn = jpeg() if jpeg is not None and self._audience.listens(self._client) else None
        if drawn is not None and with_metadata:
            self._audience.show(previews.metadata_frame(drawn, self._names(node_id)), self._client)
        told = {"value": value, "max": maximum, "prompt_id": self._prompt_id, "node": node_id}
        self._audience.tell("progress", told, self._client)
        if drawn is not None and not with_metadata:
            self._audience.show(previews.plain_frame(drawn), self._client)

    def finish(self, node_id: str) -> None:
        """The node is done; one that never began, a cached output, counts as one step."""
        maximum = self._nodes[node_id]["max"] if node_id in self._nodes else 1
        self._set(node_id, maximum, maximum, "finished")

    def _set(self, node_id: str, value: float, maximum: float, state: str) -> None:
        names = self._names(node_id)
        self._nodes[node_id] = {"value": value, "max": maximum, "state": state, **names}
        self._audience.tell("progress_state", {"prompt_id": self._prompt_id, "nodes": self._nodes}, self._client)

    def _names(self, node_id: str) -> dict[str, Any]:
        return {
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }

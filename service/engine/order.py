"""Which node runs next: links decide what may, and what is near an output goes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def links_of(node: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return (input name, node id, output slot) of each linked input, in the order written."""
    return [(name, value[0], int(value[1])) for name, value in node["inputs"].items() if is_link(value)]


def is_link(value: Any) -> bool:
    """Return whether an input's value is a link rather than a literal."""
    return (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (int, float))
    )


class ExecutionOrder:
    """The nodes still to run for some outputs; nodes that are cached are left out, except outputs asked for by name."""

    def __init__(
        self, prompt: Mapping[str, Any], is_output: Callable[[str], bool], is_cached: Callable[[str], bool]
    ) -> None:
        self._prompt = prompt
        self._is_output = is_output
        self._is_cached = is_cached
        #: Node id to the pending nodes that it waits for; insertion order decides between equals.
        self._waits_for: dict[str, set[str]] = {}
        self._wanted_by: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._waits_for)

    def add(self, node_id: str) -> None:
        """Add a node and all above it that aren't cached."""
        found = [node_id]
        while found:
            current = found.pop()
            if current in self._waits_for:
                continue
            above = [other for _, other, _ in links_of(self._prompt[current]) if not self._is_cached(other)]
            self._waits_for[current] = set(above)
            for other in dict.fromkeys(above):
                self._wanted_by.setdefault(other, []).append(current)
            found += above

    def next(self) -> str:
        """Return the node to run now; call done() with it afterwards. Raises LookupError if nothing can run."""
        ready = [node_id for node_id, above in self._waits_for.items() if not above]
        if not ready:
            raise LookupError("The rest of the graph waits for itself.")
        return min(ready, key=self._distance)

    def done(self, node_id: str) -> None:
        """Take a node that ran out of the order and free those that waited for it."""
        del self._waits_for[node_id]
        for other in self._wanted_by.pop(node_id, []):
            if other in self._waits_for:
                self._waits_for[other].discard(node_id)

    def _distance(self, node_id: str) -> int:
        """0 for an output, 1 just above one, 2 above that, 3 for the rest: previews and results come early."""
        if self._is_output(node_id):
            return 0
        below = self._wanted_by.get(node_id, [])
        if any(self._is_output(other) for other in below):
            return 1
        if any(self._is_output(last) for other in below for last in self._wanted_by.get(other, [])):
            return 2
        return 3

"""Run one prompt: its nodes in order, from the cache where it can, each step told to the prompt's client."""

from __future__ import annotations

import logging
import shutil
import time
import traceback
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.engine import cache as caching
from service.engine import previews
from service.engine.catalogue import Catalogue, Snapshot
from service.engine.node import Folders, Interrupted, Result
from service.engine.order import ExecutionOrder, is_link, links_of
from service.engine.progress import Audience, Progress
from service.engine.prompt_queue import PromptQueue, Ticket
from service.engine.validate import type_name

log = logging.getLogger(__name__)

#: Longer renderings of an input are cut in an error: a prompt's graph or a long text is not worth more.
LONGEST_INPUT_TOLD = 4000


@dataclass
class Ending:
    """What history keeps of a prompt besides itself."""

    outputs: dict[str, Any]
    meta: dict[str, Any]
    status: dict[str, Any]


@dataclass
class NodeContext:
    """What one node may ask while it runs."""

    folders: Folders
    node_id: str
    class_type: str
    prompt: Mapping[str, Any]
    extra_data: Mapping[str, Any]
    scratch: Path
    _run: _Run

    def check_interrupted(self) -> None:
        """Raise Interrupted if the prompt was interrupted."""
        self._run.check_interrupted()

    def progress(self, value: int, maximum: int, preview: Any | None = None) -> None:
        """Tell the client that value of maximum steps are done, and show it a preview."""
        self._run.check_interrupted()
        jpeg = None if preview is None else lambda: previews.jpeg_of(preview)
        self._run.board.advance(self.node_id, value, maximum, jpeg)

    def send_binary(self, event: int, payload: bytes) -> None:
        """Send a binary frame of this event type to the prompt's client."""
        self._run.audience.show(previews.binary_frame(event, payload), self._run.ticket.client)


class Executor:
    """Runs prompts one after the other and keeps the cache between them."""

    def __init__(self, catalogue: Catalogue, queue: PromptQueue, audience: Audience, scratch: Path) -> None:
        self._catalogue = catalogue
        self._queue = queue
        self._audience = audience
        self._scratch = scratch
        self._cache = caching.Cache()

    def forget(self) -> None:
        """Empty the cache."""
        self._cache.clear()

    def run(self, ticket: Ticket) -> Ending:
        """Run a prompt to its end, whatever that is."""
        return _Run(ticket, self._catalogue, self._cache, self._queue, self._audience, self._scratch).to_the_end()


@dataclass
class _Run:
    """One prompt while it runs."""

    ticket: Ticket
    catalogue: Catalogue
    cache: caching.Cache
    queue: PromptQueue
    audience: Audience
    scratch: Path
    messages: list[list[Any]] = field(default_factory=list)
    executed: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.snapshot: Snapshot = self.catalogue.snapshot()
        self.board = Progress(self.ticket.prompt_id, self.ticket.client, self.audience)
        #: The prompt without links into inputs that a class doesn't declare: nobody judged where those lead.
        self.graph = {node_id: self._without_strays(node) for node_id, node in self.ticket.prompt.items()}

    def check_interrupted(self) -> None:
        if self.queue.is_interrupted:
            raise Interrupted

    def to_the_end(self) -> Ending:
        self._tell("execution_start", {"prompt_id": self.ticket.prompt_id})
        self.cache.begin(caching.signatures(self.ticket.prompt, self._fingerprint, self._names_its_node))
        cached = [node_id for node_id in self.ticket.prompt if self.cache.get(node_id)]
        self._tell("execution_cached", {"nodes": cached, "prompt_id": self.ticket.prompt_id})
        order = ExecutionOrder(self.graph, self._is_output, lambda node_id: self.cache.get(node_id) is not None)
        for output in self.ticket.outputs:
            order.add(output)
        completed = True
        while completed and len(order):
            node_id = order.next()
            completed = self._step(node_id)
            order.done(node_id)
        if completed:
            self._tell("execution_success", {"prompt_id": self.ticket.prompt_id})
        return self._ending(completed=completed)

    def _step(self, node_id: str) -> bool:
        """Run one node or serve it from the cache; return False if the prompt ends here."""
        entry = self.cache.get(node_id)
        if entry is not None:
            self._tell_executed(node_id, entry.ui)
            self.board.finish(node_id)
            return True
        inputs: dict[str, Any] = {}
        try:
            self._run_node(node_id, inputs)
        except Interrupted:
            self._tell("execution_interrupted", self._stopped_at(node_id), to_all=True)
            return False
        except Exception as trouble:
            # A node may raise anything; it becomes the prompt's error.
            log.warning("Node %s (%s) failed.", node_id, self._class_of(node_id), exc_info=trouble)
            self._tell("execution_error", self._stopped_at(node_id) | self._error(node_id, inputs, trouble))
            return False
        self.executed[node_id] = None
        self.board.finish(node_id)
        return True

    def _run_node(self, node_id: str, inputs: dict[str, Any]) -> None:
        """Run a node; `inputs` is filled as far as they could be found, for the error's sake."""
        node = self.graph[node_id]
        self.board.start(node_id)
        self.audience.tell_node(node_id, self.ticket.prompt_id, self.ticket.client)
        inputs.update((name, value) for name, value in node["inputs"].items() if not is_link(value))
        for name, above, slot in links_of(node):
            entry = self.cache.get(above)
            if entry is None:
                raise LookupError(f"Node {above} gave nothing to input {name}.")
            inputs[name] = entry.values[slot]
        self.check_interrupted()
        scratch = self.scratch / uuid.uuid4().hex
        scratch.mkdir(parents=True)
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, scratch, ignore_errors=True)
            self._keep(node_id, self._call(node_id, inputs, scratch), scratch)
            undo.pop_all()

    def _call(self, node_id: str, inputs: Mapping[str, Any], scratch: Path) -> Result:
        extra = self.ticket.extra_data
        name = self._class_of(node_id)
        context = NodeContext(self.catalogue.folders, node_id, name, self.ticket.prompt, extra, scratch, self)
        return self.catalogue.node(name).run(context, inputs)

    def _keep(self, node_id: str, result: Result, scratch: Path) -> None:
        ui = dict(result.ui) if result.ui else None
        meta = {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
        self.cache.put(node_id, caching.Entry(result.values, ui, meta, scratch))
        if ui is not None:
            self._tell_executed(node_id, ui)

    def _tell_executed(self, node_id: str, ui: dict[str, Any] | None) -> None:
        if self.ticket.client is not None:
            told = {"node": node_id, "display_node": node_id, "output": ui, "prompt_id": self.ticket.prompt_id}
            self.audience.tell("executed", told, self.ticket.client)

    def _tell(self, event: str, data: dict[str, Any], *, to_all: bool = False) -> None:
        """Note a message for history and send it to the client; without one, to all only if it says so."""
        stamped = {**data, "timestamp": int(time.time() * 1000)}
        self.messages.append([event, stamped])
        if self.ticket.client is not None or to_all:
            self.audience.tell(event, stamped, self.ticket.client)

    def _stopped_at(self, node_id: str) -> dict[str, Any]:
        return {
            "prompt_id": self.ticket.prompt_id,
            "node_id": node_id,
            "node_type": self._class_of(node_id),
            "executed": list(self.executed),
        }

    def _error(self, node_id: str, inputs: Mapping[str, Any], trouble: Exception) -> dict[str, Any]:
        told = {name: [_told(value)] for name, value in inputs.items()}
        for name, what in self.snapshot.hidden(self._class_of(node_id)).items():
            told[name] = [_told(self._hidden_value(what, node_id))]
        return {
            "exception_message": f"{trouble}\n",
            "exception_type": type_name(trouble),
            "traceback": traceback.format_tb(trouble.__traceback__),
            "current_inputs": told,
            "current_outputs": list(self.ticket.prompt),
        }

    def _hidden_value(self, what: str, node_id: str) -> Any:
        extra = self.ticket.extra_data
        known = {"PROMPT": self.ticket.prompt, "UNIQUE_ID": node_id, "EXTRA_PNGINFO": extra.get("extra_pnginfo")}
        return known.get(what)

    def _ending(self, *, completed: bool) -> Ending:
        shown = {node_id: entry for node_id in self.ticket.prompt if (entry := self.cache.get(node_id)) and entry.ui}
        word = "success" if completed else "error"
        return Ending(
            outputs={node_id: entry.ui for node_id, entry in shown.items()},
            meta={node_id: entry.meta for node_id, entry in shown.items()},
            status={"status_str": word, "completed": completed, "messages": self.messages},
        )

    def _without_strays(self, node: Mapping[str, Any]) -> dict[str, Any]:
        declared = self.snapshot.info(node["class_type"])["input"]
        names = {*declared.get("required", {}), *declared.get("optional", {})}
        inputs = {name: value for name, value in node["inputs"].items() if name in names or not is_link(value)}
        return {**node, "inputs": inputs}

    def _class_of(self, node_id: str) -> str:
        return str(self.ticket.prompt[node_id]["class_type"])

    def _is_output(self, node_id: str) -> bool:
        return self.snapshot.is_output(self._class_of(node_id))

    def _names_its_node(self, node_id: str) -> bool:
        return "UNIQUE_ID" in self.snapshot.hidden(self._class_of(node_id)).values()

    def _fingerprint(self, node_id: str) -> Any:
        node = self.ticket.prompt[node_id]
        ask = self.catalogue.node(node["class_type"]).fingerprint
        if ask is None:
            return None
        literals = {name: value for name, value in node["inputs"].items() if not is_link(value)}
        try:
            return ask(literals, self.catalogue.folders)
        except Exception as trouble:  # noqa: BLE001 — what can't be told apart is never the same
            log.info("Node %s can't be fingerprinted: %s", node_id, trouble)
            return float("nan")


def fell(ticket: Ticket, trouble: Exception) -> Ending:
    """Return the ending of a prompt that the engine itself, not one of its nodes, failed at."""
    error = {
        "prompt_id": ticket.prompt_id,
        "node_id": "",
        "node_type": "",
        "executed": [],
        "exception_message": f"The engine failed: {trouble}\n",
        "exception_type": type_name(trouble),
        "traceback": traceback.format_tb(trouble.__traceback__),
        "current_inputs": {},
        "current_outputs": [],
        "timestamp": int(time.time() * 1000),
    }
    status = {"status_str": "error", "completed": False, "messages": [["execution_error", error]]}
    return Ending({}, {}, status)


def _told(value: Any) -> Any:
    """Return an input as an error shows it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)[:LONGEST_INPUT_TOLD]

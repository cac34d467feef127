"""What a node of the embedded engine is, and what the executor hands it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Interrupted(Exception):
    """The prompt was interrupted; raised out of check_interrupted and let through by every node."""


@dataclass(frozen=True)
class Folders:
    """The engine's folders, named and used as ComfyUI's."""

    input: Path
    output: Path
    temp: Path

    def of(self, kind: str) -> Path | None:
        """Return the folder of a type name ("input", "output", "temp"), or None for any other."""
        return {"input": self.input, "output": self.output, "temp": self.temp}.get(kind)


class Context(Protocol):
    """What a node may ask of the executor while it runs."""

    folders: Folders
    node_id: str
    class_type: str
    prompt: Mapping[str, Any]
    extra_data: Mapping[str, Any]
    #: Files and decoders that must outlive the node's call are handed here and closed when the prompt's cache goes.
    scratch: Path

    def check_interrupted(self) -> None:
        """Raise Interrupted if the prompt was interrupted; call it before each frame and each step."""

    def progress(self, value: int, maximum: int, preview: Any | None = None) -> None:
        """Tell the client that value of maximum steps are done; preview is RGB uint8 (height, width, 3) or None."""

    def send_binary(self, event: int, payload: bytes) -> None:
        """Send a binary frame of this event type to the prompt's client."""


@dataclass(frozen=True)
class Result:
    """What a node gives back: one value per output slot, and, of an output node, what history shows (`ui`)."""

    values: tuple[Any, ...] = ()
    ui: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class NodeClass:
    """One class: its object_info entry, its function, and ComfyUI's two optional hooks.

    `info` is the entry that GET /object_info gives, made for the present folders and models by `info(models, folders)`.
    `run(context, inputs)` gets resolved inputs by name (absent optional ones are absent) and returns a Result.
    `validate(inputs, folders)` is ComfyUI's VALIDATE_INPUTS: returns True or the sentence that is wrong; it gets the
    inputs that are no links. Inputs named in `self_checked` are not checked against their option lists, as there.
    `fingerprint(inputs, folders)` is IS_CHANGED: whatever it returns joins the cache signature; NaN means never cached.
    `lazy_output` nodes of output type IMAGE return a service.engine.images.Frames.
    """

    name: str
    info: Callable[[Mapping[str, list[str]], Folders], dict[str, Any]]
    run: Callable[[Context, Mapping[str, Any]], Result]
    validate: Callable[[Mapping[str, Any], Folders], bool | str] | None = None
    self_checked: frozenset[str] = field(default_factory=frozenset)
    fingerprint: Callable[[Mapping[str, Any], Folders], Any] | None = None

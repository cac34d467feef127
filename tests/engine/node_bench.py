"""A workbench for single nodes: folders, a context that notes what a node tells, and a way to run a small graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from service.engine.images import Frames, never_interrupted
from service.engine.node import Folders, Interrupted, Result
from service.engine.nodes import NODE_CLASSES


@dataclass
class Bench:
    """Runs nodes in folders of its own; everything they tell is kept."""

    base: Path
    extra_data: dict[str, Any] = field(default_factory=dict)
    prompt: dict[str, Any] = field(default_factory=dict)
    node_id: str = "1"
    class_type: str = ""
    told: list[tuple[int, int, Any]] = field(default_factory=list)
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    checks: int = 0
    stop_at: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.folders = Folders(self.base / "input", self.base / "output", self.base / "temp")
        self.scratch = self.base / "scratch"
        for folder in (self.folders.input, self.folders.output, self.folders.temp, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)

    def check_interrupted(self) -> None:
        self.checks += 1
        if self.stop_at():
            raise Interrupted

    def progress(self, value: int, maximum: int, preview: Any | None = None) -> None:
        self.told.append((value, maximum, preview))

    def send_binary(self, event: int, payload: bytes) -> None:
        self.sent.append((event, payload))

    def run(self, class_type: str, **inputs: Any) -> Result:
        """Run one node on resolved inputs."""
        plain = {name: value for name, value in inputs.items() if isinstance(value, str | int | float | bool)}
        self.prompt = self.prompt or {"1": {"class_type": class_type, "inputs": plain}}
        self.class_type = class_type
        return NODE_CLASSES[class_type].run(self, inputs)

    def first(self, class_type: str, **inputs: Any) -> Any:
        """Run one node and return its first output."""
        return self.run(class_type, **inputs).values[0]

    def graph(self, graph: Mapping[str, Any]) -> dict[str, Result]:
        """Run a graph whose nodes stand in order."""
        self.prompt = dict(graph)
        done: dict[str, Result] = {}
        for self.node_id, node in graph.items():
            inputs = {
                name: done[value[0]].values[value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            }
            done[self.node_id] = self.run(node["class_type"], **inputs)
        return done

    def output(self, shown: Mapping[str, Any]) -> Path:
        """Return the file that history shows."""
        folder = self.folders.of(shown["type"])
        assert folder is not None
        return folder / shown["subfolder"] / shown["filename"]

    def put(self, name: str, pixels: np.ndarray, **options: Any) -> str:
        """Save a picture into the input folder and return its name."""
        path = self.folders.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
        return name


def colours(count: int, width: int = 32, height: int = 16) -> list[np.ndarray]:
    """Return frames of one colour each, no two alike."""
    return [np.full((height, width, 3), (7 * k % 256, 40 + k, 200 - 3 * k), np.uint8) for k in range(count)]


def frames_of(pictures: list[np.ndarray], *, drawn: bool = False) -> Counted:
    return Counted(pictures, drawn=drawn)


class Counted(Frames):
    """Frames from a list that count how often each was drawn."""

    def __init__(self, pictures: list[np.ndarray], *, drawn: bool = False) -> None:
        self.draws = [0] * len(pictures)

        def draw(check: Any, start: int) -> Any:
            for index in range(start, len(pictures)):
                check()
                self.draws[index] += 1
                yield pictures[index]

        height, width = pictures[0].shape[:2]
        super().__init__(len(pictures), width, height, draw, drawn=drawn)


def pixels(frames: Frames) -> list[np.ndarray]:
    return list(frames.pull(never_interrupted))

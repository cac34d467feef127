"""An engine with classes of our own that wait, fail, hurry and chatter: python -m tests.engine.own_classes."""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from service.engine.__main__ import main
from service.engine.node import Context, Folders, NodeClass, Result

Inputs = Mapping[str, Any]


def declared(
    name: str, run: Callable[[Context, Inputs], Result], required: dict[str, Any], output: list[str], **more: Any
) -> NodeClass:
    entry = {
        "input": {"required": required, "hidden": more.pop("hidden", {})},
        "output": output,
        "output_node": not output,
        "name": name,
    }
    return NodeClass(name, lambda _models, _folders: entry, run, **more)


def hold(context: Context, inputs: Inputs) -> Result:
    """Wait until the named file lies in the input folder."""
    end = time.monotonic() + 25
    while not (context.folders.input / inputs["gate"]).exists():
        context.check_interrupted()
        assert time.monotonic() < end
        time.sleep(0.002)
    return Result(ui={"held": [inputs["gate"]]})


def step(context: Context, inputs: Inputs) -> Result:
    """Make some steps with previews, each of some milliseconds."""
    picture = np.full((8, 8, 3), 128, np.uint8)
    for count in range(inputs["steps"]):
        time.sleep(inputs["pause_ms"] / 1000)
        context.progress(count + 1, inputs["steps"], picture)
    return Result((inputs["steps"],))


def fail(context: Context, inputs: Inputs) -> Result:
    """Raise, having left a scratch file behind."""
    (context.scratch / "left").write_text("x")
    raise RuntimeError(f"told to fail with {inputs['value']}")


def chatter(context: Context, inputs: Inputs) -> Result:
    """Send many large frames to the client."""
    for _ in range(inputs["frames"]):
        context.check_interrupted()
        context.send_binary(1, struct.pack(">I", 2) + bytes(inputs["bytes"]))
    return Result(ui={"sent": [inputs["frames"]]})


def burn(_context: Context, inputs: Inputs) -> Result:
    """Compute in pure Python without ever asking whether to stop: the worst that a node can do to the server."""
    end = time.monotonic() + inputs["ms"] / 1000
    total = 0
    while time.monotonic() < end:
        total += sum(range(1000))
    return Result(ui={"burnt": [inputs["ms"]]})


def scratch(context: Context, inputs: Inputs) -> Result:
    """Leave a scratch file that lives as long as the result is cached."""
    (context.scratch / "kept").write_text(str(inputs["value"]))
    return Result((inputs["value"],))


def stamp_of(inputs: Inputs, folders: Folders) -> Any:
    file = folders.input / inputs["file"]
    return file.read_text() if file.exists() else float("nan")


def show(_context: Context, inputs: Inputs) -> Result:
    return Result(ui={"shown": [inputs["value"]]})


INT = ["INT", {"default": 0, "min": -1000, "max": 10_000_000}]
TEXT = ["STRING", {"default": ""}]

CLASSES = {
    made.name: made
    for made in (
        declared("Hold", hold, {"gate": TEXT}, []),
        declared("Step", step, {"steps": INT, "pause_ms": INT}, ["INT"]),
        declared("Fail", fail, {"value": INT}, ["INT"], hidden={"unique_id": "UNIQUE_ID", "prompt": "PROMPT"}),
        declared("Chatter", chatter, {"frames": INT, "bytes": INT}, []),
        declared("Burn", burn, {"ms": INT}, []),
        declared("Scratch", scratch, {"value": INT}, ["INT"]),
        declared("Number", lambda _context, inputs: Result((inputs["value"],)), {"value": INT}, ["INT"]),
        declared("Stamp", lambda _context, inputs: Result((1,)), {"file": TEXT}, ["INT"], fingerprint=stamp_of),
        declared("Named", lambda _c, inputs: Result((1,)), {"value": INT}, ["INT"], hidden={"id": "UNIQUE_ID"}),
        declared("Show", show, {"value": INT}, []),
    )
}

if __name__ == "__main__":
    sys.exit(main(classes=CLASSES))

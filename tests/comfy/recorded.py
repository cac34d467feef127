"""The recordings of three ComfyUI versions, as frames and answers that tests can replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
FOLDERS = {"0.3.64": "comfyui-0.3.64", "0.8.0": "v0.8.0", "0.33.0": "v0.33.0"}
VERSIONS = tuple(FOLDERS)

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

SAMPLER_GRAPH: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lighthouse", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 1, "steps": 4, "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
                   "latent_image": ["5", 0], "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal",
                   "denoise": 1.0},
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}},
}  # fmt: skip


@cache
def load(version: str, name: str) -> Any:
    return json.loads((RECORDINGS / FOLDERS[version] / name).read_text())


def object_info(version: str) -> dict[str, Any]:
    """Everything that was recorded of a version's classes."""
    info = dict(load(version, "object_info.json"))
    return {**load(version, "object_info_graphs.json"), **info} if version == "0.3.64" else info


def traces(version: str) -> list[str]:
    return sorted(path.name for path in (RECORDINGS / FOLDERS[version]).glob("ws_*.jsonl"))


def every_trace() -> list[tuple[str, str]]:
    return [(version, name) for version in VERSIONS for name in traces(version)]


def frames(version: str, name: str) -> Iterator[str | bytes]:
    """The frames that the server sent, in order; a binary one has its true header and a made-up picture."""
    for line in (RECORDINGS / FOLDERS[version] / name).read_text().splitlines():
        event = json.loads(line)
        if event.get("dir") != "server->client":
            continue
        if "text" in event:
            yield event["text"]
        elif event.get("binary"):
            yield _binary(event)


def _binary(event: dict[str, Any]) -> bytes:
    if "first_64_hex" in event:
        return bytes.fromhex(event["first_64_hex"]) + JPEG
    if event["event_type"] == 4:
        metadata = json.dumps(event["metadata"]).encode()
        return b"\x00\x00\x00\x04" + len(metadata).to_bytes(4, "big") + metadata + JPEG
    picture = PNG if event.get("image_type") == 2 else JPEG
    return bytes.fromhex(event["header_hex"]) + picture


def prompts_in(version: str, name: str) -> list[str]:
    """The prompt ids that a trace speaks of, in order."""
    found: dict[str, None] = {}
    for frame in frames(version, name):
        if isinstance(frame, str):
            prompt_id = json.loads(frame)["data"].get("prompt_id")
            if prompt_id:
                found[prompt_id] = None
    return list(found)


def history(version: str) -> dict[str, dict[str, Any]]:
    """Every recorded history entry by prompt id."""
    found: dict[str, dict[str, Any]] = {}
    for answer in load(version, "history_entries.json").values():
        if isinstance(answer, dict):
            found |= {key: value for key, value in answer.items() if isinstance(value, dict) and "outputs" in value}
    return found


def entry(version: str, label: str) -> dict[str, Any]:
    """The one history entry under this label."""
    (found,) = load(version, "history_entries.json")[label].values()
    return found


def graph_of(version: str, prompt_id: str) -> dict[str, Any]:
    known = history(version).get(prompt_id)
    return known["prompt"][2] if known else SAMPLER_GRAPH

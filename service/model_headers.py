"""Model headers: what a model file on this machine says of itself; at most its header is read."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from service.families import ModelFacts

#: A safetensors file begins with its header's length in eight bytes (https://github.com/huggingface/safetensors); those
#: of LoRAs and checkpoints have some hundred kB.
MAX_HEADER_BYTES = 8_000_000
#: So many files are remembered.
_KEPT = 1_000
#: How many numbers describe a text to the picture's model: its second dimension at each cross attention.
_BY_WIDTH = {768: "sd15", 2048: "sdxl"}
_TEXT_ENCODER = ("lora_te", "text_encoder.", "text_encoder_2.")


class ModelHeaders:
    """The model files below one folder, by ComfyUI's folder and name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = Lock()
        self._read: dict[Path, tuple[tuple[int, int], ModelFacts]] = {}

    def facts_of(self, folder: str, name: str) -> ModelFacts:
        """Return what the file says; nothing is known of one that isn't here, can't be read or has no such header."""
        parts = name.replace("\\", "/").split("/")
        if not name.endswith(".safetensors") or any(part in ("", ".", "..") for part in parts) or ":" in name:
            return ModelFacts()
        path = self._root.joinpath(folder, *parts)
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                return ModelFacts()
            identity = (found.st_size, found.st_mtime_ns)
            with self._lock:
                known = self._read.get(path)
            if known is None or known[0] != identity:
                known = identity, facts_in(_header(path))
                with self._lock:
                    if len(self._read) >= _KEPT:
                        self._read.clear()
                    self._read[path] = known
            return known[1]
        except (OSError, ValueError, RecursionError):
            return ModelFacts()


def facts_in(header: Mapping[str, Any]) -> ModelFacts:
    """
    Return what a header tells: the family by the width of the cross attention, and whether text encoder keys are there.

    Widths: 768 in Stable Diffusion 1, 2048 in XL; 1024 is both 2.x's and SVD's, and tells nothing.
    """
    keys = [key for key in header if key != "__metadata__"]
    families = {_BY_WIDTH[width] for width in _widths(header) if width in _BY_WIDTH}
    family = families.pop() if len(families) == 1 else None
    return ModelFacts(family, any(key.startswith(_TEXT_ENCODER) for key in keys) if keys else None)


def _widths(header: Mapping[str, Any]) -> Iterator[int]:
    for key, entry in header.items():
        # A LoRA's down matrix and a checkpoint's own both have the width last: [rank, width] and [channels, width].
        plain = key.replace(".", "_")
        if "attn2_to_k" not in plain or not plain.endswith(("attn2_to_k_weight", "lora_down_weight", "lora_A_weight")):
            continue
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if isinstance(shape, list) and len(shape) >= 2 and isinstance(shape[1], int):
            yield shape[1]


def _header(path: Path) -> dict[str, Any]:
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= MAX_HEADER_BYTES:
            raise ValueError("no header")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("no header")
    return header

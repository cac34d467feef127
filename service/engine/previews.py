"""The binary frames of the WebSocket: event 1 for every client, event 4 for those that asked for metadata."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from typing import Any

PREVIEW = 1
PREVIEW_WITH_METADATA = 4

_JPEG = 1
_LONGEST_SIDE = 512
_QUALITY = 90


def jpeg_of(picture: Any) -> bytes:
    """Return a JPEG of an RGB uint8 array (height, width, 3), fitted into 512 pixels as ComfyUI's previews are."""
    from PIL import Image, ImageOps  # noqa: PLC0415 — only a render needs it

    fitted = ImageOps.contain(Image.fromarray(picture), (_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    fitted.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def plain_frame(jpeg: bytes) -> bytes:
    """Return an event 1 frame: event, kind of picture, picture."""
    return struct.pack(">II", PREVIEW, _JPEG) + jpeg


def metadata_frame(jpeg: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Return an event 4 frame: event, length of the metadata, metadata as JSON, picture."""
    text = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
    return struct.pack(">II", PREVIEW_WITH_METADATA, len(text)) + text + jpeg


def binary_frame(event: int, payload: bytes) -> bytes:
    """Return a frame of any event whose payload a node made itself."""
    return struct.pack(">I", event) + payload

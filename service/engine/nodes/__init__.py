"""The node classes of the embedded engine, by name."""

from __future__ import annotations

from collections.abc import Mapping

import cv2

from service.engine.node import NodeClass
from service.engine.nodes import audio, loaders, pictures, sampling, saving, vhs, videos

# The engine shares its machine with the daemon and with whatever else the user does.
cv2.setNumThreads(2)

NODE_CLASSES: Mapping[str, NodeClass] = {
    declared.name: declared
    for room in (loaders, pictures, sampling, saving, videos, vhs, audio)
    for declared in room.CLASSES
}

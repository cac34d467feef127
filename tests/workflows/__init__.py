"""Workflows of the role sets that no shipped workflow has yet: they hand a video on, so their results are known."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FOLDER = Path(__file__).parent
SHIPPED = FOLDER.parents[1] / "workflows"
#: For the server outside: on a ComfyUI without a GPU, where a step of AnimateDiff takes 38 s, light ones of their kind.
OUTSIDE = FOLDER / "light" if "COMFY_URL" in os.environ else SHIPPED
#: A workflow that renders a video in parts.
PARTED = FOLDER / "parted"


def with_shipped(folder: Path) -> Path:
    """Make a library of these and of the shipped workflows whose tasks they leave alone, and return its folder."""
    shutil.copytree(OUTSIDE, folder, ignore=shutil.ignore_patterns("face_swap_*", "motion_transfer_*", "combined_*"))
    # The adult task has this one graph and no other, light or not.
    for path in (*FOLDER.iterdir(), *SHIPPED.glob("text_to_video_nsfw.*")):
        if path.suffix in {".json", ".yaml"}:
            shutil.copy(path, folder)
    return folder

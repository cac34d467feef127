"""Workflows of the role sets that no shipped workflow has yet: they hand a video on, so their results are known."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
SHIPPED = FOLDER.parents[1] / "workflows"


def _light() -> Path:
    """Make a library of the shipped workflows with light ones in the place of those that tests render."""
    folder = Path(tempfile.mkdtemp(prefix="reeldrop-light-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    return shutil.copytree(FOLDER / "light", folder, dirs_exist_ok=True)


#: For the server outside: on a ComfyUI without a GPU, where a step of AnimateDiff takes 38 s, light ones of their kind.
OUTSIDE = _light() if "COMFY_URL" in os.environ else SHIPPED
#: A workflow that renders a video in parts.
PARTED = FOLDER / "parted"


def with_shipped(folder: Path) -> Path:
    """Make a library of these and of the shipped workflows whose tasks they leave alone, and return its folder."""
    shutil.copytree(OUTSIDE, folder, ignore=shutil.ignore_patterns("face_swap_*", "motion_transfer_*", "combined_*"))
    for path in FOLDER.iterdir():
        if path.suffix in {".json", ".yaml"}:
            shutil.copy(path, folder)
    return folder

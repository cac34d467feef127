"""Workflows of the role sets that no shipped workflow has yet: they hand a video on, so their results are known."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = Path(__file__).parent
_SHIPPED = FOLDER.parents[1] / "workflows"


def with_shipped(folder: Path) -> Path:
    """Make a library of the shipped workflows and these in a folder, for workflows_dir, and return it."""
    shutil.copytree(_SHIPPED, folder)
    for path in FOLDER.iterdir():
        if path.suffix in {".json", ".yaml"}:
            shutil.copy(path, folder)
    return folder

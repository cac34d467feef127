"""Where an output node writes: ComfyUI's counted names inside the engine's folders, each file whole or not there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOKENS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}


@dataclass(frozen=True)
class Destination:
    """A folder below `root`, and the name that files in it begin with."""

    root: Path
    subfolder: str
    name: str

    @property
    def folder(self) -> Path:
        """Return the folder that files go to."""
        return self.root / self.subfolder

    def next_number(self, pattern: str) -> int:
        """Return one more than the highest number that `pattern`, put behind the name, finds in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        numbered = re.compile(re.escape(self.name) + pattern, re.IGNORECASE)
        found = (numbered.fullmatch(entry.name) for entry in self.folder.iterdir())
        return max((int(match[1]) for match in found if match), default=0) + 1

    def counted(self) -> int:
        """Return the next number of ComfyUI's own save nodes, which write NAME_00001_.ext."""
        return self.next_number(r"_(\d+)(?:_.*)?")

    def entry(self, filename: str, kind: str) -> dict[str, str]:
        """Return what history shows of one written file."""
        return {"filename": filename, "subfolder": self.subfolder, "type": kind}


def destination(root: Path, prefix: str, width: int = 0, height: int = 0) -> Destination:
    """Return where a filename prefix points, its size and date tokens replaced.

    Raises Exception, in ComfyUI's words, for a prefix that leaves the folder.
    """
    path = os.path.normpath(with_tokens(prefix, width, height))
    subfolder, name = os.path.split(path)
    folder = os.path.normpath(os.path.join(root, subfolder))  # noqa: PTH118 - a path that must not be resolved yet
    refuse_outside(str(root), folder)
    if not Path(folder).resolve().is_relative_to(root.resolve()):
        refuse_outside(str(root.resolve()), str(Path(folder).resolve()))
    return Destination(root, subfolder, name)


def refuse_outside(root: str, folder: str) -> None:
    """Raise if a folder does not lie in the root; clients know ComfyUI's sentence."""
    common = os.path.commonpath((root, folder))
    if common != root:
        raise Exception(
            "**** ERROR: Saving image outside the output folder is not allowed.\n"
            f" full_output_folder: {folder}\n         output_dir: {root}\n         commonpath: {common}"
        )


def with_tokens(prefix: str, width: int, height: int) -> str:
    """Replace %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%; other tokens stay."""
    now = time.localtime()
    values = {token: time.strftime(form, now) for token, form in TOKENS.items()}
    values |= {"width": str(width), "height": str(height)}
    return re.sub(f"%({'|'.join(values)})%", lambda match: values[match[1]], prefix)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a hidden name to write to; it becomes `path` when the block ends well and goes away when it does not."""
    draft = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

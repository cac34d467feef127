"""The beginning: the folders that a daemon needs are there, and are the ones that were there before."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from service.config import Config
from service.errors import Unavailable
from service.inbox.roots import kind_of, marker
from service.store import Store


def prepare_folders(config: Config) -> None:
    """Make the folders that aren't there; raises Unavailable for one that can't be made, is offline, is on a share."""
    _meet_again(config)
    for folder in (config.inbox_dir, config.output_dir, config.state_dir, config.temp_dir):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as trouble:
            title = f"{folder} can't be made: {trouble.strerror}."
            raise Unavailable("folder_missing", title, "Make it, or correct its key in config.yaml.") from None
    if kind_of(config.state_dir) == "share":
        raise Unavailable(
            "state_on_share",
            f"state_dir ({config.state_dir}) lies on a network share, where SQLite files get corrupted.",
            "Set state_dir in config.yaml to a folder on a local disk.",
        )


def meet_root(root: Path, store: Store) -> None:
    """Put our marker into a root at the first meeting; raises Unavailable where a known one is missing or another's."""
    known = store.marker(str(root))
    found = marker(root, known)
    if known is None:
        store.remember_marker(str(root), found)


def refuse_offline(root: Path) -> Callable[[str, Path], None]:
    """Return what a disk asks before each effect below a root: OSError while the root's marker isn't there."""
    found = root / ".reeldrop" / "marker.json"

    def ask(_effect: str, _path: Path) -> None:
        if not found.exists():
            raise OSError(errno.ENODEV, "its folder is offline", root.name)

    return ask


def _meet_again(config: Config) -> None:
    """Ask before anything is made: the bare mount point of a share must get no folders and no lease of ours."""
    database = config.state_dir / "reeldrop.db"
    if not database.exists():
        return
    store = Store(database, read_only=True)
    try:
        for root in (config.inbox_dir, config.output_dir):
            known = store.marker(str(root))
            if known is not None:
                marker(root, known)
    finally:
        store.close()

"""Followers: a file that jobs named from their own folder goes, with the last of them, where that one's files went."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from service.disk import Disk
from service.inbox.giveback import send_after
from service.named_media import NamedMedia
from service.settling import FileFacts
from service.store import Store

LOG = logging.getLogger(__name__)


class Followers:
    """Moves files after their last job; what is to move is in the store, so that a crash forgets none."""

    def __init__(
        self, inbox: Path, store: Store, named: NamedMedia, facts: Callable[[str], FileFacts | None], disk: Disk
    ) -> None:
        self._inbox = inbox
        self._store = store
        self._named = named
        self._facts = facts
        self._disk = disk
        self._told: set[str] = set()

    def is_due(self) -> bool:
        """Tell whether a file is to follow now, or what was to follow is gone."""
        return any(not self._is_kept(path) for path in self._store.followers() if path not in self._told)

    def _is_kept(self, path: str) -> bool:
        return bool(self._named.namers(path)) or self._store.is_named(path)

    def move(self) -> None:
        """Move every file that is to follow and that nothing waiting or under way names any more."""
        for path, (folder, identity) in self._store.followers().items():
            facts = self._facts(path)
            if facts is None or (facts.size, facts.mtime_ns, facts.inode) != identity:
                # Gone, or another file by now: that one was named by nobody.
                self._store.forget_follower(path)
            elif not self._is_kept(path):
                self._move(path, folder)

    def _move(self, path: str, folder: str) -> None:
        try:
            there = send_after(self._inbox, path, folder, self._disk)
        except OSError as trouble:
            if path not in self._told:
                LOG.warning("%s can't follow its job to %s now: %s", path, folder, trouble)
                self._told.add(path)
            return
        self._told.discard(path)
        self._store.log("followed", detail=f"{path} to {there}")
        self._store.forget_follower(path)

"""What the daemon remembers beside jobs: its roots, the media that jobs name, and what troubles it now."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from service.errors import Problem
from service.rows import path_of, sound, text_of
from service.store.connection import Connection


class Memory(Connection):
    """Small facts that must outlive the daemon."""

    def marker(self, root: str) -> str | None:
        """Return the marker that this database knows for a root folder, or None at the first meeting."""
        rows = self._rows("SELECT marker FROM roots WHERE path = ?", (root,))
        return str(rows[0]["marker"]) if rows else None

    def remember_marker(self, root: str, marker: str) -> None:
        """Save a root's marker: from now on its absence means offline, not empty."""
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO roots (path, marker) VALUES (?, ?)", (root, marker))

    def name_media(self, path: str, size: int, mtime_ns: int) -> None:
        """Remember that a job file named this media file, so that it never becomes a drop of its own."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO named_media VALUES (?, ?, ?)", (text_of(path), size, mtime_ns)
            )

    def forget_media(self, paths: Collection[str]) -> None:
        """Forget media files that are no longer there."""
        with self.transaction():
            self._connection.executemany("DELETE FROM named_media WHERE path = ?", [(text_of(path),) for path in paths])

    def named_media(self) -> dict[str, tuple[int, int]]:
        """Return every media file that a job file has named: path → (bytes, mtime in ns)."""
        return {
            path_of(row["path"]): (row["bytes"], row["mtime_ns"]) for row in self._rows("SELECT * FROM named_media")
        }

    def name_by(self, drop_id: str, paths: Collection[str]) -> None:
        """Remember which files a claimed drop names without owning them, until `unname`."""
        with self.transaction():
            rows = [(drop_id, text_of(path)) for path in paths]
            self._connection.executemany('INSERT OR IGNORE INTO namings ("drop", path) VALUES (?, ?)', rows)

    def unname(self, drop_id: str) -> None:
        """Forget what a drop named: it is over."""
        with self.transaction():
            self._connection.execute('DELETE FROM namings WHERE "drop" = ?', (drop_id,))

    def is_named(self, path: str) -> bool:
        """Return whether any claimed drop still names a file."""
        return bool(self._rows("SELECT 1 FROM namings WHERE path = ? LIMIT 1", (text_of(path),)))

    def follow(self, path: str, folder: str, facts: tuple[int, int, int]) -> None:
        """Remember that a file (bytes, mtime in ns, inode) is to follow its last job to an inbox-relative folder."""
        with self.transaction():
            self._connection.execute(
                "INSERT OR REPLACE INTO followers VALUES (?, ?, ?, ?, ?)", (text_of(path), text_of(folder), *facts)
            )

    def followers(self) -> dict[str, tuple[str, tuple[int, int, int]]]:
        """Return every file that is to follow: path → (folder, (bytes, mtime in ns, inode))."""
        return {
            path_of(row["path"]): (path_of(row["folder"]), (row["bytes"], row["mtime_ns"], row["inode"]))
            for row in self._rows("SELECT * FROM followers")
        }

    def forget_follower(self, path: str) -> None:
        """Forget that a file was to follow: it has, or it is gone."""
        with self.transaction():
            self._connection.execute("DELETE FROM followers WHERE path = ?", (text_of(path),))

    def touch(self) -> bool:
        """Begin and end an empty transaction: return whether something could be written now."""
        try:
            with self.transaction():
                return True
        except sqlite3.OperationalError:
            return False

    def set_notice(self, code: str, problem: Problem | None) -> None:
        """Remember what troubles the daemon now under this code, or that it is over; the same again keeps its time."""
        found = self._rows("SELECT title, fix FROM notices WHERE code = ?", (code,))
        if problem is None and not found:
            return
        if problem is not None and found and tuple(found[0]) == (problem.title, problem.fix):
            return
        with self.transaction():
            self._connection.execute("DELETE FROM notices WHERE code = ?", (code,))
            if problem is not None:
                values = (code, sound(problem.title), sound(problem.fix), self._now())
                self._connection.execute("INSERT INTO notices VALUES (?, ?, ?, ?)", values)
            self.log("notice" if problem else "notice_over", detail=problem.title if problem else code)

    def notices(self) -> list[dict[str, str]]:
        """Return what troubles the daemon now, the oldest first: code, title, fix, since."""
        return [dict(row) for row in self._rows("SELECT code, title, fix, since FROM notices ORDER BY since, code")]

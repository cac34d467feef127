"""Migrations: how the tables came to be as they are, each step once and in order."""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database, Migrations

from service.naming import fold

MIGRATIONS = Migrations("reeldrop")
_SCHEMA = Path(__file__).with_name("schema.sql")


@MIGRATIONS()
def first_schema(database: Database) -> None:
    """Make the tables as schema.sql has them; executescript would commit the migration's own transaction."""
    for statement in _SCHEMA.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            database.execute(statement)


@MIGRATIONS()
def folded_names(database: Database) -> None:
    """Let a name be found by what it clashes with, and remember the names that jobs have left."""
    database.execute("ALTER TABLE jobs ADD COLUMN folded TEXT NOT NULL DEFAULT ''")
    for number, task, grouping, name in database.execute("SELECT number, task, grouping, name FROM jobs").fetchall():
        database.execute("UPDATE jobs SET folded = ? WHERE number = ?", (folded(task, grouping, name), number))
    database.execute("CREATE INDEX jobs_folded ON jobs (folded)")
    database.execute("DROP INDEX jobs_name")
    database.execute("CREATE TABLE leftovers (path TEXT PRIMARY KEY, folded TEXT NOT NULL) STRICT")


@MIGRATIONS()
def model_names(database: Database) -> None:
    """Remember which models a job runs on."""
    database.execute("ALTER TABLE jobs ADD COLUMN models TEXT NOT NULL DEFAULT '[]'")


def folded(task: str, grouping: str, name: str) -> str:
    """Return what two outbox names share when they clash, folders and all."""
    return fold("/".join(part for part in (task, grouping, name) if part))

"""Migrations: how the tables came to be as they are, each step once and in order."""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database, Migrations

from service.naming import fold

MIGRATIONS = Migrations("reeldrop")
#: What jobs of one workflow on the same models share; SQLite finds them by the very words of an index.
COHORT = "(coalesce(workflow, '') || char(10) || models)"
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


@MIGRATIONS()
def whole_drop_contract(database: Database) -> None:
    """Remember what stands for what, what was asked to be cancelled, who names which media, and what is wrong now."""
    database.execute("ALTER TABLE jobs ADD COLUMN same_as TEXT")
    database.execute("ALTER TABLE jobs ADD COLUMN fingerprint TEXT")
    database.execute("ALTER TABLE jobs ADD COLUMN cancel INTEGER NOT NULL DEFAULT 0")
    database.execute("CREATE INDEX jobs_fingerprint ON jobs (fingerprint) WHERE fingerprint IS NOT NULL")
    database.execute("ALTER TABLE drops ADD COLUMN record TEXT")
    database.execute(
        'CREATE TABLE namings ("drop" TEXT NOT NULL, path TEXT NOT NULL, PRIMARY KEY ("drop", path)) STRICT'
    )
    database.execute("CREATE INDEX namings_path ON namings (path)")
    database.execute(
        """CREATE TABLE followers (path TEXT PRIMARY KEY, folder TEXT NOT NULL, bytes INTEGER NOT NULL,
           mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL) STRICT"""
    )
    database.execute(
        """CREATE TABLE notices (code TEXT PRIMARY KEY, title TEXT NOT NULL, fix TEXT NOT NULL,
           since TEXT NOT NULL) STRICT"""
    )


@MIGRATIONS()
def turns(database: Database) -> None:
    """Find whose turn it is, what is to be cancelled and where jobs are live without reading the whole queue."""
    database.execute(
        "CREATE INDEX jobs_turn ON jobs (task, priority DESC, number) WHERE state = 'queued' AND kind = 'job'"
    )
    database.execute("CREATE INDEX jobs_started ON jobs (task, started_at) WHERE kind = 'job'")
    database.execute(
        "CREATE INDEX jobs_cancel ON jobs (state) WHERE cancel = 1 AND state IN ('waiting', 'queued', 'running')"
    )
    database.execute(
        "CREATE INDEX jobs_folder ON jobs (task, grouping) WHERE state IN ('waiting', 'queued', 'running')"
    )


@MIGRATIONS()
def durations(database: Database) -> None:
    """Remember how long each node of a workflow took, by size and backend."""
    database.execute(
        """CREATE TABLE durations (id INTEGER PRIMARY KEY, workflow TEXT NOT NULL, node TEXT NOT NULL,
           class TEXT NOT NULL, backend TEXT NOT NULL, bucket TEXT NOT NULL, pixels REAL NOT NULL,
           steps REAL NOT NULL, seconds REAL NOT NULL) STRICT"""
    )
    database.execute("CREATE INDEX durations_node ON durations (workflow, node, class, backend, bucket, id)")


@MIGRATIONS()
def many_backends(database: Database) -> None:
    """Find jobs by what they run on, and remember what is known of backends and which groups of jobs fail alike."""
    database.execute("ALTER TABLE jobs ADD COLUMN passed INTEGER NOT NULL DEFAULT 0")
    database.execute(
        f"""CREATE INDEX jobs_cohort ON jobs (task, {COHORT}, priority DESC, number)
            WHERE state = 'queued' AND kind = 'job'"""
    )
    database.execute(
        """CREATE TABLE backends (name TEXT PRIMARY KEY, draining INTEGER NOT NULL DEFAULT 0,
           facts TEXT NOT NULL DEFAULT '{}', updated_at TEXT) STRICT"""
    )
    database.execute(
        """CREATE TABLE cohorts (kind TEXT NOT NULL CHECK (kind IN ('workflow', 'model')), name TEXT NOT NULL,
           signature TEXT NOT NULL, failures INTEGER NOT NULL, workflow TEXT, title TEXT NOT NULL, held_since TEXT,
           PRIMARY KEY (kind, name)) STRICT"""
    )


@MIGRATIONS()
def consent_given(database: Database) -> None:
    """Remember consent with what it was given for, and find it by that."""
    database.execute("ALTER TABLE jobs ADD COLUMN consent TEXT")
    database.execute("CREATE INDEX jobs_consent ON jobs (workflow) WHERE consent IS NOT NULL")


@MIGRATIONS()
def server_troubles(database: Database) -> None:
    """Remember what went wrong on servers, which jobs are set aside, and what may still run somewhere unwanted."""
    database.execute("ALTER TABLE jobs ADD COLUMN trouble TEXT NOT NULL DEFAULT '{}'")
    database.execute("ALTER TABLE jobs ADD COLUMN aside INTEGER NOT NULL DEFAULT 0")
    database.execute(
        "CREATE TABLE strays (backend TEXT NOT NULL, prompt_id TEXT NOT NULL, PRIMARY KEY (backend, prompt_id)) STRICT"
    )


@MIGRATIONS()
def interpolated_results(database: Database) -> None:
    """Remember how many times more frames are made of what the server gives."""
    database.execute("ALTER TABLE renders ADD COLUMN interpolation INTEGER NOT NULL DEFAULT 1")


@MIGRATIONS()
def sheets_owed(database: Database) -> None:
    """Owe a batch its sheet in the very step that ends it, whatever ends it; those that have ended get none."""
    database.execute("CREATE TABLE owed_sheets (batch TEXT PRIMARY KEY) STRICT")
    database.execute(
        """CREATE TRIGGER batch_ended AFTER UPDATE OF state ON jobs
           WHEN NEW.kind = 'batch' AND NEW.state != OLD.state AND NEW.state IN ('done', 'failed', 'cancelled')
           BEGIN INSERT OR IGNORE INTO owed_sheets (batch) VALUES (NEW.id); END"""
    )


@MIGRATIONS()
def quarantine(database: Database) -> None:
    """Remember which results are kept from everybody but the operator, and find what the adult workflow has made."""
    database.execute(
        """CREATE TABLE quarantine (job TEXT PRIMARY KEY REFERENCES jobs (id), file TEXT NOT NULL,
           bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, score REAL NOT NULL, frame INTEGER NOT NULL,
           samples INTEGER NOT NULL, at TEXT NOT NULL, released_at TEXT, released_by TEXT, why TEXT) STRICT"""
    )
    database.execute("CREATE INDEX jobs_adult ON jobs (workflow) WHERE workflow = 'text_to_video_nsfw'")


@MIGRATIONS()
def renders_in_parts(database: Database) -> None:
    """Remember of a render that is too long for one prompt which of its parts are made."""
    database.execute("ALTER TABLE renders ADD COLUMN parts TEXT")


@MIGRATIONS()
def recurrences(database: Database) -> None:
    """Remember of what comes again what began last, and of each time whose its job file is."""
    database.execute(
        """CREATE TABLE recurrences ("drop" TEXT PRIMARY KEY, every TEXT NOT NULL, since TEXT NOT NULL,
           fired TEXT) STRICT"""
    )
    database.execute('CREATE TABLE runs (run TEXT PRIMARY KEY, "drop" TEXT NOT NULL, owner TEXT NOT NULL) STRICT')
    database.execute('CREATE INDEX runs_drop ON runs ("drop")')


@MIGRATIONS()
def released_results(database: Database) -> None:
    """Remember what rendered a result that is kept."""
    database.execute("ALTER TABLE quarantine ADD COLUMN engine TEXT")
    database.execute("ALTER TABLE quarantine ADD COLUMN backend TEXT")


@MIGRATIONS()
def sums_of_results(database: Database) -> None:
    """Find a job by the bytes of its result."""
    database.execute("ALTER TABLE jobs ADD COLUMN result TEXT AS (json_extract(outputs, '$[0].sha256')) VIRTUAL")
    database.execute("CREATE INDEX jobs_result ON jobs (result) WHERE result IS NOT NULL")


@MIGRATIONS()
def tidings(database: Database) -> None:
    """Remember how far in the log each target of notifications was told, and which troubles were told."""
    database.execute("CREATE TABLE tiding_targets (target TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT")
    database.execute(
        """CREATE TABLE troubles_told (key TEXT PRIMARY KEY, event TEXT NOT NULL, name TEXT NOT NULL,
           title TEXT NOT NULL, fix TEXT NOT NULL) STRICT"""
    )


def folded(task: str, grouping: str, name: str) -> str:
    """Return what two outbox names share when they clash, folders and all."""
    return fold("/".join(part for part in (task, grouping, name) if part))

-- The queue and the log. Times are UTC, ISO 8601 with Z. JSON columns hold what the status file shows.

CREATE TABLE drops (
    id          TEXT PRIMARY KEY,
    task        TEXT NOT NULL,
    grouping    TEXT NOT NULL DEFAULT '',
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('job_file', 'text', 'media')),
    members     TEXT NOT NULL DEFAULT '[]',
    claimed     INTEGER NOT NULL DEFAULT 0,
    returned_to TEXT,
    seen_at     TEXT NOT NULL
) STRICT;

CREATE INDEX drops_open ON drops (task, grouping, name) WHERE returned_to IS NULL;

CREATE TABLE jobs (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE,
    "drop"         TEXT NOT NULL REFERENCES drops (id),
    kind           TEXT NOT NULL DEFAULT 'job' CHECK (kind IN ('job', 'batch')),
    batch          TEXT,
    task           TEXT NOT NULL,
    grouping       TEXT NOT NULL DEFAULT '',
    name           TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'queued', 'running', 'done', 'failed', 'cancelled', 'rejected')),
    hold           TEXT,
    workflow       TEXT,
    chosen         TEXT,
    progress       REAL NOT NULL DEFAULT 0,
    stage          TEXT NOT NULL DEFAULT '',
    eta_seconds    INTEGER,
    backend        TEXT,
    engine         TEXT,
    attempt        INTEGER NOT NULL DEFAULT 1,
    server_deaths  INTEGER NOT NULL DEFAULT 0,
    seed           INTEGER,
    priority       INTEGER NOT NULL DEFAULT 0,
    settings       TEXT NOT NULL DEFAULT '{}',
    adjusted       TEXT NOT NULL DEFAULT '[]',
    inputs         TEXT NOT NULL DEFAULT '[]',
    outputs        TEXT NOT NULL DEFAULT '[]',
    warnings       TEXT NOT NULL DEFAULT '[]',
    error          TEXT,
    graph_hash     TEXT,
    seen_at        TEXT NOT NULL,
    queued_at      TEXT,
    started_at     TEXT,
    finished_at    TEXT,
    updated_at     TEXT NOT NULL
) STRICT;

CREATE INDEX jobs_live ON jobs (state, priority DESC, number) WHERE state IN ('waiting', 'queued', 'running');
CREATE INDEX jobs_drop ON jobs ("drop");
CREATE INDEX jobs_batch ON jobs (batch) WHERE batch IS NOT NULL;
CREATE INDEX jobs_name ON jobs (task, grouping, name);

CREATE TABLE renders (
    job         TEXT PRIMARY KEY REFERENCES jobs (id),
    prompt_id   TEXT NOT NULL UNIQUE,
    graph       TEXT NOT NULL,
    output_node TEXT NOT NULL,
    expected    TEXT NOT NULL,
    weights     TEXT NOT NULL,
    uploads     TEXT NOT NULL
) STRICT;

CREATE TABLE roots (
    path   TEXT PRIMARY KEY,
    marker TEXT NOT NULL
) STRICT;

-- Media that a job file has named: never a drop of its own afterwards (facts tell a new file of the same name apart).
CREATE TABLE named_media (
    path     TEXT PRIMARY KEY,
    bytes    INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     TEXT NOT NULL,
    "drop" TEXT,
    job    TEXT,
    event  TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX events_job ON events (job) WHERE job IS NOT NULL;

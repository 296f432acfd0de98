-- Times are milliseconds since 1970 in UTC. Words (kind, phase, health, …) are
-- those of berth-core, which refuses any other when a row is read.

-- Pre-built systems. A row comes before its build, because the
-- garbage-collector root is named from it, and is never reused.
CREATE TABLE closures (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,
    source     TEXT    NOT NULL,            -- what is built: flake and attribute
    begun_at   INTEGER NOT NULL,
    build_lock TEXT,                        -- held by the builder while it lives
    system     TEXT,                        -- the store path, once it is built
    built_at   INTEGER,
    is_current INTEGER NOT NULL DEFAULT 0,  -- whether new berths get it
    CHECK ((system IS NULL) = (built_at IS NULL)),
    CHECK ((system IS NULL) = (build_lock IS NOT NULL)),
    CHECK (is_current IN (0, 1) AND (system IS NOT NULL OR is_current = 0)),
    UNIQUE (kind, system)
) STRICT;

CREATE UNIQUE INDEX closures_one_is_current ON closures (kind) WHERE is_current = 1;

-- What lives on the host. Both kinds share one space of slots.
CREATE TABLE berths (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT    NOT NULL,
    slot         INTEGER NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    phase        TEXT    NOT NULL,
    wanted       TEXT    NOT NULL,
    reason       TEXT,
    closure_id   INTEGER NOT NULL REFERENCES closures (id) ON DELETE RESTRICT,
    memory       TEXT    NOT NULL,
    cpus         TEXT    NOT NULL,
    tasks        TEXT    NOT NULL,
    host_key     TEXT,                      -- public
    health       TEXT    NOT NULL,
    failed_units TEXT    NOT NULL,          -- a JSON array of unit names
    created_by   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    UNIQUE (kind, name)
) STRICT;

CREATE INDEX berths_by_closure ON berths (closure_id);
CREATE INDEX berths_by_expiry ON berths (expires_at) WHERE expires_at IS NOT NULL;

-- Who did what to which berth when. Rows outlive their berth, so they hold its
-- name and container as text.
CREATE TABLE events (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    name      TEXT,
    container TEXT,
    action    TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    detail    TEXT
) STRICT;

CREATE INDEX events_by_name ON events (kind, name);

-- Previews: repositories, what is deployed of them, and the host names that
-- they have. A preview may have two berths while it is updated, so a berth's
-- name is unique among agents only; and two keys may build the same system, so
-- a closure's path is unique only among those without a key.
--
-- SQLite changes no constraint in place: both tables are made anew, with the
-- numbers that AUTOINCREMENT must not give again.

CREATE TABLE closures_new (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT    NOT NULL,
    source       TEXT    NOT NULL,            -- what is built: flake and attribute
    begun_at     INTEGER NOT NULL,
    build_lock   TEXT,                        -- held by the builder while it lives
    system       TEXT,                        -- the store path, once it is built
    built_at     INTEGER,
    is_current   INTEGER NOT NULL DEFAULT 0,  -- whether new berths get it
    key          TEXT,                        -- what it was built from, as a hash
    meta         TEXT,                        -- what the repository declares, as JSON
    size         INTEGER,                     -- of the whole closure, in bytes
    last_used_at INTEGER,
    CHECK ((system IS NULL) = (built_at IS NULL)),
    CHECK ((system IS NULL) = (build_lock IS NOT NULL)),
    CHECK (is_current IN (0, 1) AND (system IS NOT NULL OR is_current = 0))
) STRICT;

INSERT INTO closures_new (id, kind, source, begun_at, build_lock, system, built_at, is_current)
SELECT id, kind, source, begun_at, build_lock, system, built_at, is_current FROM closures;

CREATE TABLE repositories (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,       -- owner/name, in lower case
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE previews (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE RESTRICT,
    branch        TEXT    NOT NULL,
    pull          INTEGER,                    -- the number of the pull request, if it is one
    slug          TEXT    NOT NULL UNIQUE,
    phase         TEXT    NOT NULL,
    wanted        TEXT    NOT NULL,
    reason        TEXT,
    commit_sha    TEXT,                       -- what is deployed, once something is
    berth_id      INTEGER REFERENCES berths_new (id) ON DELETE SET NULL,
    meta          TEXT,                       -- of what is deployed, as JSON
    inputs        TEXT,                       -- of what is deployed, as a hash
    has_database  INTEGER NOT NULL DEFAULT 0, -- whether the host has one for it
    is_trusted    INTEGER NOT NULL,           -- whether it may have host secrets
    last_build    INTEGER,                    -- whose log tells of its last build, if that is kept
    memory        TEXT    NOT NULL,
    cpus          TEXT    NOT NULL,
    tasks         TEXT    NOT NULL,
    created_by    TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    deployed_at   INTEGER,
    expires_at    INTEGER,
    CHECK (has_database IN (0, 1) AND is_trusted IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX previews_by_pull ON previews (repository_id, pull) WHERE pull IS NOT NULL;
CREATE UNIQUE INDEX previews_by_branch ON previews (repository_id, branch) WHERE pull IS NULL;
CREATE INDEX previews_by_expiry ON previews (expires_at) WHERE expires_at IS NOT NULL;

-- First labels of host names: the slug, and one for each extra host.
CREATE TABLE preview_hosts (
    label      TEXT    PRIMARY KEY,
    preview_id INTEGER NOT NULL REFERENCES previews (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX preview_hosts_by_preview ON preview_hosts (preview_id);

CREATE TABLE berths_new (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    kind             TEXT    NOT NULL,
    slot             INTEGER NOT NULL UNIQUE,
    name             TEXT    NOT NULL,        -- an agent's name, or the slug of its preview
    phase            TEXT    NOT NULL,
    wanted           TEXT    NOT NULL,
    reason           TEXT,
    closure_id       INTEGER NOT NULL REFERENCES closures_new (id) ON DELETE RESTRICT,
    memory           TEXT    NOT NULL,
    cpus             TEXT    NOT NULL,
    tasks            TEXT    NOT NULL,
    host_key         TEXT,                    -- public
    health           TEXT    NOT NULL,
    failed_units     TEXT    NOT NULL,        -- a JSON array of unit names
    created_by       TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER,
    preview_id       INTEGER REFERENCES previews (id) ON DELETE RESTRICT,
    reaches_database INTEGER NOT NULL DEFAULT 0,
    CHECK ((kind = 'preview') = (preview_id IS NOT NULL)),
    CHECK (reaches_database IN (0, 1))
) STRICT;

INSERT INTO berths_new (id, kind, slot, name, phase, wanted, reason, closure_id, memory, cpus, tasks,
                        host_key, health, failed_units, created_by, created_at, expires_at)
SELECT id, kind, slot, name, phase, wanted, reason, closure_id, memory, cpus, tasks,
       host_key, health, failed_units, created_by, created_at, expires_at FROM berths;

DELETE FROM sqlite_sequence WHERE name IN ('closures_new', 'berths_new');
INSERT INTO sqlite_sequence (name, seq) SELECT name || '_new', seq FROM sqlite_sequence
WHERE name IN ('closures', 'berths');

DROP TABLE berths;
DROP TABLE closures;
ALTER TABLE closures_new RENAME TO closures;
ALTER TABLE berths_new RENAME TO berths;

CREATE UNIQUE INDEX closures_one_is_current ON closures (kind) WHERE is_current = 1;
CREATE UNIQUE INDEX closures_by_system ON closures (kind, system) WHERE key IS NULL;
CREATE UNIQUE INDEX closures_by_key ON closures (kind, key) WHERE key IS NOT NULL AND system IS NOT NULL;
CREATE UNIQUE INDEX berths_by_agent ON berths (name) WHERE kind = 'agent';
CREATE INDEX berths_by_closure ON berths (closure_id);
CREATE INDEX berths_by_preview ON berths (preview_id) WHERE preview_id IS NOT NULL;
CREATE INDEX berths_by_expiry ON berths (expires_at) WHERE expires_at IS NOT NULL;

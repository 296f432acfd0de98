-- What berthd does for pull requests: a lane for each, what was asked for on
-- it, and the deliveries that were taken from the spool.

CREATE TABLE lanes (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    repo            TEXT    NOT NULL,            -- owner/name, in lower case
    pull            INTEGER NOT NULL,
    generation      INTEGER NOT NULL DEFAULT 0,  -- grows with what is heard
    done_generation INTEGER NOT NULL DEFAULT 0,  -- what was dealt with
    attempts        INTEGER NOT NULL DEFAULT 0,  -- that came to nothing, in a row
    next_at         INTEGER,                     -- of the next attempt
    is_dead         INTEGER NOT NULL DEFAULT 0,  -- waits for somebody
    error           TEXT,                        -- of the last attempt
    approvals       TEXT    NOT NULL DEFAULT '[]', -- of one commit, as JSON
    suppressed      TEXT,                        -- the commit whose preview somebody removed
    refused         TEXT,                        -- the commit that cannot be deployed
    forced          INTEGER,                     -- the generation that asked for a new one
    comment_id      INTEGER,                     -- Berth's comment on GitHub
    deployment_id   INTEGER,                     -- the newest deployment on GitHub
    reported        TEXT,                        -- a hash of what was told last
    heard_at        INTEGER NOT NULL,
    CHECK (is_dead IN (0, 1) AND done_generation <= generation),
    UNIQUE (repo, pull)
) STRICT;

-- Whoever asked may not be allowed to: that is found out later.
CREATE TABLE lane_wishes (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    lane_id  INTEGER NOT NULL REFERENCES lanes (id) ON DELETE CASCADE,
    delivery TEXT    NOT NULL UNIQUE,            -- one delivery asks for one thing
    asked_by TEXT    NOT NULL,
    wish     TEXT    NOT NULL                    -- as JSON
) STRICT;

CREATE INDEX lane_wishes_by_lane ON lane_wishes (lane_id);

-- Kept longer than GitHub redelivers, so that a repeated one changes nothing.
CREATE TABLE deliveries (
    id          TEXT    PRIMARY KEY,             -- of GitHub
    event       TEXT    NOT NULL,
    lane_id     INTEGER REFERENCES lanes (id) ON DELETE SET NULL,
    received_at INTEGER NOT NULL,
    taken_at    INTEGER NOT NULL,
    outcome     TEXT    NOT NULL                 -- heard, or why it means nothing
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_time ON deliveries (taken_at);
CREATE INDEX deliveries_by_lane ON deliveries (lane_id) WHERE lane_id IS NOT NULL;

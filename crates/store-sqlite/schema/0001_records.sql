-- What lives until somebody deletes it, or until drop_at. The body is JSON.
CREATE TABLE record (
    space TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    -- The row's index entries as lines NAME=VALUE, so that a change that leaves them does not touch their table.
    entries TEXT NOT NULL,
    drop_at INTEGER,
    PRIMARY KEY (space, kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_drop_at ON record (drop_at) WHERE drop_at IS NOT NULL;

CREATE TABLE entry (
    space TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (space, kind, name, value, key)
) STRICT, WITHOUT ROWID;

-- What lives shortly: a ring of tables. A row stands in the table of the period in which it ends.
CREATE TABLE ring_0 (
    space TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    drop_at INTEGER NOT NULL,
    PRIMARY KEY (space, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE ring_1 (
    space TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    drop_at INTEGER NOT NULL,
    PRIMARY KEY (space, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE ring_2 (
    space TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    drop_at INTEGER NOT NULL,
    PRIMARY KEY (space, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE ring_3 (
    space TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    drop_at INTEGER NOT NULL,
    PRIMARY KEY (space, kind, key)
) STRICT, WITHOUT ROWID;

-- The last period that has rows in a table of the ring. When it is over the table is emptied whole.
CREATE TABLE ring (
    slot INTEGER PRIMARY KEY,
    last_period INTEGER NOT NULL
) STRICT;

-- next_version: the first version that no process has reserved. configuration_version: changes with configuration.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counter (name, value) VALUES ('next_version', 1), ('configuration_version', 1);

-- What lives until somebody deletes it, or until drop_at. The body is JSON. Texts compare by their bytes.
CREATE TABLE authd.record (
    space TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    -- The row's index entries as lines NAME=VALUE, so that a change that leaves them does not touch their table.
    entries TEXT NOT NULL,
    drop_at BIGINT,
    PRIMARY KEY (space, kind, key)
-- Room in each page, so that a change that leaves drop_at stays in its page and touches no index.
) WITH (fillfactor = 80);

CREATE INDEX record_drop_at ON authd.record (drop_at) WHERE drop_at IS NOT NULL;

CREATE TABLE authd.entry (
    space TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (space, kind, name, value, key)
);

-- What lives shortly: a ring of tables. A row stands in the table of the period in which it ends.
CREATE TABLE authd.ring_0 (
    space TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    drop_at BIGINT NOT NULL,
    PRIMARY KEY (space, kind, key)
);

CREATE TABLE authd.ring_1 (
    space TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    drop_at BIGINT NOT NULL,
    PRIMARY KEY (space, kind, key)
);

CREATE TABLE authd.ring_2 (
    space TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    drop_at BIGINT NOT NULL,
    PRIMARY KEY (space, kind, key)
);

CREATE TABLE authd.ring_3 (
    space TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    drop_at BIGINT NOT NULL,
    PRIMARY KEY (space, kind, key)
);

-- The last period that ever had rows in a table of the ring. Never goes back.
CREATE TABLE authd.ring (
    slot INTEGER PRIMARY KEY,
    last_period BIGINT NOT NULL
);

INSERT INTO authd.ring (slot, last_period) VALUES (0, -1), (1, -1), (2, -1), (3, -1);

-- next_version: the first version that no process has reserved. configuration_version: changes with configuration.
CREATE TABLE authd.counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

INSERT INTO authd.counter (name, value) VALUES ('next_version', 1), ('configuration_version', 1);

-- What is locked in place of a row that is not there, by a hash of its name. Never written.
CREATE TABLE authd.stripe (
    number INTEGER PRIMARY KEY
);

INSERT INTO authd.stripe (number) SELECT number FROM generate_series(0, 16383) AS series (number);

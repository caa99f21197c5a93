-- What happened to this database as a whole, such as a restore; times in seconds. Never what a person or tenant did.
CREATE TABLE lineage (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    -- JSON.
    detail TEXT NOT NULL
) STRICT;

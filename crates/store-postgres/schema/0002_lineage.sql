-- What happened to this database as a whole, such as a restore; times in seconds. Never what a person or tenant did.
CREATE TABLE authd.lineage (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    what TEXT NOT NULL,
    -- JSON.
    detail TEXT NOT NULL
);

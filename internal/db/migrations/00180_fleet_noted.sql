-- What counts once, in one row for all events of an offer (package
-- fleet/outcome). outcomes_seen had one for each event: its rows stay until they
-- expire, and none is added.

-- +goose Up
CREATE TABLE outcomes_noted (
    key     BIGINT NOT NULL PRIMARY KEY, -- a hash of the offer's token, or of whose voice it is
    events  BIGINT NOT NULL,             -- a bit each
    expires BIGINT NOT NULL              -- seconds since 1970
);
CREATE INDEX outcomes_noted_expires ON outcomes_noted (expires);

-- +goose Down
DROP TABLE outcomes_noted;

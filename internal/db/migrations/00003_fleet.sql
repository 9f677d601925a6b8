-- Rollouts and the sums of what handsets report (package fleet).

-- +goose Up
CREATE TABLE rollouts (
    id          BIGINT NOT NULL PRIMARY KEY,
    release     TEXT   NOT NULL,
    device      TEXT   NOT NULL,
    channel     TEXT   NOT NULL,
    region      TEXT   NOT NULL,
    carrier     TEXT   NOT NULL,
    build       TEXT   NOT NULL REFERENCES builds (id),
    stages      TEXT   NOT NULL, -- JSON
    stage       BIGINT NOT NULL,
    state       TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    forgiven    TEXT   NOT NULL, -- JSON: the counts when a human let it go on
    created_at  BIGINT NOT NULL,
    stage_since BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    UNIQUE (release, device, channel, region, carrier)
);
CREATE INDEX rollouts_device ON rollouts (device, channel);

-- One row: it rises with every change that a node must see.
CREATE TABLE fleet_revision (
    id       BIGINT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO fleet_revision (id, revision) VALUES (1, 0);

CREATE TABLE outcome_sums (
    rollout          BIGINT  NOT NULL REFERENCES rollouts (id),
    from_incremental TEXT    NOT NULL,
    event            TEXT    NOT NULL,
    stage            TEXT    NOT NULL,
    code             TEXT    NOT NULL,
    enrolled         BOOLEAN NOT NULL,
    n                BIGINT  NOT NULL,
    PRIMARY KEY (rollout, from_incremental, event, stage, code, enrolled)
);

-- Each token's event once; rows go when the token has expired.
CREATE TABLE outcomes_seen (
    token   TEXT   NOT NULL,
    event   TEXT   NOT NULL,
    expires BIGINT NOT NULL, -- seconds since 1970
    PRIMARY KEY (token, event)
);
CREATE INDEX outcomes_seen_expires ON outcomes_seen (expires);

-- Boots of claimed handsets, until they are handed on.
CREATE TABLE fleet_boots (
    claim BIGINT NOT NULL,
    build TEXT   NOT NULL,
    at    BIGINT NOT NULL,
    PRIMARY KEY (claim, build)
);

-- +goose Down
DROP TABLE fleet_boots;
DROP TABLE outcomes_seen;
DROP TABLE outcome_sums;
DROP TABLE fleet_revision;
DROP TABLE rollouts;

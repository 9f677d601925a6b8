-- What the test that stops rollouts counts (package fleet): outcomes by region,
-- handsets that applied a build and were not heard of since, regions in which a
-- rollout is stopped, and the figures that stopped one.

-- +goose Up
ALTER TABLE outcome_sums RENAME TO outcome_sums_old;
CREATE TABLE outcome_sums (
    rollout          BIGINT  NOT NULL REFERENCES rollouts (id),
    region           TEXT    NOT NULL, -- empty: not told
    from_incremental TEXT    NOT NULL,
    event            TEXT    NOT NULL, -- a handset's, or silent
    stage            TEXT    NOT NULL,
    code             TEXT    NOT NULL,
    enrolled         BOOLEAN NOT NULL,
    n                BIGINT  NOT NULL,
    PRIMARY KEY (rollout, region, from_incremental, event, stage, code, enrolled)
);
INSERT INTO outcome_sums (rollout, region, from_incremental, event, stage, code, enrolled, n)
    SELECT rollout, '', from_incremental, event, stage, code, enrolled, n FROM outcome_sums_old;
DROP TABLE outcome_sums_old;

-- Handsets that applied a build, by what counts once (outcomes_seen.token).
CREATE TABLE outcomes_waiting (
    token            TEXT    NOT NULL PRIMARY KEY,
    rollout          BIGINT  NOT NULL REFERENCES rollouts (id),
    region           TEXT    NOT NULL,
    from_incremental TEXT    NOT NULL,
    enrolled         BOOLEAN NOT NULL,
    due              BIGINT  NOT NULL, -- when it is silent
    counted          BOOLEAN NOT NULL  -- as silent
);
CREATE INDEX outcomes_waiting_due ON outcomes_waiting (due);

CREATE TABLE rollout_regions (
    rollout BIGINT NOT NULL REFERENCES rollouts (id),
    region  TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    actor   TEXT   NOT NULL,
    figures TEXT   NOT NULL, -- JSON, or empty
    at      BIGINT NOT NULL,
    PRIMARY KEY (rollout, region)
);

ALTER TABLE rollouts ADD COLUMN figures TEXT NOT NULL DEFAULT '';
-- What a human forgave is kept by region from now on.
UPDATE rollouts SET forgiven = '{"":' || forgiven || '}' WHERE forgiven <> '{}';

-- +goose Down
UPDATE rollouts SET forgiven = '{}';
ALTER TABLE rollouts DROP COLUMN figures;
DROP TABLE rollout_regions;
DROP TABLE outcomes_waiting;
ALTER TABLE outcome_sums RENAME TO outcome_sums_new;
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
INSERT INTO outcome_sums (rollout, from_incremental, event, stage, code, enrolled, n)
    SELECT rollout, from_incremental, event, stage, code, enrolled, SUM(n) FROM outcome_sums_new GROUP BY 1, 2, 3, 4, 5, 6;
DROP TABLE outcome_sums_new;

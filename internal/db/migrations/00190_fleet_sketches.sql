-- How long handsets take from stage to stage (package fleet/outcome), and how many
-- different ones got to each (package fleet/reach). No row is about one handset.

-- +goose Up
ALTER TABLE outcomes_noted ADD COLUMN times BIGINT NOT NULL DEFAULT 0; -- of downloaded, applied and booted, until the row expires

CREATE TABLE outcome_pace (
    rollout          BIGINT NOT NULL REFERENCES rollouts (id),
    region           TEXT   NOT NULL, -- empty: not told
    from_incremental TEXT   NOT NULL, -- empty: none that was known
    step             TEXT   NOT NULL,
    class            BIGINT NOT NULL, -- of durations: package fleet/pace
    n                BIGINT NOT NULL,
    PRIMARY KEY (rollout, region, from_incremental, step, class)
);

CREATE TABLE outcome_reach (
    rollout          BIGINT NOT NULL REFERENCES rollouts (id),
    region           TEXT   NOT NULL,
    from_incremental TEXT   NOT NULL,
    stage            TEXT   NOT NULL, -- offered, or an event
    sketch           TEXT   NOT NULL, -- HyperLogLog, base64: package fleet/distinct
    PRIMARY KEY (rollout, region, from_incremental, stage)
);

-- +goose Down
DROP TABLE outcome_reach;
DROP TABLE outcome_pace;
ALTER TABLE outcomes_noted DROP COLUMN times;

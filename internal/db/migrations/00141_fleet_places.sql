-- Places in stages that count handsets, what a rollout is narrowed to, and how
-- its handsets fare (package fleet); what device.yaml says of it (package train).

-- +goose Up
CREATE TABLE rollout_places (
    rollout BIGINT NOT NULL PRIMARY KEY REFERENCES rollouts (id),
    taken   BIGINT NOT NULL -- leased to nodes, never more than the stage has
);
ALTER TABLE rollouts ADD COLUMN conditions TEXT NOT NULL DEFAULT '{}'; -- JSON
ALTER TABLE rollouts ADD COLUMN good BIGINT NOT NULL DEFAULT -1; -- percent that ended well; -1: too few have ended
ALTER TABLE train_devices ADD COLUMN conditions TEXT NOT NULL DEFAULT '{}'; -- JSON

-- +goose Down
ALTER TABLE train_devices DROP COLUMN conditions;
ALTER TABLE rollouts DROP COLUMN good;
ALTER TABLE rollouts DROP COLUMN conditions;
DROP TABLE rollout_places;

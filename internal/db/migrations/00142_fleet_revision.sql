-- A rollout's own revision: a node reads those that changed since it looked last
-- (package fleet).

-- +goose Up
ALTER TABLE rollouts ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
CREATE INDEX rollouts_revision ON rollouts (revision);

-- +goose Down
DROP INDEX rollouts_revision;
ALTER TABLE rollouts DROP COLUMN revision;

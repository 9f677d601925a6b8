-- The frames of a crash, for searching (package crash).

-- +goose Up
ALTER TABLE crash_clusters ADD COLUMN frames TEXT NOT NULL DEFAULT ''; -- one a line, the innermost first

-- +goose Down
ALTER TABLE crash_clusters DROP COLUMN frames;

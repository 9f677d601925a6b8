-- What a notice tells beside names: why a rollout stopped (package notice).

-- +goose Up
ALTER TABLE notices ADD COLUMN detail TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE notices DROP COLUMN detail;

-- The language that a member reads in (package member).

-- +goose Up
ALTER TABLE members ADD COLUMN language TEXT NOT NULL DEFAULT ''; -- as HTML's lang has it; empty: not chosen

-- +goose Down
ALTER TABLE members DROP COLUMN language;

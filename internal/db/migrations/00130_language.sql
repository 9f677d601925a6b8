-- The language that a member chose to read in (package member); members.lang is
-- what they last read in.

-- +goose Up
ALTER TABLE members ADD COLUMN language TEXT NOT NULL DEFAULT ''; -- as HTML's lang has it; empty: not chosen

-- +goose Down
ALTER TABLE members DROP COLUMN language;

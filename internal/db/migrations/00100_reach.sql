-- When periodic jobs were put in last (package jobs), the language that a member
-- reads in (package member), and the weekly digest (package notice).

-- +goose Up
CREATE TABLE job_periods (
    kind   TEXT   NOT NULL PRIMARY KEY,
    put_at BIGINT NOT NULL -- by the clock of the machine that put it in
);

ALTER TABLE members ADD COLUMN lang TEXT NOT NULL DEFAULT ''; -- as HTML's lang has it; empty: never told

ALTER TABLE notices ADD COLUMN place TEXT NOT NULL DEFAULT ''; -- path on the site that it leads to, where no thread says it

-- One row a week: the digest of the release that left in it.
CREATE TABLE notice_digests (
    week    TEXT   NOT NULL PRIMARY KEY, -- the release's name without what a respin adds
    release TEXT   NOT NULL,
    made_at BIGINT NOT NULL,
    after   BIGINT NOT NULL, -- the last member who was told
    done_at BIGINT NOT NULL  -- 0: not all yet
);

-- +goose Down
DROP TABLE notice_digests;
ALTER TABLE notices DROP COLUMN place;
ALTER TABLE members DROP COLUMN lang;
DROP TABLE job_periods;

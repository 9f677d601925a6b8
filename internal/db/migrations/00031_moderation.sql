-- Flags, the review queue, decisions and appeals (package moderation).

-- +goose Up
-- Whom an entry concerns: they may read it. 0: nobody in particular.
ALTER TABLE audit ADD COLUMN about_id BIGINT NOT NULL DEFAULT 0;
CREATE INDEX audit_about ON audit (about_id, id);

-- One round of review of one subject.
CREATE TABLE mod_cases (
    id           BIGINT  NOT NULL PRIMARY KEY,
    subject_kind TEXT    NOT NULL,
    subject_id   BIGINT  NOT NULL,
    author_id    BIGINT  NOT NULL,
    weight       BIGINT  NOT NULL, -- of its flags, in thousandths
    flags        BIGINT  NOT NULL,
    held         BOOLEAN NOT NULL, -- kept back before anyone read it
    auto_hidden  BOOLEAN NOT NULL, -- by flags, until it is decided
    signs        TEXT    NOT NULL, -- why it was held, by commas
    opened_at    BIGINT  NOT NULL,
    decided_at   BIGINT  NOT NULL  -- 0: open
);
CREATE INDEX mod_cases_subject ON mod_cases (subject_kind, subject_id, decided_at);
CREATE INDEX mod_cases_open ON mod_cases (decided_at, weight);
CREATE INDEX mod_cases_author ON mod_cases (author_id, decided_at);

CREATE TABLE mod_flags (
    id           BIGINT  NOT NULL PRIMARY KEY,
    case_id      BIGINT  NOT NULL REFERENCES mod_cases (id),
    subject_kind TEXT    NOT NULL,
    subject_id   BIGINT  NOT NULL,
    flagger_id   BIGINT  NOT NULL, -- 0: erased
    reason       TEXT    NOT NULL,
    note         TEXT    NOT NULL,
    weight       BIGINT  NOT NULL, -- in thousandths
    known        BOOLEAN NOT NULL, -- the flagger was no newcomer
    origin       TEXT    NOT NULL, -- opaque; equal ones are no independent voices; emptied with the decision
    at           BIGINT  NOT NULL,
    outcome      TEXT    NOT NULL  -- empty: undecided; upheld, dismissed
);
CREATE INDEX mod_flags_case ON mod_flags (case_id, id);
CREATE INDEX mod_flags_subject ON mod_flags (subject_kind, subject_id, flagger_id);
CREATE INDEX mod_flags_flagger ON mod_flags (flagger_id, at);

CREATE TABLE mod_decisions (
    id           BIGINT NOT NULL PRIMARY KEY,
    case_id      BIGINT NOT NULL, -- 0: without one
    subject_kind TEXT   NOT NULL,
    subject_id   BIGINT NOT NULL,
    author_id    BIGINT NOT NULL,
    actor_id     BIGINT NOT NULL,
    action       TEXT   NOT NULL,
    measure      TEXT   NOT NULL, -- towards the author
    reason       TEXT   NOT NULL,
    law          TEXT   NOT NULL, -- of a takedown
    until        BIGINT NOT NULL, -- of a suspension
    at           BIGINT NOT NULL,
    lifted_at    BIGINT NOT NULL, -- 0: stands
    lifted_by    BIGINT NOT NULL,
    lifted_why   TEXT   NOT NULL
);
CREATE INDEX mod_decisions_author ON mod_decisions (author_id, id);
CREATE INDEX mod_decisions_subject ON mod_decisions (subject_kind, subject_id, id);

CREATE TABLE mod_appeals (
    decision_id BIGINT  NOT NULL PRIMARY KEY REFERENCES mod_decisions (id), -- one appeal each
    member_id   BIGINT  NOT NULL,
    words       TEXT    NOT NULL,
    at          BIGINT  NOT NULL,
    answered_at BIGINT  NOT NULL, -- 0: not yet
    answered_by BIGINT  NOT NULL,
    granted     BOOLEAN NOT NULL,
    answer      TEXT    NOT NULL
);
CREATE INDEX mod_appeals_open ON mod_appeals (answered_at, at);

-- +goose Down
DROP TABLE mod_appeals;
DROP TABLE mod_decisions;
DROP TABLE mod_flags;
DROP TABLE mod_cases;
DROP INDEX audit_about;
ALTER TABLE audit DROP COLUMN about_id;

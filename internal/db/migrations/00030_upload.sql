-- Pictures and attachments of posts (package upload).

-- +goose Up
CREATE TABLE uploads (
    id           BIGINT NOT NULL PRIMARY KEY,
    member_id    BIGINT NOT NULL,
    name         TEXT   NOT NULL, -- safe
    type         TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    size         BIGINT NOT NULL,
    width        BIGINT NOT NULL, -- 0: not a picture
    height       BIGINT NOT NULL,
    small_type   TEXT   NOT NULL, -- of the smaller copy; empty: there is none
    small_digest TEXT   NOT NULL,
    small_size   BIGINT NOT NULL,
    secret       TEXT   NOT NULL, -- signs addresses of this file on another origin
    subject_kind TEXT   NOT NULL, -- empty: attached to nothing yet
    subject_id   BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    removed_at   BIGINT NOT NULL  -- 0: it is there
);
CREATE INDEX uploads_member ON uploads (member_id, at);
CREATE INDEX uploads_subject ON uploads (subject_kind, subject_id, id);
CREATE INDEX uploads_digest ON uploads (digest);
CREATE INDEX uploads_small ON uploads (small_digest);

-- Bytes that no row needed when the sweep last looked. Whoever keeps them again
-- takes them off, and so meets the sweep in this table.
CREATE TABLE upload_garbage (
    digest TEXT   NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL
);

-- +goose Down
DROP TABLE upload_garbage;
DROP TABLE uploads;

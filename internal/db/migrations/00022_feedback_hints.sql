-- Members' hints that two threads are one; polls in threads (feedback/order,
-- feedback/poll).

-- +goose Up
CREATE TABLE thread_hints (
    thread_id BIGINT NOT NULL REFERENCES threads (id),
    other_id  BIGINT NOT NULL REFERENCES threads (id), -- of which it is a duplicate
    member_id BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (thread_id, other_id, member_id)
);
CREATE INDEX thread_hints_member ON thread_hints (member_id);

CREATE TABLE polls (
    id        BIGINT  NOT NULL PRIMARY KEY,
    thread_id BIGINT  NOT NULL REFERENCES threads (id),
    author_id BIGINT  NOT NULL,
    question  TEXT    NOT NULL,
    many      BOOLEAN NOT NULL, -- several choices may be taken
    release   TEXT    NOT NULL, -- that it asks about; empty: none
    at        BIGINT  NOT NULL,
    ends_at   BIGINT  NOT NULL, -- 0: never
    closed_at BIGINT  NOT NULL -- by hand; 0: not
);
CREATE INDEX polls_thread ON polls (thread_id);
CREATE INDEX polls_release ON polls (release);

CREATE TABLE poll_choices (
    poll_id BIGINT NOT NULL REFERENCES polls (id),
    place   BIGINT NOT NULL, -- from 0
    words   TEXT   NOT NULL,
    PRIMARY KEY (poll_id, place)
);

CREATE TABLE poll_votes (
    poll_id   BIGINT NOT NULL REFERENCES polls (id),
    member_id BIGINT NOT NULL,
    place     BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (poll_id, member_id, place)
);
CREATE INDEX poll_votes_member ON poll_votes (member_id);

-- What members' handsets run: whether the handset said it, or the member.
ALTER TABLE member_builds ADD COLUMN said BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE member_builds DROP COLUMN said;
DROP TABLE poll_votes;
DROP TABLE poll_choices;
DROP TABLE polls;
DROP TABLE thread_hints;

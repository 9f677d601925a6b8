-- Threads, posts, votes, and the way of a report (package feedback).

-- +goose Up
CREATE TABLE threads (
    id         BIGINT  NOT NULL PRIMARY KEY, -- small and dense: commits name it
    kind       TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    title_key  TEXT    NOT NULL, -- in lower case, for the simple search
    author_id  BIGINT  NOT NULL,
    part       TEXT    NOT NULL,
    build      TEXT    NOT NULL, -- version that the reporter ran, as far as known
    created_at BIGINT  NOT NULL,
    last_at    BIGINT  NOT NULL,
    closed_at  BIGINT  NOT NULL, -- 0: open
    posts      BIGINT  NOT NULL,
    votes      BIGINT  NOT NULL,
    hidden     BOOLEAN NOT NULL
);
CREATE INDEX threads_last ON threads (last_at);
CREATE INDEX threads_votes ON threads (votes);
CREATE INDEX threads_author ON threads (author_id);

CREATE TABLE posts (
    id        BIGINT NOT NULL PRIMARY KEY,
    thread_id BIGINT NOT NULL REFERENCES threads (id),
    author_id BIGINT NOT NULL,
    body      TEXT   NOT NULL,
    at        BIGINT NOT NULL
);
CREATE INDEX posts_thread ON posts (thread_id, id);
CREATE INDEX posts_author ON posts (author_id, id);

-- What happened; rows are only ever added. Where a thread stands on a device
-- follows from them, and thread_devices keeps the answer.
CREATE TABLE thread_facts (
    id          BIGINT NOT NULL PRIMARY KEY,
    thread_id   BIGINT NOT NULL REFERENCES threads (id),
    kind        TEXT   NOT NULL,
    device      TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    release     TEXT   NOT NULL,
    build       TEXT   NOT NULL,
    built_at    BIGINT NOT NULL, -- seconds: ro.build.date.utc
    commit_hash TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    actor_id    BIGINT NOT NULL, -- 0: the train
    at          BIGINT NOT NULL
);
CREATE INDEX thread_facts_thread ON thread_facts (thread_id, id);

CREATE TABLE thread_devices (
    thread_id   BIGINT NOT NULL REFERENCES threads (id),
    device      TEXT   NOT NULL, -- empty: any
    state       TEXT   NOT NULL,
    release     TEXT   NOT NULL,
    build       TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    affected    BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    since       BIGINT NOT NULL,
    PRIMARY KEY (thread_id, device)
);
CREATE INDEX thread_devices_device ON thread_devices (device, state);
CREATE INDEX thread_devices_release ON thread_devices (release);

CREATE TABLE thread_votes (
    thread_id BIGINT NOT NULL REFERENCES threads (id),
    member_id BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (thread_id, member_id)
);

-- Who has it, on which device: the reporter and all who said "me too".
CREATE TABLE thread_affected (
    thread_id BIGINT NOT NULL REFERENCES threads (id),
    device    TEXT   NOT NULL,
    member_id BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (thread_id, device, member_id)
);
CREATE INDEX thread_affected_member ON thread_affected (member_id);

CREATE TABLE thread_watches (
    thread_id BIGINT NOT NULL REFERENCES threads (id),
    member_id BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (thread_id, member_id)
);
CREATE INDEX thread_watches_member ON thread_watches (member_id);

-- What a member's own handset of a device runs, as it last said.
CREATE TABLE member_builds (
    member_id BIGINT NOT NULL,
    device    TEXT   NOT NULL,
    build     TEXT   NOT NULL,
    version   TEXT   NOT NULL,
    built_at  BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (member_id, device)
);
CREATE INDEX member_builds_device ON member_builds (device);

CREATE TABLE asks (
    thread_id    BIGINT NOT NULL REFERENCES threads (id),
    member_id    BIGINT NOT NULL,
    device       TEXT   NOT NULL,
    release      TEXT   NOT NULL, -- that carries the fix
    build        TEXT   NOT NULL, -- that the handset ran when it was asked
    opened_at    BIGINT NOT NULL,
    answered_at  BIGINT NOT NULL, -- 0: not yet
    verdict      TEXT   NOT NULL,
    withdrawn_at BIGINT NOT NULL, -- 0: stands; the fix was taken back before an answer
    PRIMARY KEY (thread_id, member_id, device, release)
);
CREATE INDEX asks_member ON asks (member_id, answered_at);

-- +goose Down
DROP TABLE asks;
DROP TABLE member_builds;
DROP TABLE thread_watches;
DROP TABLE thread_affected;
DROP TABLE thread_votes;
DROP TABLE thread_devices;
DROP TABLE thread_facts;
DROP TABLE posts;
DROP TABLE threads;

-- Threads that began at another service, and who wrote them there (package
-- feedback/elsewhere). Nothing is kept of an author but the name.

-- +goose Up
CREATE TABLE elsewhere_authors (
    id        BIGINT NOT NULL PRIMARY KEY, -- below -1: no member's
    service   TEXT   NOT NULL,             -- github, discourse
    place     TEXT   NOT NULL,             -- whose name it is there: empty, or a forum's host
    name      TEXT   NOT NULL,
    name_key  TEXT   NOT NULL,             -- in lower case
    member_id BIGINT NOT NULL,             -- whose it is here; 0: nobody's yet
    UNIQUE (service, place, name_key)
);
CREATE INDEX elsewhere_authors_member ON elsewhere_authors (member_id);

CREATE TABLE elsewhere_threads (
    thread_id BIGINT NOT NULL PRIMARY KEY REFERENCES threads (id),
    service   TEXT   NOT NULL,
    place     TEXT   NOT NULL, -- OWNER/REPO, or a forum's host
    number    BIGINT NOT NULL,
    url       TEXT   NOT NULL, -- there
    votes     BIGINT NOT NULL, -- that were given there
    UNIQUE (service, place, number)
);

CREATE TABLE elsewhere_posts (
    origin_id BIGINT NOT NULL REFERENCES elsewhere_threads (thread_id),
    ref       BIGINT NOT NULL, -- what names the post within its thread there
    post_id   BIGINT NOT NULL,
    PRIMARY KEY (origin_id, ref)
);

-- +goose Down
DROP TABLE elsewhere_posts;
DROP TABLE elsewhere_threads;
DROP TABLE elsewhere_authors;

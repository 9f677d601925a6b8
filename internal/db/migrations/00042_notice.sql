-- What members are told, and how (package notice).

-- +goose Up
CREATE TABLE notices (
    id         BIGINT  NOT NULL PRIMARY KEY,
    member_id  BIGINT  NOT NULL,
    about      TEXT    NOT NULL, -- what it tells of: no member is told twice
    event_id   BIGINT  NOT NULL, -- of the forum's log; 0: none
    kind       TEXT    NOT NULL,
    thread_id  BIGINT  NOT NULL, -- 0: none
    post_id    BIGINT  NOT NULL,
    actor_id   BIGINT  NOT NULL, -- 0: the train
    device     TEXT    NOT NULL,
    release    TEXT    NOT NULL,
    word       TEXT    NOT NULL, -- the state, or what else happened
    at         BIGINT  NOT NULL,
    site       BOOLEAN NOT NULL, -- it stands in the member's list
    read_at    BIGINT  NOT NULL, -- 0: not yet
    mail_due   BIGINT  NOT NULL, -- 0: not by mail, or in a letter already
    letter     BIGINT  NOT NULL, -- the letter that it went into; 0: none
    push       BOOLEAN NOT NULL, -- it is still to be pushed
    UNIQUE (member_id, about)
);
CREATE INDEX notices_member ON notices (member_id, id);
CREATE INDEX notices_due ON notices (mail_due);
CREATE INDEX notices_letter ON notices (letter);
CREATE INDEX notices_at ON notices (at);

-- What a member wants otherwise than everyone does at first.
CREATE TABLE notice_wishes (
    member_id BIGINT  NOT NULL,
    kind      TEXT    NOT NULL,
    channel   TEXT    NOT NULL,
    wanted    BOOLEAN NOT NULL,
    PRIMARY KEY (member_id, kind, channel)
);

CREATE TABLE notice_letters (
    id        BIGINT NOT NULL PRIMARY KEY,
    member_id BIGINT NOT NULL,
    made_at   BIGINT NOT NULL,
    sent_at   BIGINT NOT NULL -- 0: not yet
);

-- Browsers that a member lets be pushed to.
CREATE TABLE push_browsers (
    id         BIGINT NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL,
    endpoint   TEXT   NOT NULL UNIQUE,
    p256dh     TEXT   NOT NULL,
    auth       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX push_browsers_member ON push_browsers (member_id);

-- How far the log of events was read.
CREATE TABLE notice_cursor (
    one   BIGINT NOT NULL PRIMARY KEY,
    after BIGINT NOT NULL
);

-- +goose Down
DROP TABLE notice_cursor;
DROP TABLE push_browsers;
DROP TABLE notice_letters;
DROP TABLE notice_wishes;
DROP TABLE notices;

-- Webhooks and what was sent to them (package webhook).

-- +goose Up
CREATE TABLE webhooks (
    id            BIGINT NOT NULL PRIMARY KEY,
    url           TEXT   NOT NULL,
    secret        TEXT   NOT NULL, -- in the clear: every delivery is signed with it
    old_secret    TEXT   NOT NULL, -- signs too until old_until, after a change
    old_until     BIGINT NOT NULL,
    kinds         TEXT   NOT NULL, -- space between them; empty: all
    device        TEXT   NOT NULL, -- empty: all
    note          TEXT   NOT NULL,
    created_by    BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    failing_since BIGINT NOT NULL, -- 0: the last delivery was taken
    disabled_at   BIGINT NOT NULL, -- 0: in use
    disabled_why  TEXT   NOT NULL
);

CREATE TABLE webhook_deliveries (
    id         BIGINT NOT NULL PRIMARY KEY,
    hook_id    BIGINT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id   BIGINT NOT NULL, -- negative: a ping
    kind       TEXT   NOT NULL,
    body       TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    status     BIGINT NOT NULL, -- HTTP status of the last answer; 0: none
    error      TEXT   NOT NULL, -- of the last attempt; empty: taken
    took       BIGINT NOT NULL, -- microseconds
    created_at BIGINT NOT NULL,
    tried_at   BIGINT NOT NULL, -- 0: not yet
    next_at    BIGINT NOT NULL, -- 0: no further attempt
    done_at    BIGINT NOT NULL, -- 0: still to be taken
    UNIQUE (hook_id, event_id)
);
CREATE INDEX webhook_deliveries_hook ON webhook_deliveries (hook_id, id);
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at);

-- How far the log of events was read.
CREATE TABLE webhook_cursor (
    one   BIGINT NOT NULL PRIMARY KEY,
    after BIGINT NOT NULL
);

-- +goose Down
DROP TABLE webhook_cursor;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;

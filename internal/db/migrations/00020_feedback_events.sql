-- What happened in the forum, in order, for who tells others (package feedback).

-- +goose Up
CREATE TABLE thread_events (
    id        BIGINT NOT NULL PRIMARY KEY, -- 1, 2, 3 … in the order of commits
    thread_id BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    actor_id  BIGINT NOT NULL, -- 0: the train
    device    TEXT   NOT NULL, -- empty: none, or any
    post_id   BIGINT NOT NULL, -- 0: none
    at        BIGINT NOT NULL,
    data      TEXT   NOT NULL  -- JSON: feedback.EventData
);
CREATE INDEX thread_events_thread ON thread_events (thread_id, id);

-- One row. Whoever draws an id holds it until the commit; see feedback.Events.
CREATE TABLE thread_event_last (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    id  BIGINT NOT NULL
);
INSERT INTO thread_event_last (one, id) VALUES (1, 0);

-- +goose Down
DROP TABLE thread_event_last;
DROP TABLE thread_events;

-- Crashes that members' reports hold, and the scrubbed reports (package crash).

-- +goose Up
CREATE TABLE crash_clusters (
    fingerprint TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    process     TEXT   NOT NULL,
    cause       TEXT   NOT NULL,
    top         TEXT   NOT NULL, -- the frame that says most
    first_at    BIGINT NOT NULL,
    last_at     BIGINT NOT NULL
);

CREATE TABLE crash_reports (
    id         BIGINT  NOT NULL PRIMARY KEY,
    member_id  BIGINT  NOT NULL, -- negative: of nobody any more
    thread_id  BIGINT  NOT NULL, -- 0: not published yet
    device     TEXT    NOT NULL, -- empty: the report does not tell
    build      TEXT    NOT NULL, -- version of ours, else what the system calls itself
    enrolled   BOOLEAN NOT NULL, -- the member has claimed a handset of this device
    private    BOOLEAN NOT NULL, -- the text is for maintainers only
    digest     TEXT    NOT NULL, -- of the scrubbed text; empty: it is gone
    size       BIGINT  NOT NULL,
    facts      TEXT    NOT NULL, -- JSON
    at         BIGINT  NOT NULL,
    keep_until BIGINT  NOT NULL
);
CREATE INDEX crash_reports_member ON crash_reports (member_id, at);
CREATE INDEX crash_reports_thread ON crash_reports (thread_id, id);
CREATE INDEX crash_reports_keep ON crash_reports (keep_until);
CREATE INDEX crash_reports_digest ON crash_reports (digest);

CREATE TABLE crash_seen (
    report_id   BIGINT NOT NULL REFERENCES crash_reports (id),
    fingerprint TEXT   NOT NULL REFERENCES crash_clusters (fingerprint),
    device      TEXT   NOT NULL,
    build       TEXT   NOT NULL,
    place       BIGINT NOT NULL, -- in the report's list
    PRIMARY KEY (report_id, fingerprint)
);
CREATE INDEX crash_seen_cluster ON crash_seen (fingerprint, device, build);
CREATE INDEX crash_seen_build ON crash_seen (device, build);

-- What fleet is told of the crashes of a rollout's build: plain numbers.
CREATE TABLE rollout_crashes (
    rollout  BIGINT NOT NULL PRIMARY KEY REFERENCES rollouts (id),
    clusters BIGINT NOT NULL,
    members  BIGINT NOT NULL,
    at       BIGINT NOT NULL
);

-- +goose Down
DROP TABLE rollout_crashes;
DROP TABLE crash_seen;
DROP TABLE crash_reports;
DROP TABLE crash_clusters;

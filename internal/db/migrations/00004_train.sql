-- The weekly train (package train).

-- +goose Up
CREATE TABLE train_releases (
    release    TEXT   NOT NULL PRIMARY KEY,
    state      TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    opened_at  BIGINT NOT NULL,
    departs_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX train_releases_opened ON train_releases (opened_at);

CREATE TABLE train_devices (
    release    TEXT   NOT NULL REFERENCES train_releases (release),
    device     TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    build      TEXT   NOT NULL, -- empty until it is made
    stock      TEXT   NOT NULL,
    fixes      TEXT   NOT NULL, -- JSON: threads fixed since what the device last got
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (release, device)
);

CREATE TABLE train_log (
    id         BIGINT NOT NULL PRIMARY KEY,
    release    TEXT   NOT NULL,
    device     TEXT   NOT NULL, -- empty: the release itself
    from_state TEXT   NOT NULL,
    to_state   TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX train_log_release ON train_log (release, id);

-- +goose Down
DROP TABLE train_log;
DROP TABLE train_devices;
DROP TABLE train_releases;

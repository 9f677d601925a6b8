-- What exists: stock, builds, packages, releases (package catalog), and the
-- catalogue of devices (package device). Digests are hex, times microseconds.

-- +goose Up
CREATE TABLE devices (
    codename   TEXT   NOT NULL,
    variant    TEXT   NOT NULL,
    vendor     TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    boot       TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (codename, variant)
);

CREATE TABLE stock (
    digest       TEXT   NOT NULL PRIMARY KEY,
    device       TEXT   NOT NULL,
    fingerprint  TEXT   NOT NULL,
    incremental  TEXT   NOT NULL,
    patch_level  TEXT   NOT NULL,
    android      TEXT   NOT NULL,
    sdk          BIGINT NOT NULL,
    built_at     BIGINT NOT NULL, -- seconds: ro.build.date.utc
    partitions   TEXT   NOT NULL, -- JSON
    index_digest TEXT   NOT NULL,
    added_at     BIGINT NOT NULL
);
CREATE INDEX stock_device ON stock (device, built_at);

CREATE TABLE builds (
    id             TEXT   NOT NULL PRIMARY KEY,
    device         TEXT   NOT NULL,
    variant        TEXT   NOT NULL,
    version        TEXT   NOT NULL,
    commit_hash    TEXT   NOT NULL,
    fingerprint    TEXT   NOT NULL,
    incremental    TEXT   NOT NULL,
    patch_level    TEXT   NOT NULL,
    sdk            BIGINT NOT NULL,
    built_at       BIGINT NOT NULL, -- seconds: ro.build.date.utc
    rollback_index BIGINT NOT NULL,
    vbmeta_digest  TEXT   NOT NULL,
    stock          TEXT   NOT NULL,
    images         TEXT   NOT NULL, -- JSON
    report         TEXT   NOT NULL,
    created_at     BIGINT NOT NULL
);
CREATE INDEX builds_device ON builds (device, incremental);

CREATE TABLE packages (
    digest         TEXT   NOT NULL PRIMARY KEY,
    size           BIGINT NOT NULL,
    kind           TEXT   NOT NULL,
    device         TEXT   NOT NULL,
    from_build     TEXT   NOT NULL, -- empty: full
    to_build       TEXT   NOT NULL,
    file           TEXT   NOT NULL,
    payload_offset BIGINT NOT NULL,
    payload_size   BIGINT NOT NULL,
    properties     TEXT   NOT NULL,
    property_files TEXT   NOT NULL,
    proven_at      BIGINT NOT NULL
);
CREATE INDEX packages_to ON packages (to_build);

CREATE TABLE releases (
    name        TEXT   NOT NULL PRIMARY KEY,
    commit_hash TEXT   NOT NULL,
    fixes       TEXT   NOT NULL, -- JSON
    notes       TEXT   NOT NULL,
    cut_at      BIGINT NOT NULL
);
CREATE INDEX releases_cut ON releases (cut_at);

CREATE TABLE release_builds (
    release TEXT NOT NULL REFERENCES releases (name),
    device  TEXT NOT NULL,
    build   TEXT NOT NULL REFERENCES builds (id),
    PRIMARY KEY (release, device)
);
CREATE INDEX release_builds_build ON release_builds (build);

-- +goose Down
DROP TABLE release_builds;
DROP TABLE releases;
DROP TABLE packages;
DROP TABLE builds;
DROP TABLE stock;
DROP TABLE devices;

-- The signed descriptions by which Custota knows packages (package catalog).

-- +goose Up
CREATE TABLE package_csigs (
    package  TEXT   NOT NULL PRIMARY KEY REFERENCES packages (digest),
    csig     TEXT   NOT NULL, -- digest of its bytes; empty: there is none, and why says so
    size     BIGINT NOT NULL,
    why      TEXT   NOT NULL,
    added_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE package_csigs;

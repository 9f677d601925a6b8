-- What the checks of a day say about which builds handsets run (package
-- fleet/adoption). No row is about one handset.

-- +goose Up
CREATE TABLE build_checks (
    day      BIGINT NOT NULL, -- UTC days since 1970
    device   TEXT   NOT NULL,
    client   TEXT   NOT NULL,
    build    TEXT   NOT NULL, -- incremental; empty: the client does not tell, or none that is known
    region   TEXT   NOT NULL, -- empty: not told
    checks   BIGINT NOT NULL,
    handsets BIGINT NOT NULL, -- of clients that say that a check is their first of the day
    sketch   TEXT   NOT NULL, -- of the others: HyperLogLog of askers, base64
    PRIMARY KEY (day, device, client, build, region)
);
CREATE INDEX build_checks_device ON build_checks (device, day);

-- +goose Down
DROP TABLE build_checks;

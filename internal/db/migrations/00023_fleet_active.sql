-- How many handsets are active, without knowing one (package fleet).

-- +goose Up
CREATE TABLE handset_days (
    device TEXT   NOT NULL,
    day    BIGINT NOT NULL, -- UTC days since 1970
    gap    BIGINT NOT NULL, -- days since the same handset's check-in before, 1 to 28; 28: or longer, or never
    n      BIGINT NOT NULL, -- handsets
    PRIMARY KEY (device, day, gap)
);
CREATE INDEX handset_days_day ON handset_days (day);

-- +goose Down
DROP TABLE handset_days;

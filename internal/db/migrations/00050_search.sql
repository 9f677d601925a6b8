-- What can be searched for (package search). The words themselves lie in the
-- tables of sqlite/ and postgres/, which differ.

-- +goose Up
CREATE TABLE search_texts (
    id   BIGINT NOT NULL PRIMARY KEY, -- doc * 2^20 + number within it; 0: its title
    doc  BIGINT NOT NULL,
    kind TEXT   NOT NULL,
    ref  BIGINT NOT NULL
);
CREATE INDEX search_texts_ref ON search_texts (kind, ref);

-- +goose Down
DROP TABLE search_texts;

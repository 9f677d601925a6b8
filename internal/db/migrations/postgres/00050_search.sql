-- The words of search_texts, by the same id (package search). Go cuts them;
-- extra ones have no position.

-- +goose Up
CREATE TABLE search_words (
    id    BIGINT   NOT NULL PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX search_words_words ON search_words USING GIN (words) WITH (fastupdate = off);

-- +goose Down
DROP TABLE search_words;

-- The words of search_texts, by the same id as rowid (package search). Go cuts
-- them; the tokenizer only parts them at spaces.

-- +goose Up
CREATE VIRTUAL TABLE search_words USING fts5(words, extra, content='', contentless_delete=1, tokenize="ascii tokenchars '.'");

-- +goose Down
DROP TABLE search_words;

-- Keys of programs that act for a member (package token).

-- +goose Up
CREATE TABLE api_tokens (
    id         BIGINT NOT NULL PRIMARY KEY,
    member_id  BIGINT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    token_hash TEXT   NOT NULL UNIQUE,
    hint       TEXT   NOT NULL, -- its last characters, to tell it from others
    scopes     TEXT   NOT NULL, -- space between them
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, -- 0: never
    used_at    BIGINT NOT NULL  -- 0: never
);
CREATE INDEX api_tokens_member ON api_tokens (member_id);

-- +goose Down
DROP TABLE api_tokens;

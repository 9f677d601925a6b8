-- Private, locked, pinned and merged threads; edits, quotes, mentions, accepted
-- answers; muted watches (package feedback).

-- +goose Up
ALTER TABLE threads ADD COLUMN private BOOLEAN NOT NULL DEFAULT FALSE; -- for the author and thread_named alone
ALTER TABLE threads ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE; -- moderators alone may post
ALTER TABLE threads ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE; -- first in lists
ALTER TABLE threads ADD COLUMN lang TEXT NOT NULL DEFAULT ''; -- BCP 47; empty: not said
ALTER TABLE threads ADD COLUMN merged_into BIGINT NOT NULL DEFAULT 0; -- thread; 0: it is one by itself
ALTER TABLE threads ADD COLUMN accepted_id BIGINT NOT NULL DEFAULT 0; -- post that answers the question; 0: none
CREATE INDEX threads_merged ON threads (merged_into);

-- Who beside the author sees a private thread.
CREATE TABLE thread_named (
    thread_id BIGINT NOT NULL REFERENCES threads (id),
    member_id BIGINT NOT NULL,
    by_id     BIGINT NOT NULL, -- who named them
    at        BIGINT NOT NULL,
    PRIMARY KEY (thread_id, member_id)
);

ALTER TABLE thread_watches ADD COLUMN muted BOOLEAN NOT NULL DEFAULT FALSE; -- not even because of a reply or a mention

ALTER TABLE posts ADD COLUMN edited_at BIGINT NOT NULL DEFAULT 0; -- 0: never
ALTER TABLE posts ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT FALSE; -- by a moderator

-- What a post said before each edit.
CREATE TABLE post_edits (
    id        BIGINT NOT NULL PRIMARY KEY,
    post_id   BIGINT NOT NULL REFERENCES posts (id),
    editor_id BIGINT NOT NULL,
    body      TEXT   NOT NULL, -- until this edit
    at        BIGINT NOT NULL
);
CREATE INDEX post_edits_post ON post_edits (post_id, id);

CREATE TABLE post_quotes (
    post_id   BIGINT NOT NULL REFERENCES posts (id),
    quoted_id BIGINT NOT NULL, -- post
    PRIMARY KEY (post_id, quoted_id)
);

CREATE TABLE post_mentions (
    post_id   BIGINT NOT NULL REFERENCES posts (id),
    member_id BIGINT NOT NULL,
    PRIMARY KEY (post_id, member_id)
);
CREATE INDEX post_mentions_member ON post_mentions (member_id);

-- Merges, and exactly what each brought, so that it can be undone.
CREATE TABLE thread_merges (
    id        BIGINT NOT NULL PRIMARY KEY,
    source_id BIGINT NOT NULL REFERENCES threads (id),
    target_id BIGINT NOT NULL REFERENCES threads (id),
    actor_id  BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    undone_at BIGINT NOT NULL -- 0: stands
);
CREATE INDEX thread_merges_source ON thread_merges (source_id, undone_at);
CREATE INDEX thread_merges_target ON thread_merges (target_id, undone_at);
CREATE TABLE thread_merge_rows (
    merge_id BIGINT NOT NULL REFERENCES thread_merges (id),
    what     TEXT   NOT NULL, -- post, fact, vote, watch, affected, ask
    row_id   BIGINT NOT NULL, -- of the post or fact, or of the member
    device   TEXT   NOT NULL, -- of affected, ask
    release  TEXT   NOT NULL, -- of ask
    PRIMARY KEY (merge_id, what, row_id, device, release)
);

-- +goose Down
DROP TABLE thread_merge_rows;
DROP TABLE thread_merges;
DROP TABLE post_mentions;
DROP TABLE post_quotes;
DROP TABLE post_edits;
ALTER TABLE posts DROP COLUMN hidden;
ALTER TABLE posts DROP COLUMN edited_at;
ALTER TABLE thread_watches DROP COLUMN muted;
DROP TABLE thread_named;
DROP INDEX threads_merged;
ALTER TABLE threads DROP COLUMN accepted_id;
ALTER TABLE threads DROP COLUMN merged_into;
ALTER TABLE threads DROP COLUMN lang;
ALTER TABLE threads DROP COLUMN pinned;
ALTER TABLE threads DROP COLUMN locked;
ALTER TABLE threads DROP COLUMN private;

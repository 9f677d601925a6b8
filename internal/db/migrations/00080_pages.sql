-- Pages of a thread (package feedback): each post knows about how large it is
-- shown and what lies before it, so that one page is read without the others.

-- +goose Up
ALTER TABLE posts ADD COLUMN weight BIGINT NOT NULL DEFAULT 0; -- bytes of HTML, about
ALTER TABLE posts ADD COLUMN place  BIGINT NOT NULL DEFAULT 0; -- weights of the thread's posts before it, summed
UPDATE posts SET weight = CASE WHEN length(body) < 5800 THEN 400 + 2 * length(body) ELSE 12000 END;
UPDATE posts SET place = s.before FROM
	(SELECT id, SUM(weight) OVER (PARTITION BY thread_id ORDER BY at, id) - weight AS before FROM posts) s
	WHERE posts.id = s.id;
CREATE INDEX posts_place ON posts (thread_id, place);

-- +goose Down
DROP INDEX posts_place;
ALTER TABLE posts DROP COLUMN place;
ALTER TABLE posts DROP COLUMN weight;
